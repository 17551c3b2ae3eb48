using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Vocabulary;

/// <summary>Locks of one thread: what needs a second one is tried in the guest.</summary>
public sealed class LockTests : IDisposable
{
    private readonly HostMachine _machine = new(16 << 20);
    private RwSemaphore _semaphore;
    private Mutex _mutex;
    private SpinLock _spin;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Many_readers_share_and_a_writer_does_not_get_in()
    {
        _semaphore.ReadLock();
        Assert.True(_semaphore.TryReadLock());
        Assert.False(_semaphore.TryWriteLock());
        _semaphore.ReadUnlock();
        Assert.True(_semaphore.IsHeld);
        _semaphore.ReadUnlock();
        Assert.False(_semaphore.IsHeld);
        Assert.True(_semaphore.TryWriteLock());
        Assert.False(_semaphore.TryReadLock());
        _semaphore.WriteUnlock();
    }

    [Fact]
    public void A_writer_becomes_a_reader_without_letting_go()
    {
        _semaphore.WriteLock();
        _semaphore.Downgrade();
        Assert.False(_semaphore.IsHeldForWriting);
        Assert.True(_semaphore.TryReadLock());
        _semaphore.ReadUnlock();
        _semaphore.ReadUnlock();
        Assert.False(_semaphore.IsHeld);
    }

    [Fact]
    public void A_reader_that_never_came_cannot_leave() => Assert.ThrowsAny<Exception>(() => _semaphore.ReadUnlock());

    [Fact]
    public void A_mutex_is_taken_once()
    {
        using (_mutex.Acquire())
        {
            Assert.True(_mutex.IsHeld);
            Assert.False(_mutex.TryLock());
        }
        Assert.True(_mutex.TryLock());
        _mutex.Unlock();
        Assert.ThrowsAny<Exception>(() => _mutex.Unlock());
    }

    [Fact]
    public void A_spin_lock_turns_interrupts_off_and_back()
    {
        Interrupts.Enable();
        using (_spin.Acquire())
        {
            Assert.False(Interrupts.AreEnabled);
            Assert.True(_spin.IsHeld);
        }
        Assert.True(Interrupts.AreEnabled);
        using (_spin.Acquire())
            Assert.ThrowsAny<Exception>(() => _spin.AcquireRaw());
    }
}
