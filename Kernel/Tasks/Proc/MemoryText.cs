using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>A file of /proc/PID that tells of an address space, piece by piece. It is empty for a task that has none.</summary>
/// <remarks>
/// Who may read it is asked when it is opened (Linux: <c>proc_mem_open</c>, <c>ptrace_may_access</c>). The mmap lock is held for one
/// piece at a time, so a long file does not hold up the process that it is about; what changes between two pieces is shown as it is then.
/// </remarks>
internal abstract class MemoryText(TaskSystem system, ReadOnlySpan<byte> name, uint mode = 0x124) : ProcText(name, mode)
{
    private readonly TaskSystem _system = system;

    /// <summary>Writes the next piece, as much as fits, and moves the cursor behind it. Holds <see cref="MmStruct.MmapLock"/> for reading.</summary>
    protected abstract void Show(Task task, MmStruct mm, ref TextWriter w, ref ProcCursor cursor);

    /// <inheritdoc/>
    public sealed override Errno Open(TaskFiles who, ProcOpenFile file) => TaskPermission.Check(_system, who, file.Subject);

    /// <inheritdoc/>
    public sealed override bool IsValid(in ProcSubject subject) => TaskNode.IsValid(_system, subject);

    /// <inheritdoc/>
    public sealed override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
        => TaskNode.GetOwner(_system, subject, Mode, ref uid, ref gid);

    /// <inheritdoc/>
    public sealed override Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor)
    {
        Task? task = ProcessSource.TaskOf(_system, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        MmStruct? mm = TaskNode.MemoryOf(task);
        if (mm is null)
        {
            task.Put();
            cursor.Ended = true;
            return Errno.None;
        }
        Errno error = mm.MmapLock.ReadLockKillable();
        if (error == Errno.None)
        {
            Show(task, mm, ref w, ref cursor);
            mm.MmapLock.ReadUnlock();
        }
        mm.Put();
        task.Put();
        return error;
    }
}
