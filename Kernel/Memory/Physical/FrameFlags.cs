using System;

namespace NanoVm.Memory.Physical;

/// <summary>What a frame is at present.</summary>
/// <remarks>Linux: <c>enum pageflags</c>. Changed by the frame's owner; those from <see cref="Locked"/> on by atomic operations.</remarks>
[Flags]
internal enum FrameFlags : uint
{
    None = 0,

    /// <summary>Never given out: kernel image, descriptors, firmware.</summary>
    Reserved = 1 << 0,
    /// <summary>First frame of a free block of the buddy system; <see cref="PageFrame.Order"/> says how large.</summary>
    Buddy = 1 << 1,
    /// <summary>Free, on a per-CPU list.</summary>
    PerCpuFree = 1 << 2,
    /// <summary>First frame of a slab of an object cache.</summary>
    Slab = 1 << 3,
    /// <summary>A page table.</summary>
    PageTable = 1 << 4,
    /// <summary>First frame of a compound block of more than one frame.</summary>
    Head = 1 << 5,
    /// <summary>A further frame of a compound block; <see cref="PageFrame.Private"/> is the number of the first.</summary>
    Tail = 1 << 6,
    /// <summary>Anonymous memory: <see cref="PageFrame.Mapping"/> is an <c>AnonVma</c>, with bit 0 set, or nothing yet.</summary>
    Anonymous = 1 << 7,
    /// <summary>In the page cache of a file: <see cref="PageFrame.Mapping"/> is an <c>AddressSpace</c>.</summary>
    PageCache = 1 << 8,
    /// <summary>
    /// Anonymous memory, a tmpfs file's, or shared anonymous memory: it has no other home but swap. An anonymous page without it is not needed
    /// any more unless it is written to (<c>MADV_FREE</c>). Changed only while the page is on no list of reclaim.
    /// </summary>
    SwapBacked = 1 << 9,
    /// <summary>In vmalloc space.</summary>
    Vmalloc = 1 << 10,
    /// <summary>On the list of those that reclaim leaves alone.</summary>
    Unevictable = 1 << 11,
    /// <summary>In the swap cache.</summary>
    SwapCache = 1 << 12,
    /// <summary>One of the 512 frames of a huge page; <see cref="PageFrame.UseCount"/> of the first counts the entries that map it.</summary>
    Huge = 1 << 13,
    /// <summary>With <see cref="Head"/>: of the pool of huge pages (hugetlb).</summary>
    HugePool = 1 << 14,

    /// <summary>Someone works on the content (reads it, truncates it); others wait. See <c>FrameLocks</c>.</summary>
    Locked = 1 << 16,
    /// <summary>A thread waits for <see cref="Locked"/> or <see cref="Writeback"/> to go.</summary>
    Waiters = 1 << 17,
    /// <summary>The content is what the file has.</summary>
    UpToDate = 1 << 18,
    /// <summary>Changed since it was read or written back.</summary>
    Dirty = 1 << 19,
    /// <summary>Being written to its file.</summary>
    Writeback = 1 << 20,
    /// <summary>Used lately: second chance in reclaim.</summary>
    Referenced = 1 << 21,
    /// <summary>On a reclaim list.</summary>
    Lru = 1 << 22,
    /// <summary>On the active one of the reclaim lists.</summary>
    Active = 1 << 23,
    /// <summary>Reading failed.</summary>
    Error = 1 << 24,
    /// <summary>The next sequential read starts here: time for readahead.</summary>
    Readahead = 1 << 25,
}
