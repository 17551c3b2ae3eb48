using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>Makes the nameless files that hold shared anonymous memory.</summary>
/// <remarks>Linux: <c>shmem_zero_setup</c>. Implemented above (tmpfs) and installed by <c>Kernel.cs</c>, so that arrows point down.</remarks>
internal abstract class SharedMemorySource
{
    /// <summary>A file of <paramref name="bytes"/> zeros with one reference, open for reading and writing.</summary>
    /// <param name="noReserve">The mapping asked not to be counted in <c>Committed_AS</c>.</param>
    public abstract Result<MappableFile> Create(ulong bytes, bool noReserve);
}

internal sealed partial class MemorySystem
{
    /// <summary>Puts a fresh shared file behind <paramref name="area"/>, which is not linked yet.</summary>
    internal Errno SetUpSharedAnonymous(VmArea area)
    {
        if (SharedMemory is not { } source)
            return Errno.ENOMEM;
        if (!source.Create(area.Bytes, (area.Flags & VmFlags.NoReserve) != 0).TryGet(out MappableFile file, out Errno error))
            return error;
        area.File = file;
        return file.Mmap(area);
    }
}
