using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>Makes a new task out of the current one: everything but running it.</summary>
/// <remarks>
/// Linux: <c>copy_process</c>. Arguments are checked, then each part is copied or shared; a failure gives back exactly what had been taken
/// (<see cref="Undo"/>). From <see cref="Commit"/> on nothing can fail.
/// </remarks>
internal static unsafe class CopyProcess
{
    /// <summary>Checks, copies, and enters the child into the lists. It does not run yet.</summary>
    /// <param name="pidFd">The descriptor made for CLONE_PIDFD, else −1.</param>
    public static Errno Copy(Task parent, in CloneArguments arguments, ref TrapFrame frame, out Task? child, out int pidFd)
    {
        child = null;
        pidFd = -1;
        Errno error = Check(parent, arguments);
        if (error != Errno.None)
            return error;

        // A signal that came first is handled first: the child would otherwise be missing from a group signal.
        Signals.Recalculate(parent);
        if (parent.SignalPending)
            return Errno.ERESTARTNOINTR;

        TaskSystem system = parent.System;
        Task? made = system.AllocateTask();
        if (made is null)
            return Errno.ENOMEM;
        error = CopyParts(parent, made, arguments, ref frame);
        PidEntry? entry = null;
        if (error == Errno.None)
        {
            using (system.TaskLock.Acquire())
                error = system.Pids.Allocate(out entry);
            // The lock cannot wait for memory: the caches are filled without it, and once more. A second want is real.
            if (error == Errno.ENOMEM && system.Pids.Refill())
            {
                using (system.TaskLock.Acquire())
                    error = system.Pids.Allocate(out entry);
            }
        }
        if (error == Errno.None && arguments.Has(CloneFlags.PidFd))
        {
            error = PidFd.CreateFor(parent, entry!, arguments.PidFd, out pidFd);
        }
        if (error == Errno.None)
        {
            error = Commit(parent, made, entry!, arguments);
            if (error != Errno.None && pidFd >= 0)
                PidFd.Abandon(parent, pidFd);
        }
        if (error != Errno.None)
        {
            if (entry is not null)
            {
                using (system.TaskLock.Acquire())
                    system.Pids.ReleaseIfUnused(entry);
            }
            Undo(made);
            return error;
        }
        child = made;
        return Errno.None;
    }

    /// <summary>The checks of <c>copy_process</c>, in Linux's order.</summary>
    private static Errno Check(Task parent, in CloneArguments a)
    {
        if (a.Has(CloneFlags.NewNamespace) && a.Has(CloneFlags.Fs))
            return Errno.EINVAL;
        if (a.Has(CloneFlags.NewUser) && a.Has(CloneFlags.Fs))
            return Errno.EINVAL;
        if (a.Has(CloneFlags.Thread) && !a.Has(CloneFlags.SignalHandlers))
            return Errno.EINVAL;
        if (a.Has(CloneFlags.SignalHandlers) && !a.Has(CloneFlags.Vm))
            return Errno.EINVAL;
        if (a.Has(CloneFlags.Parent) && parent.Group.IsUnkillable)
            return Errno.EINVAL;
        if (a.Has(CloneFlags.Thread) && a.Has(CloneFlags.NewUser | CloneFlags.NewPid))
            return Errno.EINVAL;
        if (a.Has(CloneFlags.PidFd) && a.Has(CloneFlags.Detached | CloneFlags.Thread))
            return Errno.EINVAL;
        return Errno.None;
    }

    private static Errno CopyParts(Task parent, Task child, in CloneArguments a, ref TrapFrame frame)
    {
        TaskSystem system = parent.System;
        Errno error = child.Credentials.CopyFrom(parent.Credentials, system.Arrays);
        if (error != Errno.None)
            return error;
        if (IsOverProcessLimit(parent))
            return Errno.EAGAIN;
        if (system.TaskCount >= system.MaximumTasks)
            return Errno.EAGAIN;
        if (a.Has(CloneFlags.AnyNamespace))
        {
            // There is one namespace of each kind; asking for another is as on a kernel built without them.
            return parent.Credentials.Has(Capability.SysAdmin) ? Errno.EINVAL : Errno.EPERM;
        }

        CopyOwnFields(parent, child, a);

        error = system.Stacks.Allocate(out VirtAddr stack);
        if (error != Errno.None)
            return error;
        child.KernelStackBottom = stack;
        child.KernelStackTop = stack + KernelStacks.Bytes;
        error = system.AllocateFpu(child);
        if (error != Errno.None)
            return error;
        error = system.Semaphores.Copy(parent, child, share: a.Has(CloneFlags.SystemVSemaphores));
        if (error != Errno.None)
            return error;
        error = CopyFiles(parent, child, a);
        if (error != Errno.None)
            return error;
        error = CopyHandlers(parent, child, a);
        if (error != Errno.None)
            return error;
        error = CopyGroup(parent, child, a);
        if (error != Errno.None)
            return error;
        error = CopyMm(parent, child, a);
        if (error != Errno.None)
            return error;
        CopyThread(parent, child, a, ref frame);
        return Errno.None;
    }

