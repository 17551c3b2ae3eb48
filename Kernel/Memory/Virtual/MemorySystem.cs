using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>When memory that is promised but not there is refused.</summary>
/// <remarks>Linux: <c>/proc/sys/vm/overcommit_memory</c>.</remarks>
internal enum OvercommitPolicy
{
    /// <summary>Refuse only what could never fit.</summary>
    Guess = 0,
    /// <summary>Refuse nothing.</summary>
    Always = 1,
    /// <summary>Refuse beyond the commit limit.</summary>
    Never = 2,
}

/// <summary>The virtual memory of one machine: what all address spaces share. The root object for a debugger.</summary>
/// <remarks>Built once by <c>Kernel.cs</c>, or by each host test for its own machine; the only place with <c>new</c>.</remarks>
internal sealed partial class MemorySystem
{
    /// <summary>Frames, object caches, vmalloc.</summary>
    public readonly PhysicalMemory Physical;

    /// <summary><see cref="PhysicalMemory.Frames"/>, at hand for the fault path.</summary>
    public readonly FrameAllocator Frames;

    public readonly ObjectCache<MmStruct> Mms;
    public readonly ObjectCache<VmArea> Areas;
    public readonly ObjectCache<AnonVma> AnonVmas;
    public readonly ObjectCache<AnonVmaChain> AnonVmaChains;
    public readonly ObjectCache<Faults.UserfaultContext> UserfaultContexts;
    public readonly ObjectCache<Faults.UserfaultWaiter> UserfaultWaiters;
    public readonly ObjectCache<Faults.UserfaultEvent> UserfaultEvents;
    public readonly ObjectCache<Numa.MemoryPolicy> Policies;
    public readonly ObjectCache<Numa.SharedPolicy> SharedPolicies;
    public readonly ObjectCache<Numa.PolicyRange> PolicyRanges;

    /// <summary>Whether everybody may have kernel faults answered by programs. <c>/proc/sys/vm/unprivileged_userfaultfd</c>.</summary>
    public bool UnprivilegedUserfaults;

    /// <summary>Where the files behind shared anonymous memory come from; installed by <c>Kernel.cs</c>. Null: there are none yet.</summary>
    public SharedMemorySource? SharedMemory;

    /// <summary>The frame of zeros that reads of untouched anonymous memory see; never counted, never freed.</summary>
    public readonly Pfn ZeroPage;

    /// <summary>The pool of huge pages, for who asks for them by name.</summary>
    public readonly Hugetlb.HugetlbSystem Hugetlb;

    /// <summary>When anonymous memory gets huge pages.</summary>
    public readonly HugePagePolicy HugePages = new();

    /// <summary>Counters for <c>/proc/vmstat</c>.</summary>
    public readonly VmStat Statistics = new();

    /// <summary>What all page caches share; null on a machine that was built without (a test's).</summary>
    public PageCache? PageCache;

    /// <summary>The kernel's own address space: the boot page tables, no areas; first in the list of all. Linux: <c>init_mm</c>.</summary>
    public readonly MmStruct InitMm;

    /// <summary>Guards the list of all address spaces. Linux: <c>mmlist_lock</c>.</summary>
    public SpinLock MmListLock;

    /// <summary>4, or 5 when the processor runs with LA57.</summary>
    public readonly int PagingLevels;

    /// <summary>One past the last user address. Linux: <c>TASK_SIZE_MAX</c>; with five levels still the 47-bit value unless asked for more.</summary>
    public VirtAddr DefaultTaskSize => PagingLevels == 5 ? new VirtAddr((1UL << 56) - PageSize.Bytes) : UserSpace.EndAddress;

    /// <summary>Bytes that stay free below a stack. Linux: <c>stack_guard_gap</c>, 256 pages.</summary>
    public ulong StackGuardGapBytes = 256 * PageSize.Bytes;

    /// <summary>The runs of <c>memfsck</c>: what has this number was looked at in the present one.</summary>
    public ulong CheckRun;

    /// <summary>Who knows what all threads hold; installed by <c>Machine.cs</c>. Null: there is one thread.</summary>
    public Check.ThreadHolds? ThreadHolds;

    /// <summary>By the number of the huge page: the entries of 2 MiB that <c>memfsck</c> has found in its present run.</summary>
    public readonly uint[] FoundHuge;

    // --- /proc/sys/vm and /proc/sys/kernel ---

