using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>System V semaphores: <c>semget semop semtimedop semctl</c>; man 7 sysvipc.</summary>
internal static unsafe class SemaphoreSyscalls
{
    private const int GetProcess = 11, GetValue = 12, GetAll = 13, CountForMore = 14, CountForZero = 15, SetValue = 16, SetAll = 17,
        SlotStat = 18, UsageInfo = 19, SlotStatAny = 20;

    /// <summary><c>struct semid64_ds</c> of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserSet
    {
        public UserIpcRights Rights;
        public long OperationTime;
        public ulong Unused1;
        public long ChangeTime;
        public ulong Unused2;
        public ulong Count;
        public ulong Unused3;
        public ulong Unused4;
    }

    /// <summary><c>struct seminfo</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserInfo
    {
        public int Map, Sets, InAll, Undos, PerSet, Operations, UndosPerProcess, UndoBytes, Value, AtExit;
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(64, "semget"u8, &Get);
        table.Add(65, "semop"u8, &Operate);
        table.Add(66, "semctl"u8, &Control);
        table.Add(220, "semtimedop"u8, &OperateTimed);
    }

    /// <summary>man 2 semget.</summary>
    private static SysResult Get(ref SyscallArguments a) => a.Task.System.Semaphores.Get(a.Task, new IpcRequest(a.Int0, a.UInt2), a.Int1);

    /// <summary>man 2 semop.</summary>
    private static SysResult Operate(ref SyscallArguments a) => Operate(ref a, ulong.MaxValue);

    /// <summary>man 2 semtimedop.</summary>
    private static SysResult OperateTimed(ref SyscallArguments a)
    {
        ulong deadline = ulong.MaxValue;
        if (a.Arg3 != 0)
        {
            Errno error = UserTime.ReadTimeSpec(a.Address3, out ulong nanoseconds);
            if (error != Errno.None)
                return error;
            deadline = ClockReading.DeadlineAfter(nanoseconds);
        }

        return Operate(ref a, deadline);
    }

    private static SysResult Operate(ref SyscallArguments a, ulong deadline)
    {
        uint count = a.UInt2;
        if (count < 1 || a.Int0 < 0)
            return Errno.EINVAL;
        if (count > SemaphoreSets.MaximumOperations)
            return Errno.E2BIG;
        TaskSystem system = a.Task.System;
        SemaphoreOperation[]? operations = system.Arrays.Allocate<SemaphoreOperation>((int)count);
        if (operations is null)
            return Errno.ENOMEM;
        Errno error = UserCopy.CopyFromUser(MemoryMarshal.AsBytes(operations.AsSpan(0, (int)count)), a.Address1);
        if (error == Errno.None)
            error = system.Semaphores.Operate(a.Task, a.Int0, operations, (int)count, deadline);
        system.Arrays.Free(operations);
        return error;
    }

    /// <summary>man 2 semctl.</summary>
    private static SysResult Control(ref SyscallArguments a)
    {
        if (a.Int0 < 0)
            return Errno.EINVAL;
        SemaphoreSets sets = a.Task.System.Semaphores;
        switch (a.Int2)
        {
            case IpcCommand.Info or UsageInfo:
                return Info(sets, a.Int2 == UsageInfo, a.Address3);
            case IpcCommand.Stat or SlotStat or SlotStatAny:
                return Stat(a.Task, sets, a.Int0, a.Int2, a.Address3);
            case GetAll or SetAll:
                return Values(a.Task, sets, a.Int0, a.Int2 == SetAll, a.Address3);
            case GetProcess or GetValue or CountForMore or CountForZero or SetValue:
                return One(a.Task, sets, a.Int0, a.Int1, a.Int2, a.Int3);
            case IpcCommand.Set:
                Errno error = UserCopy.Get(a.Address3, out UserSet wanted);
                return error != Errno.None ? error : Change(a.Task, sets, a.Int0, wanted, remove: false);
            case IpcCommand.Remove:
                return Change(a.Task, sets, a.Int0, default, remove: true);
            default:
                return Errno.EINVAL;
        }
    }

    private static SysResult Info(SemaphoreSets sets, bool usage, VirtAddr to)
    {
        var info = new UserInfo
        {
            Map = SemaphoreSets.MaximumInAll,
            Sets = SemaphoreSets.MaximumSets,
            InAll = SemaphoreSets.MaximumInAll,
            Undos = SemaphoreSets.MaximumInAll,
            PerSet = SemaphoreSets.MaximumPerSet,
            Operations = SemaphoreSets.MaximumOperations,
            UndosPerProcess = SemaphoreSets.MaximumOperations,
            UndoBytes = 20,
            Value = SemaphoreSets.MaximumValue,
            AtExit = SemaphoreSets.MaximumValue,
        };
        int highest;
        using (sets.Lock.Acquire())
        {
            if (usage)
            {
                info.UndoBytes = sets.Table.Count;
                info.AtExit = sets.Used;
            }

            highest = sets.Table.HighestSlot;
        }

        Errno error = UserCopy.Put(to, info);
        return error != Errno.None ? error : highest;
    }

