using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary><c>futex set_robust_list get_robust_list futex_waitv</c>. man 2 futex.</summary>
internal static unsafe class FutexSyscalls
{
    private const uint PrivateFlag = 128, ClockRealtimeFlag = 256;

    private enum Operation : uint
    {
        Wait = 0,
        Wake = 1,
        Requeue = 3,
        CompareRequeue = 4,
        WakeOperation = 5,
        LockPriority = 6,
        UnlockPriority = 7,
        TryLockPriority = 8,
        WaitBitset = 9,
        WakeBitset = 10,
        WaitRequeuePriority = 11,
        CompareRequeuePriority = 12,
        LockPriority2 = 13,
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(202, "futex"u8, &Futex);
        table.Add(273, "set_robust_list"u8, &SetRobustList);
        table.Add(274, "get_robust_list"u8, &GetRobustList);
        table.Add(449, "futex_waitv"u8, &WaitMultiple);
    }

    /// <summary>man 2 futex.</summary>
    private static SysResult Futex(ref SyscallArguments a)
    {
        uint flags = a.UInt1 & (PrivateFlag | ClockRealtimeFlag);
        var operation = (Operation)(a.UInt1 & ~(PrivateFlag | ClockRealtimeFlag));
        bool isPrivate = (flags & PrivateFlag) != 0;
        bool takesTimeout = operation is Operation.Wait or Operation.WaitBitset or Operation.LockPriority or Operation.LockPriority2 or Operation.WaitRequeuePriority;

        // The record is read before the operation is looked at.
        ulong deadline = ulong.MaxValue;
        if (takesTimeout && a.Arg3 != 0)
        {
            Errno error = UserTime.ReadTimeSpec(a.Address3, out ulong nanoseconds);
            if (error != Errno.None)
                return error;
            deadline = operation == Operation.Wait ? ClockReading.DeadlineAfter(nanoseconds)
                : (flags & ClockRealtimeFlag) != 0 || operation == Operation.LockPriority ? ClockReading.DeadlineOfRealtime(nanoseconds)
                : nanoseconds;
        }

        if ((flags & ClockRealtimeFlag) != 0
            && operation is not (Operation.WaitBitset or Operation.WaitRequeuePriority or Operation.LockPriority2))
            return Errno.ENOSYS;

        switch (operation)
        {
            case Operation.Wait:
                return FutexWait.Wait(a.Task, a.Address0, a.UInt2, deadline, isPrivate, uint.MaxValue);
            case Operation.WaitBitset:
                return a.UInt5 == 0 ? Errno.EINVAL : FutexWait.Wait(a.Task, a.Address0, a.UInt2, deadline, isPrivate, a.UInt5);
            case Operation.Wake:
                return Wake(a.Task, a.Address0, a.Int2, isPrivate, uint.MaxValue);
            case Operation.WakeBitset:
                return a.UInt5 == 0 ? Errno.EINVAL : Wake(a.Task, a.Address0, a.Int2, isPrivate, a.UInt5);
            case Operation.Requeue:
                return Requeue(ref a, isPrivate, compare: false);
            case Operation.CompareRequeue:
                return Requeue(ref a, isPrivate, compare: true);
            case Operation.WakeOperation:
                return WakeOperation(ref a, isPrivate);
            case Operation.LockPriority or Operation.LockPriority2:
                return PiLock.Lock(a.Task, a.Address0, deadline, isPrivate, tryOnly: false);
            case Operation.TryLockPriority:
                return PiLock.Lock(a.Task, a.Address0, ulong.MaxValue, isPrivate, tryOnly: true);
            case Operation.UnlockPriority:
                return PiLock.Unlock(a.Task, a.Address0, isPrivate);
            case Operation.WaitRequeuePriority:
                return PiLock.WaitRequeue(a.Task, a.Address0, a.UInt2, deadline, isPrivate, a.Address4);
            case Operation.CompareRequeuePriority:
                if (a.Int2 != 1 || a.Int3 < 0 || a.Address0 == a.Address4)
                    return Errno.EINVAL;
                return PiLock.CompareRequeue(a.Task, a.Address0, a.Address4, a.Int3, a.UInt5, isPrivate);
            default:
                return Errno.ENOSYS;
        }
    }

    private static SysResult Wake(Task task, VirtAddr address, int most, bool isPrivate, uint bitset)
    {
        Errno error = FutexKey.Of(task, address, isPrivate, out FutexKey key);
        return error != Errno.None ? error : task.System.Futexes.Wake(key, most, bitset);
    }

