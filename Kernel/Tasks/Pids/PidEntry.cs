using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Tasks;

/// <summary>A number that names a thread, a process, a process group or a session: all of them at once.</summary>
/// <remarks>
/// Linux: <c>struct pid</c>. The number is taken while the entry is in the table, that is while a thread, a group member or a session member
/// uses it. The object lives as long as somebody points to it: a pidfd or an open <c>/proc</c> folder may outlive the process, and never sees
/// another one under the same number. Guarded by the task-list lock.
/// </remarks>
internal sealed class PidEntry
{
    public PidTable Table = null!;
    public int Number;
    public int ReferenceCount;

    /// <summary>The number can be found; cleared when its last use ends.</summary>
    public bool InTable;

    /// <summary>The thread with this number, or null when it has been released.</summary>
    public Task? Thread;

    /// <summary>The process with this number, or null when it has been released.</summary>
    public ThreadGroup? Process;

    public LinkedSet<ThreadGroup, ProcessGroupLinksOf> ProcessGroupMembers;
    public LinkedSet<ThreadGroup, SessionLinksOf> SessionMembers;

    /// <summary>Pollers of pidfds: woken when the process has ended.</summary>
    public WaitQueue PidfdWait;

    public bool IsUsed => Thread is not null || Process is not null || !ProcessGroupMembers.IsEmpty || !SessionMembers.IsEmpty;

    public PidEntry Get()
    {
        ReferenceCount++;
        return this;
    }

    public void Put()
    {
        if (--ReferenceCount == 0)
            Table.Free(this);
    }
}
