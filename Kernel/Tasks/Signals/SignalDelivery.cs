using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Tasks;

/// <summary>Delivery: what happens to signals on the way back to user mode.</summary>
/// <remarks>Linux: <c>arch_do_signal_or_restart</c>, <c>get_signal</c>, <c>handle_signal</c>.</remarks>
internal static partial class Signals
{
    private const ulong RestartSystemCallNumber = 219;
    /// <summary>SYSCALL is two bytes long.</summary>
    private const ulong SystemCallInstructionBytes = 2;

    /// <summary>Takes all that is pending: stops, ends, or enters a handler; settles whether an interrupted call starts again.</summary>
    public static void DeliverPending(Task task, ref TrapFrame frame)
    {
        if (Next(task, ref frame, out SignalInfo info, out SignalAction action))
        {
            Handle(task, ref frame, info, action);
            return;
        }

        // No handler runs: an interrupted call goes on as if nothing had happened.
        if (frame.IsSystemCall)
        {
            switch (InterruptedWith(frame))
            {
                case Errno.ERESTARTSYS:
                case Errno.ERESTARTNOHAND:
                case Errno.ERESTARTNOINTR:
                    frame.Rax = frame.OriginalRax;
                    frame.Rip -= SystemCallInstructionBytes;
                    break;
                case Errno.ERESTART_RESTARTBLOCK:
                    frame.Rax = RestartSystemCallNumber;
                    frame.Rip -= SystemCallInstructionBytes;
                    break;
            }
            frame.OriginalRax = ulong.MaxValue;              // settled: a second round must not do it again
        }
        RestoreMask(task);
    }

    /// <summary>The signal for which a handler must run now.</summary>
    /// <returns>False when there is none. Does not return when the process ends.</returns>
    private static bool Next(Task task, ref TrapFrame frame, out SignalInfo info, out SignalAction action)
    {
        ThreadGroup group = task.Group;
        action = default;
        while (true)
        {
            bool enabled = group.SignalLock.AcquireRaw();
            if (group.ContinueReport)
            {
                group.ContinueReport = false;
                group.SignalLock.ReleaseRaw(enabled);
                ReportContinue(group);
                continue;
            }
            if (group.GroupExit || task.Pending.Set.Contains(SignalNumber.Kill))
            {
                task.Pending.Set = task.Pending.Set.Without(SignalNumber.Kill);
                int code = group.GroupExit ? group.GroupExitCode : SignalNumber.Kill;
                RecalculateLocked(task);
                group.SignalLock.ReleaseRaw(enabled);
                task.Flags |= TaskFlags.Signaled;
                DoExit.GroupExit(task, code);
            }
            if (task.StopPending)
            {
                group.SignalLock.ReleaseRaw(enabled);
                Stop(task, 0);
                continue;
            }
            if (!Take(task, task.Blocked, out info))
            {
                group.SignalLock.ReleaseRaw(enabled);
                return false;
            }

            int signal = info.Signal;
            ref SignalAction current = ref task.Handlers![signal];
            if (current.IsCaught)
            {
                action = current;
                if ((current.Flags & SignalAction.ResetHand) != 0)
                    current.Handler = SignalAction.Default;
                group.SignalLock.ReleaseRaw(enabled);
                return true;
            }
            bool nothing = current.Ignores(signal) || (group.IsUnkillable && !SignalSets.KernelOnly.Contains(signal));
            group.SignalLock.ReleaseRaw(enabled);
            if (nothing)
                continue;

            if (SignalSets.StopByDefault.Contains(signal))
            {
                // Nobody could continue an orphaned group: the terminal's stop signals do not stop it. POSIX 2.4.3.
                if (signal == SignalNumber.Stop || !IsGroupOrphaned(group))
                    Stop(task, signal);
                continue;
            }
            End(task, ref frame, info);
        }
    }

    /// <summary>The default action that ends the process.</summary>
    private static void End(Task task, ref TrapFrame frame, in SignalInfo info)
    {
        task.Flags |= TaskFlags.Signaled;
        int code = info.Signal;
        if (SignalSets.CoreByDefault.Contains(info.Signal))
        {
            if (info.Signal is SignalNumber.Segmentation or SignalNumber.Bus or SignalNumber.Illegal or SignalNumber.FloatingPoint
                && task.System.FaultReports.MayReport())
            {
                // Linux: show_unhandled_signals. On the log only, a program's output is its own.
                Log.Info($"{task.Name}[{task.Pid}]: signal {info.Signal} code {info.Code} at {info.Address} ip {frame.Rip:x} sp {frame.Rsp:x}");
            }
            if (CoreDump.Write(task, ref frame, info))
                code |= CoreDumped;
        }
        DoExit.GroupExit(task, code);
    }

    /// <summary>In <c>wait</c>'s status: a core file was written.</summary>
    private const int CoreDumped = 0x80;

    private static bool IsGroupOrphaned(ThreadGroup group)
    {
        using (group.System.TaskLock.Acquire())
            return group.ProcessGroup is not null && ProcessGroups.WouldBeOrphaned(group.ProcessGroup, null);
    }

    /// <summary>Makes the handler run when the program goes on.</summary>
    private static void Handle(Task task, ref TrapFrame frame, in SignalInfo info, in SignalAction action)
    {
        if (frame.IsSystemCall)
        {
            Errno interrupted = InterruptedWith(frame);
            bool again = interrupted == Errno.ERESTARTNOINTR
                || (interrupted == Errno.ERESTARTSYS && (action.Flags & SignalAction.Restart) != 0);
            if (again)
            {
                frame.Rax = frame.OriginalRax;
                frame.Rip -= SystemCallInstructionBytes;
            }
            else if (interrupted is Errno.ERESTARTSYS or Errno.ERESTARTNOHAND or Errno.ERESTART_RESTARTBLOCK)
            {
                frame.Rax = unchecked((ulong)-(long)Errno.EINTR);
            }
            frame.OriginalRax = ulong.MaxValue;
        }

        if (!task.RseqArea.IsZero)
            Rseq.HandleResume(task, ref frame);              // the frame must show where the program goes on
        SignalSet saved = task.RestoreBlocked ? task.SavedBlocked : task.Blocked;
        if (!SignalFrame.Push(task, ref frame, info, action, saved))
        {
            // No room for the frame: SIGSEGV, and when that was the signal to deliver, without a second chance.
            if (info.Signal == SignalNumber.Segmentation)
                ForceFatal(task, FromKernel(SignalNumber.Segmentation));
            else
                Force(task, FromKernel(SignalNumber.Segmentation));
            return;
        }

        task.RestoreBlocked = false;
        SignalSet mask = task.Blocked | action.Mask;
        if ((action.Flags & SignalAction.NoDefer) == 0)
            mask = mask.With(info.Signal);
        SetBlocked(task, mask);
    }

    /// <summary>How the call of this frame was interrupted; <see cref="Errno.None"/> when it was not.</summary>
    private static Errno InterruptedWith(in TrapFrame frame)
    {
        long result = (long)frame.Rax;
        return result switch
        {
            -(long)Errno.ERESTARTSYS => Errno.ERESTARTSYS,
            -(long)Errno.ERESTARTNOINTR => Errno.ERESTARTNOINTR,
            -(long)Errno.ERESTARTNOHAND => Errno.ERESTARTNOHAND,
            -(long)Errno.ERESTART_RESTARTBLOCK => Errno.ERESTART_RESTARTBLOCK,
            _ => Errno.None,
        };
    }
}