    private static SysResult Requeue(ref SyscallArguments a, bool isPrivate, bool compare)
    {
        int woken = a.Int2, moved = a.Int3;
        if (woken < 0 || moved < 0)
            return Errno.EINVAL;
        Errno error = FutexKey.Of(a.Task, a.Address0, isPrivate, out FutexKey from);
        if (error != Errno.None)
            return error;
        error = FutexKey.Of(a.Task, a.Address4, isPrivate, out FutexKey to);
        if (error != Errno.None)
            return error;
        if (compare)
        {
            // Nothing runs between this look and the move: one processor, and the page is there once the read has succeeded.
            error = UserCopy.Get(a.Address0, out uint seen);
            if (error != Errno.None)
                return error;
            if (seen != a.UInt5)
                return Errno.EAGAIN;
        }

        return a.Task.System.Futexes.Requeue(from, to, woken, moved);
    }

    /// <summary>FUTEX_WAKE_OP: changes a second word, wakes on the first and, when the old value compares, on the second.</summary>
    /// <remarks>The operation in one number: 4 bits what, 4 bits compare, 12 bits argument, 12 bits to compare with.</remarks>
    private static SysResult WakeOperation(ref SyscallArguments a, bool isPrivate)
    {
        Task task = a.Task;
        Errno error = FutexKey.Of(task, a.Address0, isPrivate, out FutexKey first);
        if (error != Errno.None)
            return error;
        error = FutexKey.Of(task, a.Address4, isPrivate, out FutexKey second);
        if (error != Errno.None)
            return error;

        uint code = a.UInt5;
        uint operation = code >> 28 & 7;
        bool isShift = (code >> 31) != 0;
        uint comparison = code >> 24 & 15;
        int argument = (int)(code << 8) >> 20;
        int compared = (int)(code << 20) >> 20;
        if (isShift)
            argument = 1 << (argument & 31);                // a count out of range is taken modulo 32, as on Linux
        if (operation > 4)
            return Errno.ENOSYS;

        error = UserCopy.Get(a.Address4, out uint old);
        while (error == Errno.None)
        {
            uint changed = operation switch
            {
                0 => (uint)argument,
                1 => old + (uint)argument,
                2 => old | (uint)argument,
                3 => old & ~(uint)argument,
                _ => old ^ (uint)argument,
            };
            error = UserCopy.CompareExchange32(a.Address4, old, changed, out uint seen);
            if (error != Errno.None || seen == old)
                break;
            old = seen;
        }

        if (error != Errno.None)
            return error;
        bool holds;
        switch (comparison)
        {
            case 0: holds = (int)old == compared; break;
            case 1: holds = (int)old != compared; break;
            case 2: holds = (int)old < compared; break;
            case 3: holds = (int)old <= compared; break;
            case 4: holds = (int)old > compared; break;
            case 5: holds = (int)old >= compared; break;
            default: return Errno.ENOSYS;
        }

        if (!task.System.Futexes.Wake(first, a.Int2, uint.MaxValue).TryGet(out int woken, out error))
            return error;
        if (!holds)
            return woken;
        return task.System.Futexes.Wake(second, a.Int3, uint.MaxValue).TryGet(out int more, out error) ? woken + more : error;
    }

    /// <summary>futex_waitv: sleeps until one of several words is woken. Documentation/userspace-api/futex2.rst.</summary>
    private static SysResult WaitMultiple(ref SyscallArguments a)
    {
        if (a.UInt2 != 0 || a.Address0.IsZero || a.UInt1 is 0 or > FutexWaitMultiple.Most)
            return Errno.EINVAL;
        ulong deadline = ulong.MaxValue;
        if (a.Arg3 != 0)
        {
            if (a.Int4 is not (0 or 1))
                return Errno.EINVAL;
            Errno error = UserTime.ReadTimeSpec(a.Address3, out ulong nanoseconds);
            if (error != Errno.None)
                return error;
            deadline = a.Int4 == 0 ? ClockReading.DeadlineOfRealtime(nanoseconds) : nanoseconds;
        }

        return FutexWaitMultiple.Wait(a.Task, a.Address0, a.Int1, deadline);
    }

    /// <summary>man 2 set_robust_list.</summary>
    private static SysResult SetRobustList(ref SyscallArguments a)
    {
        if (a.Arg1 != RobustFutexes.HeadBytes)
            return Errno.EINVAL;
        a.Task.RobustList = a.Address0;
        return SysResult.Success;
    }

    /// <summary>man 2 get_robust_list.</summary>
    private static SysResult GetRobustList(ref SyscallArguments a)
    {
        Task self = a.Task;
        VirtAddr list;
        if (a.Int0 == 0)
        {
            list = self.RobustList;
        }
        else
        {
            TaskSystem system = self.System;
            bool enabled = system.TaskLock.AcquireRaw();
            Task? task = system.Pids.FindTask(a.Int0);
            Errno error = task is null ? Errno.ESRCH : TaskAccess.MayInspect(self, task) ? Errno.None : Errno.EPERM;
            list = task is null ? default : task.RobustList;
            system.TaskLock.ReleaseRaw(enabled);
            if (error != Errno.None)
                return error;
        }

        Errno result = UserCopy.Put(a.Address2, RobustFutexes.HeadBytes);
        return result != Errno.None ? result : UserCopy.Put(a.Address1, list.Value);
    }
}
