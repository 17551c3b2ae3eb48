using System.Runtime.CompilerServices;
using System.Threading;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>References for a while: whoever works on a page, and may sleep over it, holds it.</summary>
/// <remarks>
/// A reference that a structure has (an entry of a page table, a page cache, the swap cache) is found again by looking at that structure. One in
/// the hands of a thread is not; so it is counted twice, with the frame and with the thread, and <c>memfsck</c> compares:
/// <code>
///   ReferenceCount of a page of users = entries + page cache + swap cache + Holds
///   Holds of all frames               = HeldFrames of all threads + pages of transfers that are under way
/// </code>
/// Linux has no such count but for pinned pages (<c>GUP_PIN_COUNTING_BIAS</c>).
/// </remarks>
internal sealed partial class FrameAllocator
{
    /// <summary>Pages in transfers from or to a disk, whose end no thread waits for. Interrupts off.</summary>
    public ulong HeldByTransfers { get; private set; }

    /// <summary>Takes a reference to a frame that has one, for the running thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Hold(Pfn pfn)
    {
        Get(pfn);
        HoldNew(pfn);
    }

    /// <summary>The same unless the frame is being freed.</summary>
    public bool TryHold(Pfn pfn)
    {
        if (!TryGet(pfn))
            return false;
        HoldNew(pfn);
        return true;
    }

    /// <summary>The reference that the running thread has already (from the allocation) is one for a while: a structure has its own by now.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void HoldNew(Pfn pfn)
    {
        Interlocked.Increment(ref _frames[HeadOf(pfn)].Holds);
        if (PerCpu.CurrentOrNull is { } thread)
            thread.HeldFrames++;
    }

    /// <summary>The running thread gives its reference to a structure: an entry that maps the page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Keep(Pfn pfn)
    {
        Interlocked.Decrement(ref _frames[HeadOf(pfn)].Holds);
        if (PerCpu.CurrentOrNull is { } thread)
            thread.HeldFrames--;
    }

    /// <summary>Gives the running thread's reference back; the last one frees the frame.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void LetGo(Pfn pfn)
    {
        Keep(pfn);
        Put(pfn);
    }

    /// <summary>Holds a frame for a device that is going to write to it. Linux: <c>try_grab_page(FOLL_PIN)</c>.</summary>
    /// <returns>False when it is pinned as often as can be counted.</returns>
    public bool TryPin(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[HeadOf(pfn)];
        bool enabled = Interrupts.Disable();
        bool fits = frame.Pins != ushort.MaxValue;
        if (fits)
            frame.Pins++;
        Interrupts.Restore(enabled);
        if (fits)
            Hold(pfn);
        return fits;
    }

    /// <summary>Undoes <see cref="TryPin"/>; the last reference frees the frame. Linux: <c>unpin_user_page</c>.</summary>
    public void Unpin(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[HeadOf(pfn)];
        bool enabled = Interrupts.Disable();
        frame.Pins--;
        Interrupts.Restore(enabled);
        LetGo(pfn);
    }

    /// <summary>The running thread's reference goes with a transfer.</summary>
    public void HandToTransfer(Pfn pfn)
    {
        Keep(pfn);
        bool enabled = Interrupts.Disable();
        _frames[pfn].Holds++;
        HeldByTransfers++;
        Interrupts.Restore(enabled);
    }

    /// <summary>The transfer has ended. From the device's interrupt.</summary>
    public void LetGoOfTransfer(Pfn pfn)
    {
        bool enabled = Interrupts.Disable();
        _frames[pfn].Holds--;
        HeldByTransfers--;
        Interrupts.Restore(enabled);
        Put(pfn);
    }
}
