using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>Blocks of 512 frames that page tables map with one entry.</summary>
/// <remarks>
/// A huge page is 512 ordinary frames, each with one reference that the page as a whole holds; so any of them can be held, or outlive the
/// others, by itself. Who else holds one of them (a small page's entry after a split, code that works on it) has a reference more.
/// </remarks>
internal sealed partial class FrameAllocator
{
    /// <summary>Log2 of the frames of a huge page. Linux: <c>HPAGE_PMD_ORDER</c>.</summary>
    public const int HugeOrder = PageSize.LargeShift - PageSize.Shift;

    /// <summary>Frames of a huge page. Linux: <c>HPAGE_PMD_NR</c>.</summary>
    public const ulong HugeFrames = 1UL << HugeOrder;

    /// <summary>Takes a block of <see cref="HugeFrames"/> frames with one reference to each of them.</summary>
    /// <returns><see cref="Errno.ENOMEM"/> when there is none; small pages then do as well.</returns>
    public Errno AllocateHuge(AllocationFlags flags, out Pfn first)
    {
        Errno error = Allocate(HugeOrder, flags, out first);
        if (error == Errno.None)
            Split(first);
        return error;
    }

    /// <summary>Frees a whole block of which nobody holds any frame but by the one reference of <see cref="AllocateHuge"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void FreeHuge(Pfn first)
    {
        for (ulong i = 0; i < HugeFrames; i++)
        {
            ref PageFrame frame = ref _frames[first + i];
            if (frame.ReferenceCount != 1 || (frame.Flags & FrameFlags.Lru) != 0)
                BadFrame(first + i);
            frame = default;
        }

        FreeBlock(first, HugeOrder);
    }

    /// <summary>The first frame of the huge page that <paramref name="pfn"/> may be in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pfn FirstOfHuge(Pfn pfn) => new(pfn.Value & ~(HugeFrames - 1));

    /// <summary>How often page tables map a frame: small pages' entries, and those of its huge page. Linux: <c>page_mapcount</c>.</summary>
    public int MappingsOf(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        // The huge page counts as one mapping of each of its frames, however many entries map it.
        if ((frame.Flags & (FrameFlags.HugePool | FrameFlags.Tail)) != 0)
            return PoolMappingsOf(_frames[HeadOf(pfn)]);
        return (frame.Flags & FrameFlags.Huge) == 0 ? frame.MapCount : frame.MapCount - 1 + _frames[FirstOfHuge(pfn)].UseCount;
    }

    /// <summary>How many entries map a page of the pool of huge pages, given its first frame: all its uses but the one of its file.</summary>
    public static int PoolMappingsOf(in PageFrame head)
    {
        if ((head.Flags & FrameFlags.HugePool) == 0 || head.UseCount == 0)
            return 0;
        return head.IsAnonymous ? head.UseCount : head.UseCount - 1;
    }
}
