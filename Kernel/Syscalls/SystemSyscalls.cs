using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Hal;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>The machine and what it has used: <c>uname sysinfo getrusage times getrandom reboot sethostname syslog</c> and others.</summary>
internal static unsafe class SystemSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(63, "uname"u8, &Uname);
        table.Add(97, "getrlimit"u8, &GetRlimit);
        table.Add(98, "getrusage"u8, &GetRusage);
        table.Add(99, "sysinfo"u8, &Sysinfo);
        table.Add(100, "times"u8, &Times);
        table.Add(103, "syslog"u8, &Syslog);
        table.Add(160, "setrlimit"u8, &SetRlimit);
        table.Add(169, "reboot"u8, &Reboot);
        table.Add(170, "sethostname"u8, &SetHostName);
        table.Add(171, "setdomainname"u8, &SetDomainName);
        table.Add(302, "prlimit64"u8, &PrLimit);
        table.Add(318, "getrandom"u8, &GetRandom);
        table.Add(324, "membarrier"u8, &MemBarrier);
    }

    /// <summary>man 2 uname: six fields of 65 bytes.</summary>
    private static SysResult Uname(ref SyscallArguments a)
    {
        const int Field = SystemNames.MaximumBytes + 1;
        Span<byte> names = stackalloc byte[6 * Field];
        names.Clear();
        SystemNames system = a.Task.System.Names;
        SystemNames.KernelName.CopyTo(names);
        system.Host.CopyTo(names[Field..]);
        SystemNames.Release.CopyTo(names[(2 * Field)..]);
        SystemNames.Version.CopyTo(names[(3 * Field)..]);
        SystemNames.Machine.CopyTo(names[(4 * Field)..]);
        system.Domain.CopyTo(names[(5 * Field)..]);
        return UserCopy.CopyToUser(a.Address0, names);
    }

    private static SysResult SetHostName(ref SyscallArguments a) => SetName(ref a, host: true);

    private static SysResult SetDomainName(ref SyscallArguments a) => SetName(ref a, host: false);

    private static SysResult SetName(ref SyscallArguments a, bool host)
    {
        if (!a.Task.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        int length = a.Int1;
        if (length is < 0 or > SystemNames.MaximumBytes)
            return Errno.EINVAL;
        Span<byte> name = stackalloc byte[SystemNames.MaximumBytes];
        Errno error = UserCopy.CopyFromUser(name[..length], a.Address0);
        if (error != Errno.None)
            return error;
        if (host)
            a.Task.System.Names.SetHost(name[..length]);
        else
            a.Task.System.Names.SetDomain(name[..length]);
        return 0;
    }

    /// <summary>man 2 sysinfo: 112 bytes.</summary>
    private static SysResult Sysinfo(ref SyscallArguments a)
    {
        TaskSystem system = a.Task.System;
        ulong* words = stackalloc ulong[14];
        new Span<ulong>(words, 14).Clear();
        words[0] = (Time.MonotonicNanoseconds + 999_999_999) / 1_000_000_000;
        words[1] = system.Load.OneMinute << 5;                      // 16 binary places
        words[2] = system.Load.FiveMinutes << 5;
        words[3] = system.Load.FifteenMinutes << 5;
        words[4] = system.Physical.Frames.TotalFrames.Bytes;
        words[5] = system.Physical.Frames.FreeFrames.Bytes;
        words[6] = 0;                                               // shared
        words[7] = 0;                                               // buffers
        words[8] = system.Memory.SwapPages * PageSize.Bytes;
        words[9] = system.Memory.FreeSwapPages * PageSize.Bytes;
        words[10] = (ushort)system.TaskCount;
        words[11] = 0;                                              // high memory
        words[12] = 0;
        words[13] = 1;                                              // unit
        return UserCopy.CopyToUser(a.Address0, new ReadOnlySpan<byte>(words, 14 * sizeof(ulong)));
    }

    /// <summary>man 2 getrusage.</summary>
    private static SysResult GetRusage(ref SyscallArguments a)
    {
        const int Self = 0, Children = -1, Thread = 1;
        Task task = a.Task;
        ResourceUsage usage;
        using (task.System.TaskLock.Acquire())
        {
            switch (a.Int0)
            {
                case Self:
                    usage = Usage.OfProcess(task.Group);
                    break;
                case Children:
                    usage = Usage.OfChildren(task.Group);
                    break;
                case Thread:
                    usage = Usage.OfThread(task);
                    break;
                default:
                    return Errno.EINVAL;
            }
        }
        return RusageFormat.Write(a.Address1, usage);
    }

    /// <summary>man 2 times: hundredths of a second.</summary>
    private static SysResult Times(ref SyscallArguments a)
    {
        if (!a.Address0.IsZero)
        {
            CpuTimes own, children;
            using (a.Task.System.TaskLock.Acquire())
            {
                own = TaskTimes.Of(a.Task.Group);
                children = a.Task.Group.ChildTimes;
            }
            ulong* words = stackalloc ulong[4];
            words[0] = own.User / TaskTimes.NanosecondsPerTick;
            words[1] = own.System / TaskTimes.NanosecondsPerTick;
            words[2] = children.User / TaskTimes.NanosecondsPerTick;
            words[3] = children.System / TaskTimes.NanosecondsPerTick;
            Errno error = UserCopy.CopyToUser(a.Address0, new ReadOnlySpan<byte>(words, 4 * sizeof(ulong)));
            if (error != Errno.None)
                return error;
        }
        return (long)(Time.MonotonicNanoseconds / TaskTimes.NanosecondsPerTick);
    }

    // ---- Limits ---------------------------------------------------------------------------------------------------------------------

    private static SysResult GetRlimit(ref SyscallArguments a)
    {
        if (a.UInt0 >= ResourceLimits.Count)
            return Errno.EINVAL;
        return PutLimit(a.Address1, a.Task.Group.Limits[(Resource)a.UInt0]);
    }

    private static SysResult SetRlimit(ref SyscallArguments a)
    {
        Errno error = ReadLimit(a.Address1, out ResourceLimit limit);
        if (error != Errno.None)
            return error;
        return ChangeLimit(a.Task, a.Task.Group, a.UInt0, true, limit, out _);
    }

    /// <summary>man 2 prlimit.</summary>
    private static SysResult PrLimit(ref SyscallArguments a)
    {
        Task task = a.Task;
        ResourceLimit wanted = default;
        bool change = !a.Address2.IsZero;
        if (change)
        {
            Errno error = ReadLimit(a.Address2, out wanted);
            if (error != Errno.None)
                return error;
        }
        ResourceLimit old;
        TaskSystem system = task.System;
        Task target;
        using (system.TaskLock.Acquire())
        {
            Task? found = a.Int0 == 0 ? task : system.Pids.FindTask(a.Int0);
            if (found is null)
                return Errno.ESRCH;
            if (!ReferenceEquals(found, task) && !MayChangeLimitsOf(task, found))
                return Errno.EPERM;
            target = found.Get();
        }
        Errno result = ChangeLimit(task, target.Group, a.UInt1, change, wanted, out old);
        target.Put();
        if (result != Errno.None)
            return result;
        return a.Address3.IsZero ? 0 : PutLimit(a.Address3, old);
    }

    private static bool MayChangeLimitsOf(Task task, Task target)
    {
        Credentials mine = task.Credentials, theirs = target.Credentials;
        if (mine.Uid == theirs.EffectiveUid && mine.Uid == theirs.SavedUid && mine.Uid == theirs.Uid
            && mine.Gid == theirs.EffectiveGid && mine.Gid == theirs.SavedGid && mine.Gid == theirs.Gid)
        {
            return true;
        }
        return mine.Has(Capability.SysResource);
    }

    /// <summary>Linux: <c>do_prlimit</c>.</summary>
    private static Errno ChangeLimit(Task task, ThreadGroup group, uint number, bool change, in ResourceLimit wanted, out ResourceLimit old)
    {
        old = default;
        if (number >= ResourceLimits.Count)
            return Errno.EINVAL;
        var resource = (Resource)number;
        if (change)
        {
            if (wanted.Soft > wanted.Hard)
                return Errno.EINVAL;
            if (resource == Resource.OpenFiles && wanted.Hard > SystemNames.MaximumOpenFiles)
                return Errno.EPERM;
        }
        ref ResourceLimit limit = ref group.Limits[resource];
        old = limit;
        if (!change)
            return Errno.None;
        if (wanted.Hard > limit.Hard && !task.Credentials.Has(Capability.SysResource))
            return Errno.EPERM;
        limit = wanted;
        return Errno.None;
    }

    private static Errno ReadLimit(VirtAddr from, out ResourceLimit limit)
    {
        limit = default;
        Errno error = UserCopy.Get(from, out limit.Soft);
        return error == Errno.None ? UserCopy.Get(from + 8, out limit.Hard) : error;
    }

    private static Errno PutLimit(VirtAddr to, in ResourceLimit limit)
    {
        Errno error = UserCopy.Put(to, limit.Soft);
        return error == Errno.None ? UserCopy.Put(to + 8, limit.Hard) : error;
    }

    // ---- Random numbers, power, the log ---------------------------------------------------------------------------------------------

    /// <summary>man 2 getrandom. The generator is seeded before the first task runs, so nobody waits.</summary>
    private static SysResult GetRandom(ref SyscallArguments a)
    {
        const uint Known = 7, RandomAndInsecure = 6;
        uint flags = a.UInt2;
        if ((flags & ~Known) != 0 || (flags & RandomAndInsecure) == RandomAndInsecure)
            return Errno.EINVAL;
        ulong wanted = Math.Min(a.Arg1, int.MaxValue);
        if (!UserSpace.Contains(a.Address0, wanted))
            return Errno.EFAULT;
        Span<byte> block = stackalloc byte[256];
        ulong done = 0;
        while (done < wanted)
        {
            int count = (int)Math.Min(wanted - done, (ulong)block.Length);
            Core.Random.Fill(block[..count]);
            ulong missed = UserCopy.CopyToUserPartial(a.Address0 + done, block[..count]);
            done += (ulong)count - missed;
            if (missed != 0)
            {
                block.Clear();
                return done == 0 ? Errno.EFAULT : (long)done;
            }
            if ((done & (PageSize.Bytes - 1)) == 0)
            {
                if (a.Task.SignalPending)
                    break;
                a.Task.System.Scheduler.CondResched();
            }
        }
        block.Clear();
        return done;
    }

    /// <summary>man 2 reboot.</summary>
    private static SysResult Reboot(ref SyscallArguments a)
    {
        const uint Magic1 = 0xfee1_dead;
        const uint CadOn = 0x89ab_cdef, CadOff = 0, Halt = 0xcdef_0123, PowerDown = 0x4321_fedc, Restart = 0x0123_4567, Restart2 = 0xa1b2_c3d4;
        if (!a.Task.Credentials.Has(Capability.SysBoot))
            return Errno.EPERM;
        if (a.UInt0 != Magic1 || a.UInt1 is not (672274793 or 85072278 or 369367448 or 537993216))
            return Errno.EINVAL;
        switch (a.UInt2)
        {
            case CadOn:
            case CadOff:
                return 0;
            case Halt:
            case PowerDown:
                a.Task.System.Power.Now(a.Task.System.ExitStatus);
                return 0;
            case Restart:
            case Restart2:
                a.Task.System.Power.Reboot();
                return 0;
            default:
                return Errno.EINVAL;
        }
    }

    /// <summary>man 2 syslog: reads the kernel's ring of messages.</summary>
    private static SysResult Syslog(ref SyscallArguments a) => KernelLogCalls.Do(a.Task, a.Int0, a.Address1, a.Int2);

    /// <summary>man 2 membarrier. With one processor every barrier has been passed by coming here.</summary>
    private static SysResult MemBarrier(ref SyscallArguments a)
    {
        const int Query = 0, Global = 1, GlobalExpedited = 2, RegisterGlobalExpedited = 4, PrivateExpedited = 8,
            RegisterPrivateExpedited = 16, SyncCore = 32, RegisterSyncCore = 64, Rseq = 128, RegisterRseq = 256;
        const int Supported = Global | GlobalExpedited | RegisterGlobalExpedited | PrivateExpedited | RegisterPrivateExpedited | SyncCore
            | RegisterSyncCore | Rseq | RegisterRseq;
        const uint FlagCpu = 1;
        int command = a.Int0;
        uint flags = a.UInt1;
        if (command == Rseq ? (flags & ~FlagCpu) != 0 : flags != 0)
            return Errno.EINVAL;
        ThreadGroup group = a.Task.Group;
        switch (command)
        {
            case Query:
                return Supported;
            case Global:
            case GlobalExpedited:
            case RegisterGlobalExpedited:
                return 0;
            case RegisterPrivateExpedited:
            case RegisterSyncCore:
            case RegisterRseq:
                group.BarrierRegistrations |= command;
                return 0;
            case PrivateExpedited:
                return (group.BarrierRegistrations & RegisterPrivateExpedited) != 0 ? 0 : Errno.EPERM;
            case SyncCore:
                return (group.BarrierRegistrations & RegisterSyncCore) != 0 ? 0 : Errno.EPERM;
            case Rseq:
                return (group.BarrierRegistrations & RegisterRseq) != 0 ? 0 : Errno.EPERM;
            default:
                return Errno.EINVAL;
        }
    }
}
