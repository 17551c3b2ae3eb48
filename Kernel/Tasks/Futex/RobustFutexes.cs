using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Locks that a dying thread still holds are marked, and somebody who waits for one is told. Linux: <c>exit_robust_list</c>.</summary>
/// <remarks>
/// The list is in user memory and may be anything: it is followed for a limited number of steps, and each access may fail.
/// <code>
///   head:  [ next ][ futex_offset ][ list_op_pending ]        entry: [ next | bit 0: PI ] … the lock word is futex_offset bytes away
/// </code>
/// </remarks>
internal static class RobustFutexes
{
    /// <summary>Bytes of the head; any other length is EINVAL.</summary>
    public const ulong HeadBytes = 24;

    /// <summary>Linux: <c>ROBUST_LIST_LIMIT</c>.</summary>
    private const int Limit = 2048;

    public const uint Waiters = 0x8000_0000;
    public const uint OwnerDied = 0x4000_0000;
    public const uint ThreadMask = 0x3fff_ffff;

    /// <summary>Walks the list of <paramref name="task"/>, which runs on its own, still complete, address space.</summary>
    public static void Exit(Task task)
    {
        VirtAddr head = task.RobustList;
        task.RobustList = default;
        if (head.IsZero || task.Mm is null)
            return;
        if (UserCopy.Get(head, out ulong entry) != Errno.None
            || UserCopy.Get(head + 8, out ulong offset) != Errno.None
            || UserCopy.Get(head + 16, out ulong pending) != Errno.None)
            return;

        for (int steps = 0; (entry & ~1UL) != head.Value && steps < Limit; steps++)
        {
            // The next one first: the lock may be freed the moment it is given up.
            bool more = UserCopy.Get(new VirtAddr(entry & ~1UL), out ulong next) == Errno.None;
            if ((entry & ~1UL) != (pending & ~1UL) && !Release(task, new VirtAddr((entry & ~1UL) + offset), (entry & 1) != 0, isPending: false))
                return;
            if (!more)
                return;
            entry = next;
            PerCpu.Scheduler.CondResched();
        }

        if ((pending & ~1UL) != 0)
            Release(task, new VirtAddr((pending & ~1UL) + offset), (pending & 1) != 0, isPending: true);
    }

    /// <summary>Linux: <c>handle_futex_death</c>.</summary>
    /// <returns>False when the word cannot be reached: then nothing further is trusted.</returns>
    private static bool Release(Task task, VirtAddr word, bool isPriorityInheriting, bool isPending)
    {
        if ((word.Value & 3) != 0 || UserCopy.Get(word, out uint value) != Errno.None)
            return false;
        while (true)
        {
            uint owner = value & ThreadMask;

            // Died between giving the lock up and waking: the next one must be woken in its place.
            if (isPending && !isPriorityInheriting && owner == 0)
            {
                task.System.WakeFutex(task, word);
                return true;
            }

            if (owner != (uint)task.Pid)
                return true;
            if (UserCopy.CompareExchange32(word, value, (value & Waiters) | OwnerDied, out uint seen) != Errno.None)
                return false;
            if (seen == value)
                break;
            value = seen;
        }

        if (!isPriorityInheriting && (value & Waiters) != 0)
            task.System.WakeFutex(task, word);
        return true;
    }
}
