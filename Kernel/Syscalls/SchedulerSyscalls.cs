using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Priorities, policies and processors: <c>sched_*</c>, <c>getpriority</c>, <c>setpriority</c>, <c>getcpu</c>.</summary>
internal static unsafe class SchedulerSyscalls
{
    /// <summary>Bytes of the kernel's processor mask.</summary>
    private const int MaskBytes = 8;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(24, "sched_yield"u8, &Yield);
        table.Add(140, "getpriority"u8, &GetPriority);
        table.Add(141, "setpriority"u8, &SetPriority);
        table.Add(142, "sched_setparam"u8, &SetParam);
        table.Add(143, "sched_getparam"u8, &GetParam);
        table.Add(144, "sched_setscheduler"u8, &SetScheduler);
        table.Add(145, "sched_getscheduler"u8, &GetScheduler);
        table.Add(146, "sched_get_priority_max"u8, &PriorityMax);
        table.Add(147, "sched_get_priority_min"u8, &PriorityMin);
        table.Add(148, "sched_rr_get_interval"u8, &RoundRobinInterval);
        table.Add(203, "sched_setaffinity"u8, &SetAffinity);
        table.Add(204, "sched_getaffinity"u8, &GetAffinity);
        table.Add(309, "getcpu"u8, &GetCpu);
        table.Add(314, "sched_setattr"u8, &SetAttributes);
        table.Add(315, "sched_getattr"u8, &GetAttributes);
    }

    private static SysResult Yield(ref SyscallArguments a)
    {
        a.Task.System.Scheduler.Yield();
        return 0;
    }

    private static SysResult GetCpu(ref SyscallArguments a)
    {
        if (!a.Address0.IsZero && UserCopy.Put(a.Address0, (uint)PerCpu.Number) != Errno.None)
            return Errno.EFAULT;
        if (!a.Address1.IsZero && UserCopy.Put(a.Address1, 0u) != Errno.None)
            return Errno.EFAULT;
        return 0;
    }

    // ---- Nice values ----------------------------------------------------------------------------------------------------------------

    private const int OfProcess = 0, OfGroup = 1, OfUser = 2;

    /// <summary>man 2 getpriority; the system call answers 20 − nice, so that no result looks like an error.</summary>
    private static SysResult GetPriority(ref SyscallArguments a)
    {
        var walk = new PriorityWalk { Best = -1 };
        Errno error = ForEach(a.Task, a.Int0, a.Int1, ref walk);
        if (error != Errno.None)
            return error;
        return walk.Best < 0 ? Errno.ESRCH : walk.Best;
    }

    /// <summary>man 2 setpriority.</summary>
    private static SysResult SetPriority(ref SyscallArguments a)
    {
        var walk = new PriorityWalk { Set = true, Nice = Math.Clamp(a.Int2, -20, 19), Best = -1, Error = Errno.ESRCH };
        Errno error = ForEach(a.Task, a.Int0, a.Int1, ref walk);
        return error != Errno.None ? error : walk.Error;
    }

    private ref struct PriorityWalk
    {
        public bool Set;
        public int Nice;
        public int Best;
        public Errno Error;

        public void Visit(Task caller, Task target)
        {
            if (!Set)
            {
                Best = Math.Max(Best, 20 - target.Nice);
                return;
            }
            Credentials mine = caller.Credentials, theirs = target.Credentials;
            if (theirs.Uid != mine.EffectiveUid && theirs.EffectiveUid != mine.EffectiveUid && !mine.Has(Capability.SysNice))
            {
                Error = Errno.EPERM;
                return;
            }
            if (Nice < target.Nice && !MayRaise(caller, target, Nice))
            {
                Error = Errno.EACCES;
                return;
            }
            if (Error == Errno.ESRCH)
                Error = Errno.None;
            target.Nice = Nice;
            target.System.Scheduler.Requeue(target);
        }
    }

    /// <summary>RLIMIT_NICE allows nice values from 20 − limit up.</summary>
    private static bool MayRaise(Task caller, Task target, int nice)
        => caller.Credentials.Has(Capability.SysNice) || (ulong)(20 - nice) <= target.Limits.Soft(Resource.Nice);

    private static Errno ForEach(Task caller, int which, int who, ref PriorityWalk walk)
    {
        TaskSystem system = caller.System;
        using (system.TaskLock.Acquire())
        {
            switch (which)
            {
                case OfProcess:
                    Task? one = who == 0 ? caller : system.Pids.FindTask(who);
                    if (one is not null)
                        walk.Visit(caller, one);
                    return Errno.None;
                case OfGroup:
                    PidEntry? entry = who == 0 ? caller.Group.ProcessGroup : system.Pids.Find(who);
                    for (ThreadGroup? g = entry?.ProcessGroupMembers.First; g is not null; g = entry!.ProcessGroupMembers.NextOf(g))
                    {
                        for (Task? t = g.Threads.First; t is not null; t = g.Threads.NextOf(t))
                            walk.Visit(caller, t);
                    }
                    return Errno.None;
                case OfUser:
                    uint uid = who == 0 ? caller.Credentials.Uid : (uint)who;
                    for (PidEntry? p = system.Pids.FindNext(1); p is not null; p = system.Pids.FindNext(p.Number + 1))
                    {
                        if (p.Thread is { } task && task.Credentials.Uid == uid)
                            walk.Visit(caller, task);
                    }
                    return Errno.None;
                default:
                    return Errno.EINVAL;
            }
        }
    }

    // ---- Policies -------------------------------------------------------------------------------------------------------------------

    private static SysResult SetScheduler(ref SyscallArguments a)
    {
        if (a.Int1 < 0)
            return Errno.EINVAL;
        return ChangePolicy(a.Task, a.Int0, a.Int1, a.Address2);
    }

    private static SysResult SetParam(ref SyscallArguments a) => ChangePolicy(a.Task, a.Int0, -1, a.Address1);

    private const int ResetOnForkBit = 0x4000_0000;

    private static SysResult ChangePolicy(Task caller, int pid, int policy, VirtAddr parameter)
    {
        if (parameter.IsZero || pid < 0)
            return Errno.EINVAL;
        if (UserCopy.Get(parameter, out int priority) != Errno.None)
            return Errno.EFAULT;
        using (caller.System.TaskLock.Acquire())
        {
            Task? target = Find(caller, pid);
            if (target is null)
                return Errno.ESRCH;
            bool reset = policy >= 0 ? (policy & ResetOnForkBit) != 0 : target.ResetOnFork;
            int plain = policy >= 0 ? policy & ~ResetOnForkBit : (int)target.Policy;
            return Apply(caller, target, plain, priority, target.Nice, reset);
        }
    }

    /// <summary>Linux: <c>__sched_setscheduler</c>'s checks, in its order.</summary>
    private static Errno Apply(Task caller, Task target, int policy, int priority, int nice, bool resetOnFork)
    {
        if (policy is not (0 or 1 or 2 or 3 or 5))
            return Errno.EINVAL;
        bool realTime = policy is 1 or 2;
        if (priority is < 0 or > 99 || realTime != (priority != 0))
            return Errno.EINVAL;
        if (!caller.Credentials.Has(Capability.SysNice))
        {
            if (!realTime && nice < target.Nice && !MayRaise(caller, target, nice))
                return Errno.EPERM;
            if (realTime)
            {
                ulong limit = target.Limits.Soft(Resource.RealTimePriority);
                if (policy != (int)target.Policy && limit == 0)
                    return Errno.EPERM;
                if (priority > target.RealTimePriority && (ulong)priority > limit)
                    return Errno.EPERM;
            }
            if (target.Policy == SchedulingPolicy.Idle && policy != 5 && !MayRaise(caller, target, target.Nice))
                return Errno.EPERM;
            Credentials mine = caller.Credentials, theirs = target.Credentials;
            if (mine.EffectiveUid != theirs.EffectiveUid && mine.EffectiveUid != theirs.Uid)
                return Errno.EPERM;
            if (target.ResetOnFork && !resetOnFork)
                return Errno.EPERM;
        }
        target.Policy = (SchedulingPolicy)policy;
        target.RealTimePriority = priority;
        target.ResetOnFork = resetOnFork;
        if (!realTime)
            target.Nice = nice;
        target.SliceLeft = Math.Min(target.SliceLeft, RoundRobinScheduler.SliceOf(target));
        caller.System.Scheduler.Requeue(target);
        caller.System.Futexes.PriorityChanged(target);
        return Errno.None;
    }

    private static SysResult GetScheduler(ref SyscallArguments a)
    {
        if (a.Int0 < 0)
            return Errno.EINVAL;
        using (a.Task.System.TaskLock.Acquire())
        {
            Task? target = Find(a.Task, a.Int0);
            return target is null ? Errno.ESRCH : (int)target.Policy | (target.ResetOnFork ? ResetOnForkBit : 0);
        }
    }

    private static SysResult GetParam(ref SyscallArguments a)
    {
        if (a.Address1.IsZero || a.Int0 < 0)
            return Errno.EINVAL;
        int priority;
        using (a.Task.System.TaskLock.Acquire())
        {
            Task? target = Find(a.Task, a.Int0);
            if (target is null)
                return Errno.ESRCH;
            priority = target.RealTimePriority;
        }
        return UserCopy.Put(a.Address1, priority);
    }

    private static SysResult PriorityMax(ref SyscallArguments a) => a.Int0 switch
    {
        1 or 2 => 99,
        0 or 3 or 5 => 0,
        _ => Errno.EINVAL,
    };

    private static SysResult PriorityMin(ref SyscallArguments a) => a.Int0 switch
    {
        1 or 2 => 1,
        0 or 3 or 5 => 0,
        _ => Errno.EINVAL,
    };

    private static SysResult RoundRobinInterval(ref SyscallArguments a)
    {
        if (a.Int0 < 0)
            return Errno.EINVAL;
        long slice;
        using (a.Task.System.TaskLock.Acquire())
        {
            Task? target = Find(a.Task, a.Int0);
            if (target is null)
                return Errno.ESRCH;
            slice = target.Policy == SchedulingPolicy.Fifo ? 0 : RoundRobinScheduler.SliceOf(target);
        }
        Errno error = UserCopy.Put(a.Address1, slice / 1_000_000_000);
        return error == Errno.None ? UserCopy.Put(a.Address1 + 8, slice % 1_000_000_000) : error;
    }

    /// <summary>man 2 sched_setattr; the first version of its structure has 48 bytes, the second 56.</summary>
    private static SysResult SetAttributes(ref SyscallArguments a)
    {
        const uint First = 48, Known = 56;
        if (a.Address1.IsZero || a.Int0 < 0 || a.UInt2 != 0)
            return Errno.EINVAL;
        if (UserCopy.Get(a.Address1, out uint size) != Errno.None)
            return Errno.EFAULT;
        if (size == 0)
            size = First;
        if (size is < First or > 4096)
            return TooBig(a.Address1);
        uint* words = stackalloc uint[(int)Known / 4];
        new Span<uint>(words, (int)Known / 4).Clear();
        Errno error = UserCopy.CopyFromUser(new Span<byte>(words, (int)Math.Min(size, Known)), a.Address1);
        if (error != Errno.None)
            return error;
        if (size > Known)
        {
            error = StructureTail.CheckZero(a.Address1 + Known, size - Known);
            if (error != Errno.None)
                return error == Errno.E2BIG ? TooBig(a.Address1) : error;
        }
        ulong flags = words[2] | (ulong)words[3] << 32;
        const ulong ResetOnFork = 1, KeepPolicy = 8, KeepParameters = 16, KnownFlags = 0x7f;
        if ((int)words[1] < 0)
            return Errno.EINVAL;
        if ((flags & ~KnownFlags) != 0)
            return Errno.EINVAL;
        using (a.Task.System.TaskLock.Acquire())
        {
            Task? target = Find(a.Task, a.Int0);
            if (target is null)
                return Errno.ESRCH;
            int policy = (flags & KeepPolicy) != 0 ? (int)target.Policy : (int)words[1];
            int nice = Math.Clamp((int)words[4], -20, 19), priority = (int)words[5];
            if ((flags & KeepParameters) != 0)
            {
                nice = target.Nice;
                priority = target.RealTimePriority;
            }
            return Apply(a.Task, target, policy, priority, nice, (flags & ResetOnFork) != 0);
        }
    }

    private static Errno TooBig(VirtAddr attributes) => UserCopy.Put(attributes, 56u) == Errno.None ? Errno.E2BIG : Errno.EFAULT;

    private static SysResult GetAttributes(ref SyscallArguments a)
    {
        const uint First = 48, Known = 56;
        uint size = a.UInt2;
        if (a.Address1.IsZero || a.Int0 < 0 || size is < First or > 4096 || a.UInt3 != 0)
            return Errno.EINVAL;
        uint* words = stackalloc uint[(int)Known / 4];
        new Span<uint>(words, (int)Known / 4).Clear();
        uint shown = Math.Min(size, Known);
        words[0] = shown;
        using (a.Task.System.TaskLock.Acquire())
        {
            Task? target = Find(a.Task, a.Int0);
            if (target is null)
                return Errno.ESRCH;
            words[1] = (uint)target.Policy;
            words[2] = target.ResetOnFork ? 1u : 0;
            words[4] = target.RealTimePriority > 0 ? 0 : (uint)target.Nice;
            words[5] = (uint)target.RealTimePriority;
        }
        return UserCopy.CopyToUser(a.Address1, new ReadOnlySpan<byte>(words, (int)shown));
    }

    // ---- Processors: there is one ---------------------------------------------------------------------------------------------------

    private static SysResult SetAffinity(ref SyscallArguments a)
    {
        ulong mask = 0;
        int bytes = (int)Math.Min(a.UInt1, (uint)MaskBytes);
        if (UserCopy.CopyFromUser(new Span<byte>(&mask, bytes), a.Address2) != Errno.None)
            return Errno.EFAULT;
        Task? target;
        using (a.Task.System.TaskLock.Acquire())
        {
            target = Find(a.Task, a.Int0);
            if (target is null)
                return Errno.ESRCH;
            Credentials mine = a.Task.Credentials, theirs = target.Credentials;
            if (mine.EffectiveUid != theirs.EffectiveUid && mine.EffectiveUid != theirs.Uid && !mine.Has(Capability.SysNice))
                return Errno.EPERM;
        }
        return (mask & 1) != 0 ? 0 : Errno.EINVAL;
    }

    /// <summary>Answers how many bytes were written, as the C library expects of the bare call.</summary>
    private static SysResult GetAffinity(ref SyscallArguments a)
    {
        if (a.UInt1 < MaskBytes || (a.UInt1 & 7) != 0)
            return Errno.EINVAL;
        using (a.Task.System.TaskLock.Acquire())
        {
            if (Find(a.Task, a.Int0) is null)
                return Errno.ESRCH;
        }
        Errno error = UserCopy.Put(a.Address2, 1ul);
        return error == Errno.None ? MaskBytes : error;
    }

    private static Task? Find(Task caller, int pid) => pid == 0 ? caller : caller.System.Pids.FindTask(pid);
}
