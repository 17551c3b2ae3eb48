using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Signals: sending, taking, delivering.</summary>
/// <remarks>
/// Linux: <c>kernel/signal.c</c>, <c>arch/x86/kernel/signal.c</c>. The files beside this one have a part each: <c>SignalSend</c>,
/// <c>SignalTake</c> (dequeue, masks), <c>SignalDelivery</c> (on the way to user mode), <c>SignalStop</c> (job control), <c>SignalFrame</c>
/// (what a handler finds on its stack), <c>SignalReturn</c>.
/// <para>
/// <see cref="ThreadGroup.SignalLock"/> guards what is pending for the process and its threads, the actions, and the stop state. It is
/// taken inside of the task-list lock or without it, never the other way round, and from interrupts.
/// </para>
/// </remarks>
internal static partial class Signals
{
    /// <summary>Sends to one thread. Linux: <c>send_sig_info</c>.</summary>
    /// <returns><see cref="Errno.EAGAIN"/> when a queued real-time signal finds no room; else it cannot fail.</returns>
    public static Errno SendToThread(Task task, in SignalInfo info) => Send(task.Group, task, info, SendKind.Usual);

    /// <summary>Sends to a process: one of its threads will take it. Linux: <c>group_send_sig_info</c> without the permission check.</summary>
    public static Errno SendToProcess(ThreadGroup group, in SignalInfo info) => Send(group, null, info, SendKind.Usual);

    /// <summary>Sends to a process when <paramref name="sender"/> may. Signal 0 only asks. Linux: <c>group_send_sig_info</c>.</summary>
    /// <returns><see cref="Errno.EPERM"/>, <see cref="Errno.EAGAIN"/>.</returns>
    public static Errno SendChecked(Task sender, ThreadGroup group, in SignalInfo info)
    {
        if (group.Leader is not Task leader)
            return Errno.ESRCH;
        if (!SignalPermission.MaySend(sender, leader, info.Signal, info.Code))
            return Errno.EPERM;
        return info.Signal == 0 ? Errno.None : SendToProcess(group, info);
    }

    /// <summary>The same for one thread. Linux: <c>do_send_specific</c>.</summary>
    public static Errno SendChecked(Task sender, Task target, in SignalInfo info)
    {
        if (!SignalPermission.MaySend(sender, target, info.Signal, info.Code))
            return Errno.EPERM;
        return info.Signal == 0 ? Errno.None : SendToThread(target, info);
    }

    /// <summary>
    /// Makes a signal arrive at the running thread even when blocked or ignored (then the default action is taken): for what its own
    /// instructions have raised. Linux: <c>force_sig_info</c>.
    /// </summary>
    public static void Force(Task task, in SignalInfo info) => Force(task, info, alwaysDefault: false);

    /// <summary>The same, and no handler can save the program. Linux: <c>force_fatal_sig</c>.</summary>
    public static void ForceFatal(Task task, in SignalInfo info) => Force(task, info, alwaysDefault: true);

    /// <summary>Sends a signal of the kernel's own to a thread: SIGPIPE, SIGXFSZ. Linux: <c>send_sig</c>.</summary>
    public static void SendKernel(Task task, int signal) => _ = SendToThread(task, FromKernel(signal));

    /// <summary>The most bytes that a signal frame takes, alignment included. AT_MINSIGSTKSZ. Linux: <c>get_sigframe_size</c>.</summary>
    public static ulong FrameBytes => (SignalFrameFormat.Bytes + FpuState.AreaBytes + SignalFrameFormat.FpuMagic2Bytes
        + SignalFrameFormat.FpuAlignment + 16 + 15) & ~15UL;

    /// <summary>A signal of the kernel's own with nothing more to say. Linux: <c>SEND_SIG_PRIV</c>.</summary>
    public static SignalInfo FromKernel(int signal)
    {
        SignalInfo info = default;
        info.Signal = signal;
        info.Code = SignalInfo.CodeKernel;
        return info;
    }

    /// <summary>A signal that one process sends another by <c>kill</c>.</summary>
    public static SignalInfo FromUser(Task sender, int signal, int code = SignalInfo.CodeUser)
    {
        SignalInfo info = default;
        info.Signal = signal;
        info.Code = code;
        info.Pid = sender.Tgid;
        info.Uid = sender.Credentials.Uid;
        return info;
    }

    private static void Force(Task task, in SignalInfo info, bool alwaysDefault)
    {
        ThreadGroup group = task.Group;
        if (task.Handlers is SignalHandlers handlers)
        {
            using (group.SignalLock.Acquire())
            {
                ref SignalAction action = ref handlers[info.Signal];
                bool blocked = task.Blocked.Contains(info.Signal);
                if (blocked || action.Handler == SignalAction.Ignore || alwaysDefault)
                {
                    action.Handler = SignalAction.Default;
                    if (blocked)
                        task.Blocked = task.Blocked.Without(info.Signal);
                }
                // Init may not survive its own fault by being unkillable: it would raise it for ever.
                if (action.Handler == SignalAction.Default)
                    group.IsUnkillable = false;
            }
        }
        _ = Send(group, task, info, SendKind.Forced);
    }

    /// <summary>Frees what a pending set had queued. Linux: <c>flush_sigqueue</c>.</summary>
    public static void Flush(TaskSystem system, ref PendingSignals pending)
    {
        QueuedSignal? list = pending.First;
        pending.Set = SignalSet.Empty;
        pending.First = null;
        pending.Last = null;
        Free(system, list);
    }

    /// <summary>Puts caught signals back to default. Linux: <c>flush_signal_handlers</c>; <paramref name="all"/>: ignored ones too.</summary>
    public static void ResetHandlers(SignalHandlers handlers, bool all)
    {
        for (int signal = 1; signal <= SignalNumber.Last; signal++)
        {
            ref SignalAction action = ref handlers[signal];
            if (all || action.Handler != SignalAction.Ignore)
                action.Handler = SignalAction.Default;
            action.Flags = 0;
            action.Restorer = 0;
            action.Mask = SignalSet.Empty;
        }
    }

    private static void Free(TaskSystem system, QueuedSignal? list)
    {
        while (list is not null)
        {
            QueuedSignal? next = list.Next;
            list.Next = null;
            system.UncountSignal(list.CountedFor);
            list.CountedFor = null;
            system.QueuedSignals.Free(list);
            list = next;
        }
    }
}

/// <summary>How hard a signal is sent.</summary>
internal enum SendKind
{
    Usual,
    /// <summary>By the kernel for what the thread itself did: not subject to limits, reaches even init.</summary>
    Forced,
}
