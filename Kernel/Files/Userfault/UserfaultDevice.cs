using NanoVm.Core;
using NanoVm.Files.Devices;

namespace NanoVm.Files.Userfault;

/// <summary><c>/dev/userfaultfd</c>: who may open it may have descriptors that also answer the kernel's faults, without any capability.</summary>
/// <remarks>Linux: <c>userfaultfd_misc</c>; Documentation/admin-guide/mm/userfaultfd.</remarks>
internal sealed class UserfaultDevice(IoSystem io) : CharDevice("userfaultfd"u8, 10, 126, 0x180)
{
    private readonly IoSystem _io = io;

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
    {
        if (_io.UserfaultDeviceFiles.Allocate() is not { } file)
            return Errno.ENOMEM;
        file.Initialize(_io, path, flags);
        return file;
    }
}

/// <summary>An open <see cref="UserfaultDevice"/>: it makes descriptors, and nothing else.</summary>
internal sealed class UserfaultDeviceFile : OpenFile
{
    private const uint New = 0xaa00;

    private IoSystem _io = null!;

    internal void Initialize(IoSystem io, in PathRef path, OpenFlags flags)
    {
        _io = io;
        Initialize(path, flags);
    }

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument)
        => command == New ? Descriptor(_io, who, argument.Value) : Errno.EINVAL;

    /// <summary>Makes a descriptor with the flags of <c>userfaultfd(2)</c> and installs it.</summary>
    /// <returns>EINVAL for flags that are none; ENOMEM; EMFILE.</returns>
    internal static Result<long> Descriptor(IoSystem io, TaskFiles who, ulong flags)
    {
        const ulong userModeOnly = 1;
        if ((flags & ~(userModeOnly | (ulong)(OpenFlags.CloseOnExec | OpenFlags.NonBlocking))) != 0)
            return Errno.EINVAL;
        bool closes = (flags & (ulong)OpenFlags.CloseOnExec) != 0;
        if (!UserfaultFile.Create(io, who, (flags & userModeOnly) != 0, (OpenFlags)flags).TryGet(out OpenFile file, out Errno error))
            return error;
        Result<int> fd = who.Files.Add(who, file, closes ? CloseOnExec.Yes : CloseOnExec.No);
        if (fd.IsOk)
            return (long)fd.Value;
        file.Put();
        return fd.Error;
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.UserfaultDeviceFiles.Free(this);
}