    /// <summary>RLIMIT_NPROC, which root and the administrator's capabilities may pass. Also forgets that exec is to look at it.</summary>
    private static bool IsOverProcessLimit(Task parent)
    {
        ulong limit = parent.Limits.Soft(Resource.Processes);
        if (parent.System.UserProcesses(parent.Credentials) < limit)
        {
            parent.Flags &= ~TaskFlags.NprocExceeded;
            return false;
        }
        return parent.Credentials.Uid != 0 && !parent.Credentials.Has(Capability.SysResource) && !parent.Credentials.Has(Capability.SysAdmin);
    }

    private static void CopyOwnFields(Task parent, Task child, in CloneArguments a)
    {
        child.SetName(parent.Name);
        child.Flags = (parent.Flags & ~(TaskFlags.SuperPrivileges | TaskFlags.Idle | TaskFlags.KernelThread | TaskFlags.NprocExceeded
            | TaskFlags.Signaled | TaskFlags.DumpedCore)) | TaskFlags.ForkedNoExec;
        child.Blocked = parent.Blocked;
        if (!a.Has(CloneFlags.Vm) || a.Has(CloneFlags.Vfork))
        {
            child.AlternateStack = parent.AlternateStack;
            child.AlternateStackBytes = parent.AlternateStackBytes;
            child.AlternateStackFlags = parent.AlternateStackFlags;
        }
        else
        {
            child.AlternateStackFlags = SignalStack.Disabled;
        }
        child.SetChildTid = a.Has(CloneFlags.ChildSetTid) ? a.ChildTid : default;
        child.ClearChildTid = a.Has(CloneFlags.ChildClearTid) ? a.ChildTid : default;
        if (!a.Has(CloneFlags.Vm))
        {
            child.RseqArea = parent.RseqArea;
            child.RseqBytes = parent.RseqBytes;
            child.RseqSignature = parent.RseqSignature;
            child.RseqEvent = parent.RseqEvent;
        }
        child.MemoryPolicy = parent.MemoryPolicy?.Get();
        child.Personality = parent.Personality;
        child.Login = parent.Login;
        child.TimerSlackNanoseconds = parent.TimerSlackNanoseconds;
        child.StartTime = Time.MonotonicNanoseconds;

        // Scheduling: the same rank, and half of the slice, so that forking wins no time.
        if (parent.ResetOnFork)
        {
            child.Policy = SchedulingPolicy.Normal;
            child.Nice = parent.RealTimePriority > 0 || parent.Nice < 0 ? 0 : parent.Nice;
        }
        else
        {
            child.Policy = parent.Policy;
            child.Nice = parent.Nice;
            child.RealTimePriority = parent.RealTimePriority;
        }
        if (parent.SliceLeft > 1 && parent.Policy != SchedulingPolicy.Fifo)
        {
            child.SliceLeft = parent.SliceLeft / 2;
            parent.SliceLeft -= child.SliceLeft;
        }
    }

    private static Errno CopyFiles(Task parent, Task child, in CloneArguments a)
    {
        if (parent.Files is { } files)
        {
            if (a.Has(CloneFlags.Files))
            {
                child.Files = files.Get();
            }
            else
            {
                FileDescriptorTable? copy = files.Clone();
                if (copy is null)
                    return Errno.ENOMEM;
                child.Files = copy;
            }
        }
        if (parent.Fs is { } fs)
        {
            if (a.Has(CloneFlags.Fs))
                child.Fs = fs.Get();
            else if (fs.Clone() is { } context)
                child.Fs = context;
            else
                return Errno.ENOMEM;
        }
        return Errno.None;
    }

    private static Errno CopyHandlers(Task parent, Task child, in CloneArguments a)
    {
        SignalHandlers handlers = parent.Handlers!;
        if (a.Has(CloneFlags.SignalHandlers))
        {
            handlers.ReferenceCount++;
            child.Handlers = handlers;
            return Errno.None;
        }
        SignalHandlers? copy = parent.System.AllocateHandlers();
        if (copy is null)
            return Errno.ENOMEM;
        for (int signal = 1; signal <= SignalNumber.Last; signal++)
            copy[signal] = handlers[signal];
        if (a.Has(CloneFlags.ClearSignalHandlers))
            Signals.ResetHandlers(copy, all: false);
        child.Handlers = copy;
        return Errno.None;
    }