    private static SysResult Stat(Task task, SemaphoreSets sets, int identifier, int command, VirtAddr to)
    {
        UserSet user;
        int result = 0;
        using (sets.Lock.Acquire())
        {
            SemaphoreSet? set = command == IpcCommand.Stat ? sets.Table.Find(identifier) : sets.Table.At(identifier % IpcTable<SemaphoreSet>.SlotsPerSequence);
            if (set is null)
                return Errno.EINVAL;
            if (command != SlotStatAny && !set.MayUse(task, 0x124))
                return Errno.EACCES;
            user = new UserSet
            {
                Rights = UserIpcRights.Of(set),
                OperationTime = set.OperationTime,
                ChangeTime = set.ChangeTime,
                Count = (ulong)set.Semaphores.Length,
            };
            if (command != IpcCommand.Stat)
                result = set.Identifier;
        }

        Errno error = UserCopy.Put(to, user);
        return error != Errno.None ? error : result;
    }

    /// <summary>GETALL and SETALL: the values of a whole set, copied without the lock.</summary>
    private static SysResult Values(Task task, SemaphoreSets sets, int identifier, bool set, VirtAddr user)
    {
        int count;
        using (sets.Lock.Acquire())
        {
            if (sets.Table.Find(identifier) is not { } found)
                return Errno.EINVAL;
            if (!found.MayUse(task, set ? 0x92u : 0x124u))
                return Errno.EACCES;
            count = found.Semaphores.Length;
        }

        ushort[]? values = task.System.Arrays.Allocate<ushort>(count);
        if (values is null)
            return Errno.ENOMEM;
        Errno error = set ? UserCopy.CopyFromUser(MemoryMarshal.AsBytes(values.AsSpan(0, count)), user) : Errno.None;
        for (int i = 0; i < count && set && error == Errno.None; i++)
        {
            if (values[i] > SemaphoreSets.MaximumValue)
                error = Errno.ERANGE;
        }

        if (error == Errno.None)
        {
            using (sets.Lock.Acquire())
            {
                if (sets.Table.Find(identifier) is not { } found)
                    error = Errno.EIDRM;
                else
                    Exchange(task, sets, found, values, count, set);
            }
        }

        if (error == Errno.None && !set)
            error = UserCopy.CopyToUser(user, MemoryMarshal.AsBytes(values.AsSpan(0, count)));
        task.System.Arrays.Free(values);
        return error;
    }

    private static void Exchange(Task task, SemaphoreSets sets, SemaphoreSet found, ushort[] values, int count, bool set)
    {
        for (int i = 0; i < count; i++)
        {
            if (!set)
            {
                values[i] = (ushort)found.Semaphores[i].Value;
                continue;
            }

            found.Semaphores[i].Value = values[i];
            found.Semaphores[i].LastProcess = task.Group.Tgid;
        }

        if (!set)
            return;
        SemaphoreSets.Forget(found, 0, count);
        found.ChangeTime = task.Fs.Vfs.Now.Seconds;
        for (int i = 0; i < count; i++)
            sets.WakeAfterChange(found, i);
    }

    private static SysResult One(Task task, SemaphoreSets sets, int identifier, int number, int command, int value)
    {
        if (command == SetValue && value is < 0 or > SemaphoreSets.MaximumValue)
            return Errno.ERANGE;
        using (sets.Lock.Acquire())
        {
            if (sets.Table.Find(identifier) is not { } set)
                return Errno.EINVAL;
            if (command == SetValue && (uint)number >= (uint)set.Semaphores.Length)
                return Errno.EINVAL;
            if (!set.MayUse(task, command == SetValue ? 0x92u : 0x124u))
                return Errno.EACCES;
            if ((uint)number >= (uint)set.Semaphores.Length)
                return Errno.EINVAL;
            ref Semaphore semaphore = ref set.Semaphores[number];
            switch (command)
            {
                case GetProcess:
                    return semaphore.LastProcess;
                case GetValue:
                    return semaphore.Value;
                case CountForMore:
                    return semaphore.WaitersForMore;
                case CountForZero:
                    return semaphore.WaitersForZero;
            }

            semaphore.Value = value;
            semaphore.LastProcess = task.Group.Tgid;
            SemaphoreSets.Forget(set, number, 1);
            set.ChangeTime = task.Fs.Vfs.Now.Seconds;
            sets.WakeAfterChange(set, number);
            return SysResult.Success;
        }
    }

    private static SysResult Change(Task task, SemaphoreSets sets, int identifier, in UserSet wanted, bool remove)
    {
        using (sets.Lock.Acquire())
        {
            if (sets.Table.Find(identifier) is not { } set)
                return Errno.EINVAL;
            if (!set.IsOwner(task))
                return Errno.EPERM;
            if (remove)
            {
                sets.Remove(set);
                return SysResult.Success;
            }

            Errno error = wanted.Rights.ApplyTo(set);
            if (error == Errno.None)
                set.ChangeTime = task.Fs.Vfs.Now.Seconds;
            return error;
        }
    }
}
