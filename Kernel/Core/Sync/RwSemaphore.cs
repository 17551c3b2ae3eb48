using System.Threading;

namespace NanoVm.Core.Sync;

/// <summary>A sleeping lock for many readers or one writer, first come first served: a waiting writer holds new readers back.</summary>
/// <remarks>
/// Linux: <c>rw_semaphore</c>; the lock of an <c>mm_struct</c>. A struct to be embedded, never copied, never <c>readonly</c>;
/// zeroed memory is a free lock. Not recursive, for readers too: a
/// second read lock of the same thread can wait for a writer that waits for the first.
/// </remarks>
internal struct RwSemaphore
{
    /// <summary>Below this bit: the number of readers.</summary>
    private const int Writer = 1 << 29;
    /// <summary>Threads sleep: whoever changes the state from here on does so under <see cref="_lock"/>.</summary>
    private const int Waiters = 1 << 30;

    private int _state;
    private SpinLock _lock;
    private Sleepers _sleepers;
    /// <summary>The writer, only for the checks; null during boot.</summary>
    private KernelThread? _owner;

    public void ReadLock()
    {
        if (!TryReadLock())
            LockSlow(write: false, ThreadState.Uninterruptible);
    }

    /// <summary>Locks for reading unless the thread is being killed.</summary>
    /// <returns><see cref="Errno.None"/>, or <see cref="Errno.EINTR"/> without the lock.</returns>
    public Errno ReadLockKillable() => TryReadLock() ? Errno.None : LockSlow(write: false, ThreadState.Killable);

    /// <summary>Locks for reading when that needs no wait. Linux: <c>down_read_trylock</c>.</summary>
    public bool TryReadLock()
    {
        int seen = _state;
        while (seen < Writer)
        {
            int found = Interlocked.CompareExchange(ref _state, seen + 1, seen);
            if (found == seen)
                return true;
            seen = found;
        }
        return false;
    }

    public void WriteLock()
    {
        if (!TryWriteLock())
            LockSlow(write: true, ThreadState.Uninterruptible);
    }

    /// <summary>Locks for writing unless the thread is being killed.</summary>
    /// <returns><see cref="Errno.None"/>, or <see cref="Errno.EINTR"/> without the lock.</returns>
    public Errno WriteLockKillable() => TryWriteLock() ? Errno.None : LockSlow(write: true, ThreadState.Killable);

    public bool TryWriteLock()
    {
        if (Interlocked.CompareExchange(ref _state, Writer, 0) != 0)
            return false;
        _owner = PerCpu.CurrentOrNull;
        return true;
    }

    public void ReadUnlock()
    {
        int seen = _state;
        while (seen < Writer)
        {
            if (seen == 0)
                Panic.Now("a semaphore is released by a reader that does not hold it"u8);
            int found = Interlocked.CompareExchange(ref _state, seen - 1, seen);
            if (found == seen)
                return;
            seen = found;
        }
        ReadUnlockSlow();
    }

    public void WriteUnlock()
    {
        AssertHeldForWriting();
        _owner = null;
        if (Interlocked.CompareExchange(ref _state, 0, Writer) == Writer)
            return;
        bool enabled = _lock.AcquireRaw();
        _state = Waiters;
        GrantNext();
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>From writer to reader without letting another writer in between. Linux: <c>downgrade_write</c>.</summary>
    public void Downgrade()
    {
        AssertHeldForWriting();
        _owner = null;
        if (Interlocked.CompareExchange(ref _state, 1, Writer) == Writer)
            return;
        bool enabled = _lock.AcquireRaw();
        _state = Waiters | 1;
        GrantNext();
        _lock.ReleaseRaw(enabled);
    }

    public readonly bool IsHeldForWriting => (_state & Writer) != 0 && _owner == PerCpu.CurrentOrNull;

    /// <summary>Whether anyone holds it, for reading or writing.</summary>
    public readonly bool IsHeld => (_state & ~Waiters) != 0;

    public readonly void AssertHeldForWriting()
    {
        if (!IsHeldForWriting)
            Panic.Now("a semaphore is not held for writing by this thread"u8);
    }

    private Errno LockSlow(bool write, ThreadState state)
    {
        bool enabled = _lock.AcquireRaw();
        while (true)
        {
            int seen = _state;
            bool free = write ? seen == 0 : seen < Writer;
            int wanted = free ? (write ? Writer : seen + 1) : seen | Waiters;
            if (Interlocked.CompareExchange(ref _state, wanted, seen) != seen)
                continue;
            if (!free)
                break;
            if (write)
                _owner = PerCpu.CurrentOrNull;
            _lock.ReleaseRaw(enabled);
            return Errno.None;
        }

        if ((_state & Writer) != 0 && _owner == PerCpu.CurrentOrNull)
            Panic.Now("a semaphore is taken twice by one thread"u8);
        Errno error = _sleepers.Sleep(ref _lock, ref enabled, write, state);
        if (error != Errno.None)
            GrantNext();                                     // those behind us may have waited only for us
        _lock.ReleaseRaw(enabled);
        return error;
    }

    private void ReadUnlockSlow()
    {
        bool enabled = _lock.AcquireRaw();
        // Between the look and the lock the sleepers may have gone: the state decides, not the way here.
        int seen = _state;
        while ((seen & Waiters) == 0)
        {
            int found = Interlocked.CompareExchange(ref _state, seen - 1, seen);
            if (found == seen)
            {
                _lock.ReleaseRaw(enabled);
                return;
            }
            seen = found;
        }
        if ((seen & (Writer - 1)) == 0)
            Panic.Now("a semaphore is released by a reader that does not hold it"u8);
        _state = seen - 1;
        GrantNext();
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Lets the first sleepers in as far as the state allows. Under <see cref="_lock"/>, with <see cref="Waiters"/> set.</summary>
    private void GrantNext()
    {
        int held = _state & ~Waiters;
        while (_sleepers.First is KernelThread first)
        {
            if (first.LockWantsWrite)
            {
                if (held != 0)
                    break;
                held = Writer;
                _owner = _sleepers.GrantFirst();
                break;
            }
            if ((held & Writer) != 0)
                break;
            held++;
            _sleepers.GrantFirst();
        }
        _state = _sleepers.IsEmpty ? held : held | Waiters;
    }
}