    /// <summary>Linux: <c>copy_signal</c>.</summary>
    private static Errno CopyGroup(Task parent, Task child, in CloneArguments a)
    {
        if (a.Has(CloneFlags.Thread))
        {
            child.Group = parent.Group.Get();
            child.Limits = parent.Group.Limits;
            return Errno.None;
        }
        ThreadGroup? group = parent.System.AllocateGroup();
        if (group is null)
            return Errno.ENOMEM;
        ThreadGroup old = parent.Group;
        child.Group = group.Get();
        child.Limits = group.Limits;
        group.Limits.CopyFrom(old.Limits);
        group.OomScoreAdjustment = old.OomScoreAdjustment;
        group.OomScoreAdjustmentMinimum = old.OomScoreAdjustmentMinimum;
        group.HasChildSubreaper = old.HasChildSubreaper || old.IsChildSubreaper;
        group.ControllingTerminal = old.ControllingTerminal;
        return Errno.None;
    }

    /// <summary>The address space: shared or copied on write. Linux: <c>copy_mm</c>.</summary>
    private static Errno CopyMm(Task parent, Task child, in CloneArguments a)
    {
        if (parent.Mm is not { } mm)
            return Errno.None;
        if (a.Has(CloneFlags.Vm))
        {
            child.Mm = mm.Get();
        }
        else
        {
            if (!mm.DupMmap().TryGet(out MmStruct copy, out Errno error))
                return error;
            child.Mm = copy;
        }
        child.ActiveMm = child.Mm;
        return Errno.None;
    }

    /// <summary>The registers: those of the parent with 0 as result. Linux: <c>copy_thread</c>.</summary>
    private static void CopyThread(Task parent, Task child, in CloneArguments a, ref TrapFrame frame)
    {
        FpuState.CopyCurrentTo(child.FpuArea);
        child.FsBase = a.Has(CloneFlags.SetTls) ? a.Tls : Cpu.ReadFsBase();
        child.GsBase = Cpu.ReadUserGsBase();
        child.SegmentSelectors = Cpu.ReadSelectors();
        TrapFrame copy = frame;
        copy.Rax = 0;
        if (!a.StackPointer.IsZero)
            copy.Rsp = a.StackPointer.Value;
        ContextSwitch.PrepareUser(child, copy);
    }

    /// <summary>Enters the child into the world.</summary>
    /// <returns>EINTR when the parent has been killed meanwhile; then nothing has been entered.</returns>
    private static Errno Commit(Task parent, Task child, PidEntry entry, in CloneArguments a)
    {
        TaskSystem system = parent.System;
        using (system.TaskLock.Acquire())
        {
            Signals.Recalculate(parent);
            if (parent.FatalSignalPending)
                return Errno.EINTR;

            child.Pid = entry.Number;
            child.PidEntry = entry.Get();
            entry.Thread = child;
            if (a.Has(CloneFlags.Thread))
            {
                child.ExitSignal = -1;
                ThreadGroup group = child.Group;
                group.Threads.AddLast(child);
                group.LiveThreads++;
            }
            else
            {
                EnterProcess(parent, child, entry, a);
            }
            Signals.Recalculate(child);
            system.TaskCount++;
            system.Forks++;
            system.CountUserProcess(child.Credentials, 1);
        }
        return Errno.None;
    }

    private static void EnterProcess(Task parent, Task child, PidEntry entry, in CloneArguments a)
    {
        ThreadGroup group = child.Group;
        group.Leader = child;
        group.Tgid = entry.Number;
        entry.Process = group;
        group.Threads.AddLast(child);
        group.LiveThreads = 1;
        child.System.ProcessCount++;

        if (a.Has(CloneFlags.Parent))
        {
            group.Parent = parent.Group.Parent;
            group.ParentThread = parent.Group.ParentThread;
            child.ExitSignal = parent.Group.Leader!.ExitSignal;
            group.ParentExecId = parent.Group.ParentExecId;
        }
        else
        {
            group.Parent = parent.Group;
            group.ParentThread = parent;
            child.ExitSignal = a.ExitSignal;
            group.ParentExecId = parent.Group.ExecId;
        }
        group.Parent?.Children.AddLast(group);
        if (parent.Group.ProcessGroup is { } processGroup)
            ProcessGroups.Join(group, processGroup);
        if (parent.Group.Session is { } session)
            ProcessGroups.JoinSession(group, session);
    }

    /// <summary>Gives back what a child that will never live has been given.</summary>
    private static void Undo(Task child)
    {
        TaskSystem system = child.System;
        if (child.Mm is { } mm)
        {
            child.Mm = null;
            child.ActiveMm = null;
            mm.Put();
        }
        if (child.Handlers is { } handlers)
        {
            child.Handlers = null;
            system.PutHandlers(handlers);
        }
        if (child.Fs is { } fs)
        {
            child.Fs = null!;
            fs.Put();
        }
        if (child.Files is { } files)
        {
            child.Files = null!;
            files.Put(child);
        }
        system.Semaphores.End(child);               // the parent has the list too: nothing is done
        child.Put();
        child.Put();
    }
}
