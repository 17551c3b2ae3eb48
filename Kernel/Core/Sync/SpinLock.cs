using System.Diagnostics.CodeAnalysis;
using System.Threading;

namespace NanoVm.Core.Sync;

/// <summary>A lock held for a short time with interrupts off; its holder never sleeps.</summary>
/// <remarks>
/// Linux: <c>spinlock_t</c> with <c>spin_lock_irqsave</c>. A struct to be embedded, never copied; zeroed memory is a free lock.
/// <c>using (_lock.Acquire()) { … }</c>. Taking it twice on one processor panics instead of hanging.
/// </remarks>
internal struct SpinLock
{
    /// <summary>0 when free, else 1 + the processor's number.</summary>
    private int _owner;

    [UnscopedRef]
    public Guard Acquire() => new(ref this);

    /// <summary>Without a guard, for code where one is in the way.</summary>
    /// <returns>Whether interrupts were on, for <see cref="ReleaseRaw"/>.</returns>
    public bool AcquireRaw()
    {
        bool enabled = Interrupts.Disable();
        int self = PerCpu.Number + 1;
        if (Interlocked.CompareExchange(ref _owner, self, 0) != 0)
            Spin(self);
        return enabled;
    }

    public void ReleaseRaw(bool enabled)
    {
        Volatile.Write(ref _owner, 0);
        Interrupts.Restore(enabled);
    }

    public readonly bool IsHeld => _owner == PerCpu.Number + 1;

    private void Spin(int self)
    {
        if (PerCpu.IsPanicking)
            return;
        if (_owner == self)
            Panic.Now("a spin lock is taken twice by one processor"u8);
        while (Interlocked.CompareExchange(ref _owner, self, 0) != 0)
            Interrupts.Pause();
    }

    /// <summary>Releases the lock and restores the interrupt flag at the end of its <c>using</c>.</summary>
    public readonly ref struct Guard
    {
        private readonly ref SpinLock _lock;
        private readonly bool _enabled;

        internal Guard(ref SpinLock spinLock)
        {
            _lock = ref spinLock;
            _enabled = spinLock.AcquireRaw();
        }

        public void Dispose() => _lock.ReleaseRaw(_enabled);
    }
}
