namespace NanoVm.Core.Sync;

/// <summary>The threads that wait for a <see cref="Mutex"/> or <see cref="RwSemaphore"/>, first come first served.</summary>
/// <remarks>
/// All members need the lock's own spin lock. The links are <see cref="KernelThread.LockNext"/>, not the thread's wait node: a
/// condition that is looked at between PrepareToWait and Schedule may take a sleeping lock.
/// </remarks>
internal struct Sleepers
{
    private KernelThread? _first;
    private KernelThread? _last;

    public readonly KernelThread? First => _first;

    public readonly bool IsEmpty => _first is null;

    /// <summary>Joins, then sleeps until the lock was granted or, where <paramref name="state"/> allows it, a signal came.</summary>
    /// <returns>
    /// <see cref="Errno.None"/> when granted; else <see cref="Errno.EINTR"/>, and the thread has left the list. The spin lock is held
    /// again in both cases.
    /// </returns>
    public Errno Sleep(ref SpinLock spinLock, ref bool interruptsEnabled, bool wantsWrite, ThreadState state)
    {
        KernelThread? self = PerCpu.CurrentOrNull;
        if (self is null)
        {
            Panic.Now("a sleeping lock is contended before the first thread"u8);
            return Errno.EDEADLK;
        }
        self.LockNext = null;
        self.LockGranted = false;
        self.LockWantsWrite = wantsWrite;
        if (_last is null)
            _first = self;
        else
            _last.LockNext = self;
        _last = self;

        while (true)
        {
            self.State = state;
            spinLock.ReleaseRaw(interruptsEnabled);
            PerCpu.Scheduler.Schedule();
            interruptsEnabled = spinLock.AcquireRaw();
            if (self.LockGranted)
            {
                self.State = ThreadState.Running;
                return Errno.None;
            }
            bool interrupted = state == ThreadState.Interruptible ? self.SignalPending
                : state == ThreadState.Killable && self.FatalSignalPending;
            if (interrupted)
            {
                self.State = ThreadState.Running;
                Remove(self);
                return Errno.EINTR;
            }
        }
    }

    /// <summary>Takes the first thread out and wakes it as owner of the lock.</summary>
    public KernelThread GrantFirst()
    {
        KernelThread thread = _first!;
        _first = thread.LockNext;
        if (_first is null)
            _last = null;
        thread.LockNext = null;
        thread.LockGranted = true;
        PerCpu.Scheduler.Wake(thread);
        return thread;
    }

    private void Remove(KernelThread thread)
    {
        KernelThread? previous = null;
        for (KernelThread? at = _first; at is not null; previous = at, at = at.LockNext)
        {
            if (at != thread)
                continue;
            if (previous is null)
                _first = at.LockNext;
            else
                previous.LockNext = at.LockNext;
            if (_last == at)
                _last = previous;
            at.LockNext = null;
            return;
        }
    }
}
