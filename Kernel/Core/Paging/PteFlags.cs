using System;

namespace NanoVm.Core;

/// <summary>The bits of a page-table entry, of any level, that are not its address.</summary>
/// <remarks>Linux: <c>_PAGE_*</c>. Intel SDM volume 3, 4.5, tables 4-15 to 4-20.</remarks>
[Flags]
internal enum PteFlags : ulong
{
    None = 0,
    Present = 1UL << 0,
    Writable = 1UL << 1,
    User = 1UL << 2,
    WriteThrough = 1UL << 3,
    CacheDisable = 1UL << 4,
    Accessed = 1UL << 5,
    Dirty = 1UL << 6,
    /// <summary>In a <see cref="Pmd"/> or <see cref="Pud"/>: this entry is a leaf of 2 MiB or 1 GiB.</summary>
    Huge = 1UL << 7,
    /// <summary>Survives a CR3 load; kernel pages only. Leaves only.</summary>
    Global = 1UL << 8,
    /// <summary>Software: the page is written through <c>page_mkwrite</c> rules (soft-dirty of <c>/proc/PID/pagemap</c>).</summary>
    SoftDirty = 1UL << 9,
    /// <summary>Software: the frame has no <c>PageFrame</c> to count (device memory, zero page). Linux: <c>_PAGE_SPECIAL</c>.</summary>
    Special = 1UL << 10,
    /// <summary>Software: write-protected for userfaultfd. Linux: <c>_PAGE_UFFD_WP</c>.</summary>
    UserfaultWriteProtect = 1UL << 11,
    /// <summary>Software, of a 2 MiB leaf: a page of the pool (hugetlb), which is never split.</summary>
    HugePool = 1UL << 52,
    /// <summary>Software, free: 53.</summary>
    Software2 = 1UL << 53,
    /// <summary>Bits 59 to 62: the protection key of a user leaf.</summary>
    ProtectionKeyMask = 0xfUL << 59,
    NoExecute = 1UL << 63,

    /// <summary>What a table entry above a leaf carries for user pages; the leaf alone decides the rights.</summary>
    UserTable = Present | Writable | User | Accessed | Dirty,
    /// <summary>What a table entry above a leaf carries in the kernel's half.</summary>
    KernelTable = Present | Writable | Accessed | Dirty,
    /// <summary>Kernel data: written and read, never executed.</summary>
    KernelData = Present | Writable | Accessed | Dirty | Global | NoExecute,
    KernelReadOnly = Present | Accessed | Dirty | Global | NoExecute,
    KernelText = Present | Accessed | Dirty | Global,
    /// <summary>Registers of a device: not cached.</summary>
    KernelDevice = KernelData | CacheDisable | WriteThrough,
}
