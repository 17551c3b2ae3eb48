using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary><c>prctl</c>, <c>arch_prctl</c>, <c>personality</c>: settings of one task or process.</summary>
internal static unsafe class ControlSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(135, "personality"u8, &Personality);
        table.Add(157, "prctl"u8, &Prctl);
        table.Add(158, "arch_prctl"u8, &ArchPrctl);
    }

    /// <summary>man 2 personality.</summary>
    private static SysResult Personality(ref SyscallArguments a)
    {
        uint old = a.Task.Personality;
        if (a.UInt0 != 0xffff_ffff)
            a.Task.Personality = a.UInt0;
        return old;
    }

    // ---- arch_prctl -----------------------------------------------------------------------------------------------------------------

    /// <summary>man 2 arch_prctl. Without FSGSBASE in a program, this is how thread-local storage is found.</summary>
    private static SysResult ArchPrctl(ref SyscallArguments a)
    {
        const int SetGs = 0x1001, SetFs = 0x1002, GetFs = 0x1003, GetGs = 0x1004, GetCpuid = 0x1011, SetCpuid = 0x1012;
        switch (a.Int0)
        {
            case SetFs:
                if (a.Arg1 >= UserSpace.Limit)
                    return Errno.EPERM;
                Cpu.WriteFsBase(a.Arg1);
                return 0;
            case SetGs:
                if (a.Arg1 >= UserSpace.Limit)
                    return Errno.EPERM;
                Cpu.WriteUserGsBase(a.Arg1);
                return 0;
            case GetFs:
                return UserCopy.Put(a.Address1, Cpu.ReadFsBase());
            case GetGs:
                return UserCopy.Put(a.Address1, Cpu.ReadUserGsBase());
            case GetCpuid:
                return 1;
            case SetCpuid:
                return Errno.ENODEV;
            default:
                return Errno.EINVAL;                            // CET (0x3001…) among them: not built
        }
    }

    // ---- prctl ----------------------------------------------------------------------------------------------------------------------

    private const int SetParentDeathSignal = 1, GetParentDeathSignal = 2, GetDumpable = 3, SetDumpable = 4, GetUnaligned = 5, GetKeepCaps = 7,
        SetKeepCaps = 8, GetTiming = 13, SetTiming = 14, SetName = 15, GetName = 16, GetEndian = 19, GetSeccomp = 21, SetSeccomp = 22,
        ReadBounding = 23, DropBounding = 24, GetTsc = 25, SetTsc = 26, GetSecureBits = 27, SetSecureBits = 28, SetTimerSlack = 29,
        GetTimerSlack = 30, DisableCounters = 31, EnableCounters = 32, GetMachineCheckPolicy = 34, SetMm = 35, SetChildSubreaper = 36, GetChildSubreaper = 37, SetNoNewPrivileges = 38, GetNoNewPrivileges = 39,
        GetTidAddress = 40, SetThpDisable = 41, GetThpDisable = 42, MpxEnable = 43, MpxDisable = 44, CapAmbient = 47, GetSpeculation = 52,
        SetSpeculation = 53, SetVma = 0x53564d41;

    /// <summary>man 2 prctl.</summary>
    private static SysResult Prctl(ref SyscallArguments a)
    {
        Task task = a.Task;
        ulong arg2 = a.Arg1, arg3 = a.Arg2, arg4 = a.Arg3, arg5 = a.Arg4;
        Credentials c = task.Credentials;
        switch (a.Int0)
        {
            case SetParentDeathSignal:
                if (arg2 > SignalNumber.Last)
                    return Errno.EINVAL;
                task.ParentDeathSignal = (int)arg2;
                return 0;
            case GetParentDeathSignal:
                return UserCopy.Put(a.Address1, task.ParentDeathSignal);
            case GetDumpable:
                return task.Mm!.Dumpable;
            case SetDumpable:
                if (arg2 > 1)
                    return Errno.EINVAL;
                task.Mm!.Dumpable = (int)arg2;
                return 0;
            case GetUnaligned:
            case SetUnaligned:
            case GetFpExceptions:
            case SetFpExceptions:
            case GetEndian:
                return Errno.EINVAL;                            // not on x86
            case GetTiming:
                return 0;                                       // statistical
            case SetTiming:
                return arg2 == 0 ? 0 : Errno.EINVAL;
            case SetName:
                return SetTaskName(task, a.Address1);
            case GetName:
                return GetTaskName(task, a.Address1);
            case GetTsc:
                return UserCopy.Put(a.Address1, 1);
            case SetTsc:
                return arg2 == 1 ? 0 : Errno.EINVAL;            // reading the counter cannot be forbidden here
            case SetTimerSlack:
                if (task.RealTimePriority > 0)
                    return 0;
                task.TimerSlackNanoseconds = (long)arg2 <= 0 ? DefaultTimerSlack : arg2;
                return 0;
            case GetTimerSlack:
                return task.TimerSlackNanoseconds == 0 ? DefaultTimerSlack : task.TimerSlackNanoseconds;
            case SetMm:
                return c.Has(Capability.SysResource) ? SetMmField(task, arg2, arg3, arg4, arg5) : Errno.EPERM;
            case SetChildSubreaper:
                task.Group.IsChildSubreaper = arg2 != 0;
                if (arg2 != 0)
                    MarkDescendants(task);
                return 0;
            case GetChildSubreaper:
                return UserCopy.Put(a.Address1, task.Group.IsChildSubreaper ? 1 : 0);
            case SetNoNewPrivileges:
                if (arg2 != 1 || arg3 != 0 || arg4 != 0 || arg5 != 0)
                    return Errno.EINVAL;
                c.NoNewPrivileges = true;
                return 0;
            case GetNoNewPrivileges:
                if (arg2 != 0 || arg3 != 0 || arg4 != 0 || arg5 != 0)
                    return Errno.EINVAL;
                return c.NoNewPrivileges ? 1 : 0;
            case GetTidAddress:
                return UserCopy.Put(a.Address1, task.ClearChildTid.Value);
            case GetThpDisable:
                if (arg2 != 0 || arg3 != 0 || arg4 != 0 || arg5 != 0)
                    return Errno.EINVAL;
                return task.Mm!.IsThpDisabled ? 1 : 0;
            case SetThpDisable:
                if (arg3 != 0 || arg4 != 0 || arg5 != 0)
                    return Errno.EINVAL;
                if (task.Mm!.MmapLock.WriteLockKillable() != Errno.None)
                    return Errno.EINTR;
                task.Mm.IsThpDisabled = arg2 != 0;
                task.Mm.MmapLock.WriteUnlock();
                return 0;
            case GetSeccomp:
                return 0;
            case GetSpeculation:
                if (arg3 != 0 || arg4 != 0 || arg5 != 0)
                    return Errno.EINVAL;
                return arg2 <= 2 ? 0 : Errno.ENODEV;            // not affected
            case SetSpeculation:
                if (arg4 != 0 || arg5 != 0)
                    return Errno.EINVAL;
                return arg2 <= 2 ? Errno.ENXIO : Errno.ENODEV;
            case GetKeepCaps:
            case SetKeepCaps:
            case GetSecureBits:
            case SetSecureBits:
            case ReadBounding:
            case DropBounding:
            case CapAmbient:
                return CapabilityOption(c, a.Int0, arg2, arg3, arg4, arg5);
            case EnableCounters or DisableCounters:
                return 0;                                       // of performance: a task has none, so all of them are off and on
            case GetMachineCheckPolicy:
                return (arg2 | arg3 | arg4 | arg5) != 0 ? Errno.EINVAL : 2;         // PR_MCE_KILL_DEFAULT
            case SetVma:
                return Errno.EINVAL;                            // as without CONFIG_ANON_VMA_NAME
            default:
                return Errno.EINVAL;
        }
    }

    private const int SetUnaligned = 6, GetFpExceptions = 11, SetFpExceptions = 12;
    private const ulong DefaultTimerSlack = 50_000;

    private static SysResult SetTaskName(Task task, VirtAddr from)
    {
        Span<byte> name = stackalloc byte[Task.NameBytes];
        name.Clear();
        Result<int> length = UserCopy.StringFromUser(name[..(Task.NameBytes - 1)], from);
        if (!length.IsOk && length.Error != Errno.ENAMETOOLONG)
            return length.Error;
        task.SetName(name[..(length.IsOk ? length.Value : Task.NameBytes - 1)]);
        return 0;
    }

    private static SysResult GetTaskName(Task task, VirtAddr to)
    {
        Span<byte> name = stackalloc byte[Task.NameBytes];
        name.Clear();
        task.Name.CopyTo(name);
        return UserCopy.CopyToUser(to, name);
    }

    /// <summary>Processes made before the call are under the subreaper too. Linux: <c>propagate_has_child_subreaper</c>.</summary>
    private static void MarkDescendants(Task task)
    {
        using (task.System.TaskLock.Acquire())
            MarkBelow(task.Group);
    }

    private static void MarkBelow(ThreadGroup top)
    {
        // Depth first without recursion: a chain of processes may be as long as there are processes.
        ThreadGroup? group = top.Children.First;
        while (group is not null)
        {
            bool fresh = !group.HasChildSubreaper;
            group.HasChildSubreaper = true;
            if (fresh && group.Children.First is { } child)
            {
                group = child;
                continue;
            }
            while (group is not null && !ReferenceEquals(group, top))
            {
                ThreadGroup parent = group.Parent!;
                if (parent.Children.NextOf(group) is { } sibling)
                {
                    group = sibling;
                    break;
                }
                group = parent;
            }
            if (ReferenceEquals(group, top))
                return;
        }
    }

    private static SysResult SetMmField(Task task, ulong option, ulong address, ulong arg4, ulong arg5)
    {
        if (arg5 != 0 || (arg4 != 0 && option is not (12 or 14 or 15)))
            return Errno.EINVAL;
        MmStruct mm = task.Mm!;
        if (option is 13 or 14 or 15 or 12)
            return Errno.EINVAL;                                // exe_file, map and map_size: not built
        if (address >= UserSpace.Limit || address < mm.System.MmapMinAddress)
            return Errno.EINVAL;
        var value = new VirtAddr(address);
        mm.MmapLock.WriteLock();
        bool inArea = mm.FindVma(value) is { } area && area.Start <= value;
        Errno error = Errno.None;
        switch (option)
        {
            case 1: mm.StartCode = value; break;
            case 2: mm.EndCode = value; break;
            case 3: mm.StartData = value; break;
            case 4: mm.EndData = value; break;
            case 5: if (inArea) mm.StartStack = value; else error = Errno.EFAULT; break;
            case 6: if (value > mm.EndData) mm.StartBreak = value; else error = Errno.EINVAL; break;
            case 7: if (value > mm.EndData) mm.Break = value; else error = Errno.EINVAL; break;
            case 8: if (inArea) mm.ArgumentStart = value; else error = Errno.EFAULT; break;
            case 9: if (inArea) mm.ArgumentEnd = value; else error = Errno.EFAULT; break;
            case 10: if (inArea) mm.EnvironmentStart = value; else error = Errno.EFAULT; break;
            case 11: if (inArea) mm.EnvironmentEnd = value; else error = Errno.EFAULT; break;
            default: error = Errno.EINVAL; break;
        }
        mm.MmapLock.WriteUnlock();
        return error;
    }

    /// <summary>Linux: <c>cap_task_prctl</c>.</summary>
    private static SysResult CapabilityOption(Credentials c, int option, ulong arg2, ulong arg3, ulong arg4, ulong arg5)
    {
        const int Last = 40;
        const uint AllBits = 0xff, AllLocks = 0xaa;
        switch (option)
        {
            case ReadBounding:
                return arg2 > Last ? Errno.EINVAL : (int)(c.BoundingCapabilities >> (int)arg2 & 1);
            case DropBounding:
                if (!c.Has(Capability.SetPermitted))
                    return Errno.EPERM;
                if (arg2 > Last)
                    return Errno.EINVAL;
                c.BoundingCapabilities &= ~(1ul << (int)arg2);
                return 0;
            case GetSecureBits:
                return c.SecureBits;
            case SetSecureBits:
                uint wanted = (uint)arg2;
                bool changesLocked = ((c.SecureBits >> 1) & (c.SecureBits ^ wanted) & 0x55) != 0;
                bool unlocks = (c.SecureBits & AllLocks & ~wanted) != 0;
                if (changesLocked || unlocks || (arg2 & ~(ulong)AllBits) != 0 || !c.Has(Capability.SetPermitted))
                    return Errno.EPERM;
                c.SecureBits = wanted;
                return 0;
            case GetKeepCaps:
                return (c.SecureBits & CredentialRules.KeepCapabilities) != 0 ? 1 : 0;
            case SetKeepCaps:
                if (arg2 > 1)
                    return Errno.EINVAL;
                if ((c.SecureBits & (CredentialRules.KeepCapabilities << 1)) != 0)
                    return Errno.EPERM;
                c.SecureBits = arg2 != 0 ? c.SecureBits | CredentialRules.KeepCapabilities : c.SecureBits & ~CredentialRules.KeepCapabilities;
                return 0;
            default:
                return Ambient(c, arg2, arg3, arg4, arg5);
        }
    }

    private static SysResult Ambient(Credentials c, ulong command, ulong capability, ulong arg4, ulong arg5)
    {
        const ulong IsSet = 1, Raise = 2, Lower = 3, ClearAll = 4;
        if (command == ClearAll)
        {
            if ((capability | arg4 | arg5) != 0)
                return Errno.EINVAL;
            c.AmbientCapabilities = 0;
            return 0;
        }
        if (capability > 40 || (arg4 | arg5) != 0)
            return Errno.EINVAL;
        ulong bit = 1ul << (int)capability;
        switch (command)
        {
            case IsSet:
                return (c.AmbientCapabilities & bit) != 0 ? 1 : 0;
            case Raise:
                if ((c.PermittedCapabilities & c.InheritableCapabilities & bit) == 0 || (c.SecureBits & CredentialRules.NoAmbientRaise) != 0)
                    return Errno.EPERM;
                c.AmbientCapabilities |= bit;
                return 0;
            case Lower:
                c.AmbientCapabilities &= ~bit;
                return 0;
            default:
                return Errno.EINVAL;
        }
    }
}
