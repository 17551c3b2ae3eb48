using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Terminal;

namespace NanoVm.Tasks;

/// <summary>What the terminal asks about sessions, groups and signals, answered from the task lists.</summary>
internal sealed class TaskJobControl : JobControl
{
    private readonly TaskSystem _system;

    public TaskJobControl(TaskSystem system) => _system = system;

    private static ThreadGroup Current => Task.Current.Group;

    /// <inheritdoc/>
    public override int CurrentSession => Current.Session?.Number ?? 0;

    /// <inheritdoc/>
    public override int CurrentProcessGroup => Current.ProcessGroup?.Number ?? 0;

    /// <inheritdoc/>
    public override Tty? CurrentTerminal
    {
        get => Current.ControllingTerminal;
        set => Current.ControllingTerminal = value;
    }

    /// <inheritdoc/>
    public override bool CurrentIsSessionLeader => Current.IsSessionLeader;

    /// <inheritdoc/>
    public override void ClearSessionTerminal(int session)
    {
        using (_system.TaskLock.Acquire())
        {
            if (_system.Pids.Find(session) is not { } entry)
                return;
            for (ThreadGroup? p = entry.SessionMembers.First; p is not null; p = entry.SessionMembers.NextOf(p))
                p.ControllingTerminal = null;
        }
    }

    /// <inheritdoc/>
    public override int SessionOfGroup(int processGroup)
    {
        using (_system.TaskLock.Acquire())
            return _system.Pids.Find(processGroup)?.ProcessGroupMembers.First?.Session?.Number ?? 0;
    }

    /// <inheritdoc/>
    public override void SignalProcessGroup(int processGroup, int signal)
    {
        using (_system.TaskLock.Acquire())
        {
            if (_system.Pids.Find(processGroup) is { } entry)
                ProcessGroups.Signal(entry, signal);
        }
    }

    /// <inheritdoc/>
    public override void SignalSessionLeader(int session, int signal)
    {
        using (_system.TaskLock.Acquire())
        {
            if (_system.Pids.Find(session)?.Process is { IsSessionLeader: true } leader)
                _ = Signals.SendToProcess(leader, KernelInfo(signal));
        }
    }

    /// <inheritdoc/>
    public override bool IsCurrentGroupOrphaned
    {
        get
        {
            using (_system.TaskLock.Acquire())
                return Current.ProcessGroup is { } group && ProcessGroups.WouldBeOrphaned(group, null);
        }
    }

    /// <inheritdoc/>
    public override bool IsIgnoredOrBlocked(int signal)
    {
        Task task = Task.Current;
        return task.Blocked.Contains(signal) || (task.Handlers is { } handlers && handlers[signal].Handler == SignalAction.Ignore);
    }

    private static SignalInfo KernelInfo(int signal)
    {
        SignalInfo info = default;
        info.Signal = signal;
        info.Code = SignalInfo.CodeKernel;
        return info;
    }
}
