using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>A descriptor that stands for a process; readable when the process has ended.</summary>
/// <remarks>Linux: <c>pidfd_fops</c>; pidfd_open(2). It holds the number's entry, not the process: it never means another one.</remarks>
internal sealed class PidFd : OpenFile
{
    private PidTable _table = null!;
    private PidEntry _entry = null!;

    /// <summary>Opens one and gives it the lowest free descriptor, closed on exec.</summary>
    public static Result<int> Open(Task task, PidEntry entry, bool nonBlocking)
    {
        if (!Create(task, entry, nonBlocking).TryGet(out PidFd file, out Errno error))
            return error;
        Result<int> descriptor = task.Files.Add(task, file, CloseOnExec.Yes);
        if (!descriptor.IsOk)
            file.Put();
        return descriptor;
    }

    /// <summary>CLONE_PIDFD: opens one and tells user space its number.</summary>
    public static Errno CreateFor(Task task, PidEntry entry, VirtAddr to, out int descriptor)
    {
        descriptor = -1;
        if (!Open(task, entry, nonBlocking: false).TryGet(out int made, out Errno error))
            return error;
        if (UserCopy.Put(to, made) != Errno.None)
        {
            Abandon(task, made);
            return Errno.EFAULT;
        }
        descriptor = made;
        return Errno.None;
    }

    /// <summary>The clone that asked for it has failed.</summary>
    public static void Abandon(Task task, int descriptor) => _ = task.Files.Close(task, descriptor);

    /// <summary>The entry behind a descriptor, with a reference for the caller.</summary>
    public static Result<PidEntry> EntryOf(Task task, int descriptor, out bool nonBlocking)
    {
        nonBlocking = false;
        OpenFile? file = task.Files.GetFile(descriptor);
        if (file is null)
            return Errno.EBADF;
        Result<PidEntry> result = Errno.EBADF;
        if (file is PidFd pidFd)
        {
            nonBlocking = pidFd.IsNonBlocking;
            result = pidFd._entry.Get();
        }
        file.Put();
        return result;
    }

    public override PollEvents Poll(PollTable? table)
    {
        table?.Register(ref _entry.PidfdWait);
        using (_table.Lock.Acquire())
            return _entry.Process is null || _entry.Process.IsZombie ? PollEvents.Readable : PollEvents.None;
    }

    /// <inheritdoc/>
    public override void WriteInfo(ref TextWriter w)
    {
        // Linux: pidfd_show_fdinfo. The second line has the number in each namespace of processes; there is one.
        int number;
        using (_table.Lock.Acquire())
            number = _entry.Process is null ? -1 : _entry.Number;
        w.Text("Pid:\t"u8);
        w.Signed(number);
        w.Text("\nNSpid:\t"u8);
        w.Signed(number);
        w.Byte((byte)'\n');
    }

    protected override void Release() => _entry.Put();

    protected override void FreeObject() => _table.PidFds.Free(this);

    private static Result<PidFd> Create(Task task, PidEntry entry, bool nonBlocking)
    {
        if (!task.System.NamelessFiles.MakePlace(task, 0x180, "[pidfd]"u8).TryGet(out PathRef place, out Errno error))
            return error;
        PidFd? file = entry.Table.PidFds.Allocate();
        if (file is not null)
        {
            file._table = entry.Table;
            file._entry = entry.Get();
            file.Initialize(place, OpenFlags.ReadWrite | (nonBlocking ? OpenFlags.NonBlocking : default));
            file.Modes &= ~(OpenModes.Seek | OpenModes.Positional);
        }
        place.Put();
        return file is null ? Errno.ENOMEM : file;
    }
}