    /// <summary>The most areas one mm may have. Linux: <c>vm.max_map_count</c>.</summary>
    public int MaxMapCount = 65_530;

    public OvercommitPolicy OvercommitPolicy = OvercommitPolicy.Guess;

    /// <summary>Percent of RAM that counts for <see cref="OvercommitPolicy.Never"/>.</summary>
    public ulong OvercommitRatio = 50;

    /// <summary>When not zero: used instead of <see cref="OvercommitRatio"/>.</summary>
    public ulong OvercommitKilobytes;

    /// <summary>The lowest address that may be mapped without CAP_SYS_RAWIO. Linux: <c>vm.mmap_min_addr</c>.</summary>
    public ulong MmapMinAddress = 65_536;

    /// <summary>0: no randomization (<c>norandmaps</c>); 1: all but the heap; 2: all. Linux: <c>kernel.randomize_va_space</c>.</summary>
    public int RandomizeVaSpace = 2;

    /// <summary>Kilobytes kept for root and for a user to recover with, in mode <see cref="OvercommitPolicy.Never"/>.</summary>
    /// <remarks>A thirty-second of what is free at boot, up to 8 and 128 MiB. Linux: <c>init_admin_reserve</c>, <c>init_user_reserve</c>.</remarks>
    public ulong AdminReserveKilobytes = 8192;
    public ulong UserReserveKilobytes = 131_072;

    /// <summary>Pages promised to private writable mappings: <c>Committed_AS</c>. Linux: <c>vm_committed_as</c>.</summary>
    public ulong CommittedPages;

    /// <summary>Page-table frames in use, for <c>PageTables</c> in <c>/proc/meminfo</c>.</summary>
    public ulong PageTablePages;

    /// <summary>Anonymous pages mapped in all address spaces, for <c>AnonPages</c>; a shared COW page counts once.</summary>
    public ulong AnonymousPages;

    /// <summary>File pages mapped in at least one address space, for <c>Mapped</c>.</summary>
    public ulong FileMappedPages;

    /// <summary>Pages that are mapped in locked areas, for <c>Mlocked</c>.</summary>
    public ulong MlockedPages;

    /// <summary>Pages of swap, for the commit limit; zero until swap is there.</summary>
    public ulong SwapPages;
    public ulong FreeSwapPages;

    /// <summary>Wires the machine's memory together.</summary>
    /// <param name="kernelRoot">The top-level page table that the boot code left; its upper half goes into every address space.</param>
    public MemorySystem(PhysicalMemory physical, Pfn kernelRoot, int pagingLevels)
    {
        Physical = physical;
        Frames = physical.Frames;
        PagingLevels = pagingLevels;
        Hugetlb = new Hugetlb.HugetlbSystem(physical);
        Mms = new ObjectCache<MmStruct>(physical, "mm_struct"u8);
        Areas = new ObjectCache<VmArea>(physical, "vm_area_struct"u8);
        AnonVmas = new ObjectCache<AnonVma>(physical, "anon_vma"u8);
        AnonVmaChains = new ObjectCache<AnonVmaChain>(physical, "anon_vma_chain"u8);
        UserfaultContexts = new ObjectCache<Faults.UserfaultContext>(physical, "userfaultfd_ctx_cache"u8);
        UserfaultWaiters = new ObjectCache<Faults.UserfaultWaiter>(physical, "userfaultfd_wait"u8);
        UserfaultEvents = new ObjectCache<Faults.UserfaultEvent>(physical, "userfaultfd_event"u8);
        Policies = new ObjectCache<Numa.MemoryPolicy>(physical, "numa_policy"u8);
        SharedPolicies = new ObjectCache<Numa.SharedPolicy>(physical, "shared_policy"u8);
        PolicyRanges = new ObjectCache<Numa.PolicyRange>(physical, "shared_policy_node"u8);
        if (Frames.Allocate(0, AllocationFlags.Zeroed, out ZeroPage) != Errno.None)
            Panic.Now("no frame for the zero page"u8);
        ulong spare = Frames.FreeFrames.Bytes / 1024 / 32;
        AdminReserveKilobytes = System.Math.Min(spare, AdminReserveKilobytes);
        UserReserveKilobytes = System.Math.Min(spare, UserReserveKilobytes);
        InitMm = MmStruct.CreateInitMm(this, kernelRoot);
        FoundHuge = new uint[(int)(Frames.EndFrame.Value >> FrameAllocator.HugeOrder) + 1];
    }
}
