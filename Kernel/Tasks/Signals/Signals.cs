using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Sending, delivering and waiting for signals. Linux: <c>kernel/signal.c</c>. CORE fills this in.</summary>
internal static class Signals
{
    /// <summary>Sends to one thread. Linux: <c>send_sig_info</c>.</summary>
    public static Errno SendToThread(Task task, in SignalInfo info) => Errno.None;

    /// <summary>Sends to one thread as from the kernel. Linux: <c>send_sig(sig, p, 1)</c>.</summary>
    public static void SendKernel(Task task, int signal) => _ = SendToThread(task, new SignalInfo { Signal = signal, Code = SignalInfo.CodeKernel });

    /// <summary>A user sends to a process: checks the right to, then sends; signal 0 only checks. Under the task-list lock. Linux: <c>kill_pid_info</c>.</summary>
    public static Errno SendChecked(Task sender, ThreadGroup group, in SignalInfo info) => Errno.None;

    /// <summary>The task dies of the signal whatever it has set. Linux: <c>force_fatal_sig</c>.</summary>
    public static void ForceFatal(Task task, in SignalInfo info) { }

    /// <summary>Bytes of the largest signal frame. AT_MINSIGSTKSZ.</summary>
    public static ulong FrameBytes => 3632;

    /// <summary>Sends to a process. Linux: <c>group_send_sig_info</c> without the permission check.</summary>
    public static Errno SendToProcess(ThreadGroup group, in SignalInfo info) => Errno.None;

    /// <summary>Makes the signal arrive even when blocked or ignored (then the default action is taken). Linux: <c>force_sig_info</c>.</summary>
    public static void Force(Task task, in SignalInfo info) { }

    /// <summary>Delivers what is pending on the way back to user mode. Linux: <c>arch_do_signal_or_restart</c>.</summary>
    public static void DeliverPending(Task task, ref TrapFrame frame) { }

    /// <summary>Computes <c>task.SignalPending</c> anew. Linux: <c>recalc_sigpending</c>.</summary>
    public static void Recalculate(Task task) { }

    /// <summary>Makes all other threads of the group end. Linux: <c>zap_other_threads</c>. Returns how many.</summary>
    public static int KillOtherThreads(Task current) => 0;

    /// <summary>Puts caught signals back to default. Linux: <c>flush_signal_handlers</c>; <paramref name="all"/>: ignored ones too.</summary>
    public static void ResetHandlers(SignalHandlers handlers, bool all) { }

    /// <summary>Forgets what is pending and frees it. Linux: <c>flush_sigqueue</c>.</summary>
    public static void Flush(TaskSystem system, ref PendingSignals pending) { }

    /// <summary>On exit of a thread: signals of the process that it should have taken wake others. Linux: <c>retarget_shared_pending</c>.</summary>
    public static void Retarget(Task exiting) { }
}
