using System;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Holds frames of user memory still while a device reads or writes them.</summary>
/// <remarks>
/// Linux: <c>pin_user_pages_fast</c>. A reference to the frame keeps it from being reclaimed or given to others: what happens to the address space
/// meanwhile (<c>munmap</c>, exit) cannot make the device write into somebody else's memory. And what the device writes must be seen by who
/// asked for it, so a frame that is written to is not exchanged either while it is pinned:
/// <code>
///   reclaim, MADV_FREE   leave it alone          PageReclaim.EvictAnonymous, DropLazilyFreed
///   fork                 the child gets a copy   CopyPageRange; the parent keeps the frame, writable
///   its next write       in place                CanReuse does not count pins
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>A device was to write here once: fork has to look for pinned frames. Linux: <c>MMF_HAS_PINNED</c>.</summary>
    private bool HasPinned;

    /// <summary>Takes a reference to the frames behind the pages from <paramref name="start"/> on; takes <see cref="MmapLock"/> for reading.</summary>
    /// <param name="write">The device will write to the memory: copy-on-write is broken first.</param>
    /// <returns>How many were taken; fewer than there is room for where there is no memory or it forbids the access.</returns>
    public int PinPages(VirtAddr start, bool write, Span<Pfn> frames)
    {
        int pinned = 0;
        HasPinned |= write;
        MmapLock.ReadLock();
        while (pinned < frames.Length)
        {
            VirtAddr at = start.PageDown() + ((ulong)pinned << PageSize.Shift);
            if (at >= TaskSize || LookupVma(at) is not { } area)
                break;
            if ((area.Flags & (VmFlags.Io | VmFlags.PfnMap)) != 0 || !MayAccess(area, write, force: false))
                break;
            if (!TryGetFrame(area, at, write, mayWait: true, out Pfn frame, out bool released))
            {
                if (!released)
                    break;
                MmapLock.ReadLock();            // a program has answered the fault
                if (TaskMemory.Current.FatalSignalPending)
                    break;
                continue;
            }

            if (!write)
                System.Frames.Hold(frame);
            else if (!System.Frames.TryPin(frame))
                break;
            frames[pinned++] = frame;
        }

        MmapLock.ReadUnlock();
        return pinned;
    }

    /// <summary>Gives the references back. Linux: <c>unpin_user_pages_dirty_lock</c>.</summary>
    /// <param name="written">As "write" was: the device has written, so pages of files, which the flusher may have written meanwhile, are dirty again.</param>
    public void UnpinPages(ReadOnlySpan<Pfn> frames, bool written)
    {
        foreach (Pfn frame in frames)
        {
            if (!written)
            {
                System.Frames.LetGo(frame);
                continue;
            }

            if (!System.Frames[frame].IsAnonymous)
                System.MarkFileFrameDirty(ref System.Frames[frame], frame);
            System.Frames.Unpin(frame);
        }
    }
}
