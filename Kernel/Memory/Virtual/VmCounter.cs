using System;
using System.Runtime.CompilerServices;

namespace NanoVm.Memory.Virtual;

/// <summary>What is counted about virtual memory since boot; the lines of <c>/proc/vmstat</c> that this area owns.</summary>
internal enum VmCounter
{
    /// <summary>All faults. Linux: <c>pgfault</c>.</summary>
    PgFault,
    /// <summary>Faults that waited for a device. Linux: <c>pgmajfault</c>.</summary>
    PgMajFault,
    /// <summary>The per-thread cache answered. Linux: <c>vmacache_find_hits</c>.</summary>
    VmaCacheHits,
    /// <summary>The per-thread cache was asked. Linux: <c>vmacache_find_calls</c>.</summary>
    VmaCacheCalls,
    /// <summary>Anonymous page, read first: the zero page was mapped.</summary>
    FaultZeroPage,
    /// <summary>Anonymous page, written first: a zeroed frame was mapped.</summary>
    FaultAnonymous,
    /// <summary>File page read (<c>do_read_fault</c>).</summary>
    FaultRead,
    /// <summary>Private file page written first (<c>do_cow_fault</c>).</summary>
    FaultCow,
    /// <summary>Shared page written first (<c>do_shared_fault</c>).</summary>
    FaultShared,
    /// <summary>Write-protect fault where the frame had one user: made writable in place.</summary>
    WpReuse,
    /// <summary>Write-protect fault that copied the frame.</summary>
    WpCopy,
    /// <summary>Write-protect fault on shared memory.</summary>
    WpShared,
    /// <summary>Another thread, or a stale TLB entry, had settled it already.</summary>
    FaultSpurious,
    /// <summary>Pages that fault-around mapped beside the one asked for.</summary>
    FaultAroundPages,
    /// <summary>The stack grew.</summary>
    StackExpansions,
    /// <summary>User memory touched from the kernel (a system call's buffer).</summary>
    FaultFromKernel,
    /// <summary>SIGSEGV, or EFAULT where a system call touched the memory: all reasons together.</summary>
    FaultSegv,
    /// <summary>No area at the address, and no stack that may grow there.</summary>
    FaultBadArea,
    /// <summary>An area, which does not allow the access: a write to what is read-only.</summary>
    FaultBadAccess,
    /// <summary>A program touched the kernel's half: of it, the part where vmalloc's areas lie; all else.</summary>
    FaultVmalloc,
    FaultKernelArea,
    /// <summary>SIGBUS.</summary>
    FaultSigbus,
    /// <summary>Switches between tasks that needed a CR3 load.</summary>
    MmSwitches,
    /// <summary>Switches to a kernel thread, which borrowed the mm: no CR3 load.</summary>
    MmSwitchLazy,
    /// <summary>Switches between threads of one mm, or back from a kernel thread to it: no CR3 load.</summary>
    MmSwitchSame,
    /// <summary>Whole-TLB flushes.</summary>
    TlbFlushAll,
    /// <summary>Single-page flushes.</summary>
    TlbFlushOne,
    /// <summary>Page tables allocated and freed.</summary>
    PageTablesAllocated,
    PageTablesFreed,
    /// <summary>Areas merged and split.</summary>
    VmaMerges,
    VmaSplits,
    /// <summary>Pages copied by <c>copy_page_range</c>.</summary>
    ForkPagesShared,
    /// <summary>Processes killed for want of memory. Linux: <c>oom_kill</c>.</summary>
    OomKill,
    /// <summary>Huge pages: made by a fault; small ones made because no block was free; entries split; pages split; small pages joined by request.</summary>
    ThpFaultAlloc,
    ThpFaultFallback,
    ThpSplitPmd,
    ThpSplitPage,
    ThpCollapseAlloc,
    ThpCollapseAllocFailed,
    /// <summary>The huge page of zeros: made, and not made.</summary>
    ThpZeroPageAlloc,
    ThpZeroPageAllocFailed,
    /// <summary>How often kswapd was woken.</summary>
    KswapdRuns,
    /// <summary>Allocations that had to free memory themselves.</summary>
    AllocationStalls,
    /// <summary>Active pages looked at.</summary>
    PgRefill,
    /// <summary>Pages that became active.</summary>
    PgActivate,
    /// <summary>Pages that became inactive.</summary>
    PgDeactivate,
    /// <summary>Inactive pages looked at: by kswapd, by who needed memory; by kind.</summary>
    PgScanKswapd,
    PgScanDirect,
    PgScanAnonymous,
    PgScanFile,
    /// <summary>Pages freed so.</summary>
    PgStealKswapd,
    PgStealDirect,
    PgStealAnonymous,
    PgStealFile,
    /// <summary>Pages that programs no longer needed (<c>MADV_FREE</c>), and those of them that reclaim dropped.</summary>
    PgLazyFree,
    PgLazyFreed,
    /// <summary>Locked pages that reclaim met.</summary>
    UnevictableCulled,
    /// <summary>Pages that became locked in memory, and that ceased to be.</summary>
    UnevictableMlocked,
    UnevictableMunlocked,
    /// <summary>A swapped page was still in memory: a minor fault.</summary>
    FaultSwapCache,
    /// <summary>A swapped page was read: a major fault.</summary>
    FaultSwapIn,
    /// <summary>Pages of swap read beside the one asked for, and those of them that were then used.</summary>
    SwapReadAhead,
    SwapReadAheadHits,
    /// <summary>System calls. Linux counts them nowhere.</summary>
    SystemCalls,

    Count,
}

