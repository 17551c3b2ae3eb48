using System.Diagnostics.CodeAnalysis;
using System.Threading;

namespace NanoVm.Core.Sync;

/// <summary>A lock whose waiters sleep. Not recursive; released by the thread that took it.</summary>
/// <remarks>
/// Linux: <c>mutex</c>. A struct to be embedded, never copied, never <c>readonly</c>; zeroed memory is a free lock. The releaser passes it on first come, first served, so nobody starves.
/// <c>using (mutex.Acquire()) { … }</c>
/// </remarks>
internal struct Mutex
{
    private const int Taken = 1;
    /// <summary>Threads sleep: whoever changes the state from here on does so under <see cref="_lock"/>.</summary>
    private const int Waiters = 2;

    private int _state;
    private SpinLock _lock;
    private Sleepers _sleepers;
    /// <summary>Only for the checks; null during boot.</summary>
    private KernelThread? _owner;

    [UnscopedRef]
    public Guard Acquire()
    {
        Lock();
        return new Guard(ref this);
    }

    public void Lock()
    {
        if (Interlocked.CompareExchange(ref _state, Taken, 0) == 0)
            _owner = PerCpu.CurrentOrNull;
        else
            LockSlow(ThreadState.Uninterruptible);
    }

    /// <summary>Takes the lock unless a signal comes first.</summary>
    /// <returns><see cref="Errno.None"/>, or <see cref="Errno.EINTR"/> without the lock.</returns>
    public Errno LockInterruptible() => TryLock() ? Errno.None : LockSlow(ThreadState.Interruptible);

    public bool TryLock()
    {
        if (Interlocked.CompareExchange(ref _state, Taken, 0) != 0)
            return false;
        _owner = PerCpu.CurrentOrNull;
        return true;
    }

    public void Unlock()
    {
        AssertHeld();
        _owner = null;
        if (Interlocked.CompareExchange(ref _state, 0, Taken) != Taken)
            UnlockSlow();
    }

    /// <summary>Whether this thread holds the lock.</summary>
    public readonly bool IsHeld => _state != 0 && _owner == PerCpu.CurrentOrNull;

    public readonly void AssertHeld()
    {
        if (!IsHeld)
            Panic.Now("a mutex is used by a thread that does not hold it"u8);
    }

    private Errno LockSlow(ThreadState state)
    {
        bool enabled = _lock.AcquireRaw();
        int seen;
        do
        {
            seen = _state;
            if (seen == 0 && Interlocked.CompareExchange(ref _state, Taken, 0) == 0)
            {
                _owner = PerCpu.CurrentOrNull;
                _lock.ReleaseRaw(enabled);
                return Errno.None;
            }
        }
        while (seen == 0 || Interlocked.CompareExchange(ref _state, seen | Waiters, seen) != seen);

        if (_owner == PerCpu.CurrentOrNull)
            Panic.Now("a mutex is taken twice by one thread"u8);
        Errno error = _sleepers.Sleep(ref _lock, ref enabled, wantsWrite: true, state);
        if (error != Errno.None && _sleepers.IsEmpty)
            _state &= ~Waiters;                              // sound: with Waiters set nobody changes it without the lock
        _lock.ReleaseRaw(enabled);
        return error;
    }

    private void UnlockSlow()
    {
        bool enabled = _lock.AcquireRaw();
        if (_sleepers.IsEmpty)
        {
            _state = 0;
        }
        else
        {
            _owner = _sleepers.GrantFirst();
            _state = _sleepers.IsEmpty ? Taken : Taken | Waiters;
        }
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Releases the lock at the end of its <c>using</c>.</summary>
    public readonly ref struct Guard
    {
        private readonly ref Mutex _mutex;

        internal Guard(ref Mutex mutex) => _mutex = ref mutex;

        public void Dispose() => _mutex.Unlock();
    }
}
