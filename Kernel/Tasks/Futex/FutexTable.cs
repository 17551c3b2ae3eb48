using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>All tasks that wait on futexes, found by key.</summary>
/// <remarks>
/// Linux: <c>futex_queues</c>. A hash table that grows with the number of waiters, lists in order of arrival. One lock guards all of it;
/// with several processors each bucket will have its own.
/// </remarks>
internal sealed partial class FutexTable
{
    private const int FirstBuckets = 256;

    private struct Bucket
    {
        public FutexWaiter? First;
        public FutexWaiter? Last;
    }

    private readonly KernelArrays _arrays;
    private readonly ObjectCache<FutexWaiter> _cache;
    private readonly ObjectCache<PiState> _states;

    /// <summary>Inside all other locks; only the scheduler is called under it.</summary>
    private SpinLock _lock;
    private Bucket[] _buckets;
    private int _shift;
    private int _count;

    public FutexTable(PhysicalMemory memory)
    {
        _arrays = memory.Arrays;
        _cache = new ObjectCache<FutexWaiter>(memory, "futex_q"u8);
        _states = new ObjectCache<PiState>(memory, "futex_pi_state"u8);
        _buckets = new Bucket[FirstBuckets];
        _shift = 64 - 8;
    }

    /// <summary>The task's own waiter, which is made on its first wait.</summary>
    public Result<FutexWaiter> WaiterOf(Task task)
    {
        if (task.FutexWaiter is null)
        {
            if (!AllocateWaiter(task).TryGet(out FutexWaiter waiter, out Errno error))
                return error;
            task.FutexWaiter = waiter;
        }

        return task.FutexWaiter;
    }

    /// <summary>One more waiter, for a task that waits on several words at once.</summary>
    public Result<FutexWaiter> AllocateWaiter(Task task)
    {
        FutexWaiter? waiter = _cache.Allocate();
        if (waiter is null)
            return Errno.ENOMEM;
        waiter.Task = task;
        return waiter;
    }

    /// <summary>Joins the list of a key.</summary>
    public void Enqueue(FutexWaiter waiter, in FutexKey key, uint bitset)
    {
        if (_count >= _buckets.Length * 2)
            Grow();
        bool enabled = _lock.AcquireRaw();
        waiter.Key = key;
        waiter.Bitset = bitset;
        Append(ref BucketOf(key), waiter);
        _count++;
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Leaves the list.</summary>
    /// <returns>False when the task has been woken before.</returns>
    public bool Dequeue(FutexWaiter waiter)
    {
        bool enabled = _lock.AcquireRaw();
        bool wasQueued = waiter.IsQueued;
        if (wasQueued)
            UnlinkAny(waiter);
        _lock.ReleaseRaw(enabled);
        return wasQueued;
    }

    /// <summary>Wakes those that wait on the key and share a bit, first come first served.</summary>
    /// <param name="most">At most so many; one even when it is not positive, as on Linux.</param>
    /// <returns>How many; EINVAL when one of them waits for a lock with priority inheritance, which is not woken but given.</returns>
    public Result<int> Wake(in FutexKey key, int most, uint bitset)
    {
        int woken = 0;
        bool isLock = false;
        bool enabled = _lock.AcquireRaw();
        ref Bucket bucket = ref BucketOf(key);
        FutexWaiter? waiter = bucket.First;
        while (waiter is not null)
        {
            FutexWaiter? next = waiter.Next;
            if (waiter.Key.Equals(key) && (waiter.Pi is not null || waiter.AwaitsRequeue))
            {
                isLock = true;
                break;
            }

            if ((waiter.Bitset & bitset) != 0 && waiter.Key.Equals(key))
            {
                WakeOne(ref bucket, waiter);
                if (++woken >= most)
                    break;
            }

            waiter = next;
        }

        _lock.ReleaseRaw(enabled);
        return isLock ? Errno.EINVAL : woken;
    }

    /// <summary>Wakes some of those on <paramref name="from"/> and lets others wait on <paramref name="to"/> instead.</summary>
    /// <returns>How many were woken or moved; EINVAL as for <see cref="Wake"/>.</returns>
    public Result<int> Requeue(in FutexKey from, in FutexKey to, int mostWoken, int mostMoved)
    {
        int done = 0;
        bool isLock = false;
        bool enabled = _lock.AcquireRaw();
        ref Bucket bucket = ref BucketOf(from);
        ref Bucket target = ref BucketOf(to);
        bool sameKey = from.Equals(to);
        FutexWaiter? last = bucket.Last;                    // those moved to the end of the same list are not met again
        FutexWaiter? waiter = bucket.First;
        while (waiter is not null && (done < mostWoken || done - mostWoken < mostMoved))
        {
            FutexWaiter? next = ReferenceEquals(waiter, last) ? null : waiter.Next;
            if (waiter.Key.Equals(from))
            {
                if (waiter.Pi is not null || waiter.AwaitsRequeue)
                {
                    isLock = true;
                    break;
                }

                if (done < mostWoken)
                {
                    WakeOne(ref bucket, waiter);
                }
                else if (!sameKey)
                {
                    Unlink(ref bucket, waiter);
                    waiter.Key = to;
                    Append(ref target, waiter);
                    _count++;
                }

                done++;
            }

            waiter = next;
        }

        _lock.ReleaseRaw(enabled);
        return isLock ? Errno.EINVAL : done;
    }

    /// <summary>The task goes, or has waited.</summary>
    public void Free(FutexWaiter waiter)
    {
        Dequeue(waiter);
        _cache.Free(waiter);
    }

    private void WakeOne(ref Bucket bucket, FutexWaiter waiter)
    {
        Unlink(ref bucket, waiter);
        PerCpu.Scheduler.Wake(waiter.Task);
    }

    private ref Bucket BucketOf(in FutexKey key) => ref _buckets[(int)(key.Hash >> _shift)];

    private static void Append(ref Bucket bucket, FutexWaiter waiter)
    {
        waiter.Next = null;
        waiter.Previous = bucket.Last;
        if (bucket.Last is null)
            bucket.First = waiter;
        else
            bucket.Last.Next = waiter;
        bucket.Last = waiter;
        waiter.IsQueued = true;
    }

    private void Unlink(ref Bucket bucket, FutexWaiter waiter)
    {
        if (waiter.Previous is null)
            bucket.First = waiter.Next;
        else
            waiter.Previous.Next = waiter.Next;
        if (waiter.Next is null)
            bucket.Last = waiter.Previous;
        else
            waiter.Next.Previous = waiter.Previous;
        waiter.Next = null;
        waiter.Previous = null;
        waiter.IsQueued = false;
        _count--;
    }

    /// <summary>Doubles the table; without memory the lists just get longer.</summary>
    private void Grow()
    {
        Bucket[]? larger = _arrays.Allocate<Bucket>(_buckets.Length * 2);
        if (larger is null)
            return;
        bool enabled = _lock.AcquireRaw();
        Bucket[] old = _buckets;
        _buckets = larger;
        _shift--;
        for (int i = 0; i < old.Length; i++)
        {
            FutexWaiter? waiter = old[i].First;
            while (waiter is not null)
            {
                FutexWaiter? next = waiter.Next;
                Append(ref BucketOf(waiter.Key), waiter);
                waiter = next;
            }
        }

        _lock.ReleaseRaw(enabled);
        if (old.Length > FirstBuckets)                      // the first one is not from the heap of arrays
            _arrays.Free(old);
    }
}
