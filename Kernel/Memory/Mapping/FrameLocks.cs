using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>Sleeping locks of single frames, one bit each: who waits does so on one of a few shared queues.</summary>
/// <remarks>Linux: <c>lock_page</c>, <c>unlock_page</c>, <c>wait_on_page_locked</c>, the hashed <c>folio_wait_table</c>.</remarks>
internal sealed class FrameLocks
{
    private const int Queues = 64;

    private readonly FrameAllocator _frames;
    private readonly WaitQueue[] _queues = new WaitQueue[Queues];

    internal FrameLocks(FrameAllocator frames) => _frames = frames;

    /// <summary>Takes the lock without waiting. Linux: <c>trylock_page</c>.</summary>
    public bool TryLock(Pfn pfn) => !_frames[pfn].TestAndSet(FrameFlags.Locked);

    /// <summary>Takes the lock. The caller holds a reference to the frame.</summary>
    public void Lock(Pfn pfn)
    {
        while (!TryLock(pfn))
            WaitUntilClear(pfn, FrameFlags.Locked);
    }

    public void Unlock(Pfn pfn)
    {
        if (!_frames[pfn].TestAndClear(FrameFlags.Locked))
            Panic.Now("a frame is unlocked that is not locked"u8);
        Wake(pfn);
    }

    /// <summary>Waits until nobody has the lock; somebody may take it again at once.</summary>
    public void WaitUnlocked(Pfn pfn) => WaitUntilClear(pfn, FrameFlags.Locked);

    /// <summary>Waits until the frame is not being written to its file. Linux: <c>wait_on_page_writeback</c>.</summary>
    public void WaitWritten(Pfn pfn) => WaitUntilClear(pfn, FrameFlags.Writeback);

    /// <summary>Says that a write has ended.</summary>
    public void EndWriteback(Pfn pfn)
    {
        _frames[pfn].ClearFlags(FrameFlags.Writeback);
        Wake(pfn);
    }

    private void WaitUntilClear(Pfn pfn, FrameFlags flag)
    {
        if (!_frames[pfn].HasAny(flag))
            return;
        WaitNode node = PerCpu.Current.WaitNode;
        ref WaitQueue queue = ref QueueOf(pfn);
        while (true)
        {
            _frames[pfn].SetFlags(FrameFlags.Waiters);
            queue.PrepareToWait(node, ThreadState.Uninterruptible);
            if (!_frames[pfn].HasAny(flag))
                break;
            PerCpu.Scheduler.Schedule();
        }

        queue.FinishWait(node);
    }

    private void Wake(Pfn pfn)
    {
        if (_frames[pfn].TestAndClear(FrameFlags.Waiters))
            QueueOf(pfn).WakeAll();
    }

    private ref WaitQueue QueueOf(Pfn pfn) => ref _queues[(int)((pfn.Value * 0x9e37_79b9_7f4a_7c15) >> 58)];
}