/// <summary>The machine's counters.</summary>
/// <remarks>Linux: <c>vm_event_states</c>. One set today; one a processor when there are several. No lock: sums may lag by one.</remarks>
internal sealed class VmStat
{
    [InlineArray((int)VmCounter.Count)]
    private struct Values
    {
        private ulong _first;
    }

    private Values _values;

    public ulong this[VmCounter counter] => _values[(int)counter];

    /// <summary>Counts one event.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Count(VmCounter counter) => _values[(int)counter]++;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(VmCounter counter, ulong events) => _values[(int)counter] += events;

    /// <summary>Whether Linux 6.1 as distributed does not count it.</summary>
    public static bool IsOwn(VmCounter counter)
        => counter is (>= VmCounter.VmaCacheHits and <= VmCounter.ForkPagesShared) or VmCounter.FaultSwapCache or VmCounter.FaultSwapIn or VmCounter.SystemCalls;

    /// <summary>The name in <c>/proc/vmstat</c>.</summary>
    public static ReadOnlySpan<byte> NameOf(VmCounter counter) => counter switch
    {
        VmCounter.PgFault => "pgfault"u8,
        VmCounter.PgMajFault => "pgmajfault"u8,
        VmCounter.VmaCacheHits => "vmacache_find_hits"u8,
        VmCounter.VmaCacheCalls => "vmacache_find_calls"u8,
        VmCounter.FaultZeroPage => "fault_zero_page"u8,
        VmCounter.FaultAnonymous => "fault_anonymous"u8,
        VmCounter.FaultRead => "fault_read"u8,
        VmCounter.FaultCow => "fault_cow"u8,
        VmCounter.FaultShared => "fault_shared"u8,
        VmCounter.WpReuse => "wp_reuse"u8,
        VmCounter.WpCopy => "wp_copy"u8,
        VmCounter.WpShared => "wp_shared"u8,
        VmCounter.FaultSpurious => "fault_spurious"u8,
        VmCounter.FaultAroundPages => "fault_around_pages"u8,
        VmCounter.StackExpansions => "stack_expansions"u8,
        VmCounter.FaultFromKernel => "fault_from_kernel"u8,
        VmCounter.FaultSegv => "fault_segv"u8,
        VmCounter.FaultBadArea => "fault_bad_area"u8,
        VmCounter.FaultBadAccess => "fault_bad_access"u8,
        VmCounter.FaultVmalloc => "fault_vmalloc"u8,
        VmCounter.FaultKernelArea => "fault_kernel_area"u8,
        VmCounter.FaultSigbus => "fault_sigbus"u8,
        VmCounter.MmSwitches => "mm_switch_cr3"u8,
        VmCounter.MmSwitchLazy => "mm_switch_lazy"u8,
        VmCounter.MmSwitchSame => "mm_switch_same"u8,
        VmCounter.TlbFlushAll => "nr_tlb_local_flush_all"u8,
        VmCounter.TlbFlushOne => "nr_tlb_local_flush_one"u8,
        VmCounter.PageTablesAllocated => "page_tables_allocated"u8,
        VmCounter.PageTablesFreed => "page_tables_freed"u8,
        VmCounter.VmaMerges => "vma_merges"u8,
        VmCounter.VmaSplits => "vma_splits"u8,
        VmCounter.ForkPagesShared => "fork_pages_shared"u8,
        VmCounter.OomKill => "oom_kill"u8,
        VmCounter.ThpFaultAlloc => "thp_fault_alloc"u8,
        VmCounter.ThpFaultFallback => "thp_fault_fallback"u8,
        VmCounter.ThpSplitPmd => "thp_split_pmd"u8,
        VmCounter.ThpSplitPage => "thp_split_page"u8,
        VmCounter.ThpCollapseAlloc => "thp_collapse_alloc"u8,
        VmCounter.ThpCollapseAllocFailed => "thp_collapse_alloc_failed"u8,
        VmCounter.ThpZeroPageAlloc => "thp_zero_page_alloc"u8,
        VmCounter.ThpZeroPageAllocFailed => "thp_zero_page_alloc_failed"u8,
        VmCounter.KswapdRuns => "pageoutrun"u8,
        VmCounter.AllocationStalls => "allocstall_normal"u8,
        VmCounter.PgRefill => "pgrefill"u8,
        VmCounter.PgActivate => "pgactivate"u8,
        VmCounter.PgDeactivate => "pgdeactivate"u8,
        VmCounter.PgScanKswapd => "pgscan_kswapd"u8,
        VmCounter.PgScanDirect => "pgscan_direct"u8,
        VmCounter.PgScanAnonymous => "pgscan_anon"u8,
        VmCounter.PgScanFile => "pgscan_file"u8,
        VmCounter.PgStealKswapd => "pgsteal_kswapd"u8,
        VmCounter.PgStealDirect => "pgsteal_direct"u8,
        VmCounter.PgStealAnonymous => "pgsteal_anon"u8,
        VmCounter.PgStealFile => "pgsteal_file"u8,
        VmCounter.PgLazyFree => "pglazyfree"u8,
        VmCounter.PgLazyFreed => "pglazyfreed"u8,
        VmCounter.UnevictableCulled => "unevictable_pgs_culled"u8,
        VmCounter.UnevictableMlocked => "unevictable_pgs_mlocked"u8,
        VmCounter.UnevictableMunlocked => "unevictable_pgs_munlocked"u8,
        VmCounter.FaultSwapCache => "fault_swap_cache"u8,
        VmCounter.FaultSwapIn => "fault_swap_in"u8,
        VmCounter.SwapReadAhead => "swap_ra"u8,
        VmCounter.SwapReadAheadHits => "swap_ra_hit"u8,
        VmCounter.SystemCalls => "system_calls"u8,
        _ => default,
    };
}
