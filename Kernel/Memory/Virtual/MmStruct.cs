using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>The address space of a process: its areas, its page tables, and what they amount to.</summary>
/// <remarks>
/// Linux: <c>mm_struct</c>. Lectures 000 and 001, "Process memory descriptor". Object of <see cref="MemorySystem.Mms"/>. Two counters keep
/// it alive: <see cref="Users"/> are the threads that live in it, <see cref="Count"/> those that need the object and the top-level table
/// (all users together hold one; each kernel thread that borrowed it holds one). Every operation is a file of this folder:
/// <c>Mmap.cs</c>, <c>Munmap.cs</c>, <c>Brk.cs</c>, and so on. Fields without a note are guarded by <see cref="MmapLock"/>.
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>The machine's memory; never changes.</summary>
    public MemorySystem System = null!;

    /// <summary>The top-level page table (<c>pgd</c>); what CR3 is loaded with. Never changes while <see cref="Count"/> is above zero.</summary>
    public Pfn Root;

    /// <summary>Threads that live here. Linux: <c>mm_users</c>. Atomic by the kernel's rule that counts change with preemption off.</summary>
    public int Users;

    /// <summary>References to the object. Linux: <c>mm_count</c>.</summary>
    public int Count;

    /// <summary>Readers look up and fault, writers change areas. Taken before any page lock and any file lock. Linux: <c>mmap_lock</c>.</summary>
    public RwSemaphore MmapLock;

    /// <summary>Guards the page-table entries of the user's half and the resident counts. Innermost. Linux: <c>page_table_lock</c>.</summary>
    public SpinLock PageTableLock;

    /// <summary>List and tree of the areas.</summary>
    public VmaIndex Areas;

    /// <summary>Moves on whenever an area is added, removed or resized, which voids all threads' caches. Linux: <c>vmacache_seqnum</c>.</summary>
    public ulong VmaCacheSequence;

    /// <summary>Neighbours in the list of all address spaces. Guarded by <see cref="MemorySystem.MmListLock"/>. Linux: <c>mmlist</c>.</summary>
    public MmStruct? NextMm;
    public MmStruct? PreviousMm;

    /// <summary>Where the top-down search starts, or the bottom-up one with <see cref="LegacyLayout"/>.</summary>
    public VirtAddr MmapBase;

    /// <summary>Where the bottom-up search starts. Linux: <c>mmap_legacy_base</c>.</summary>
    public VirtAddr MmapLegacyBase;

    /// <summary>Mappings are laid upwards (unlimited stack, or the personality asked for it).</summary>
    public bool LegacyLayout;

    /// <summary>Whether places are random (Linux: <c>PF_RANDOMIZE</c>, a task's flag there); set at exec.</summary>
    public bool Randomize;

    /// <summary>One past the last address of user space.</summary>
    public VirtAddr TaskSize;

    /// <summary>Flags that every new area gets (<c>mlockall(MCL_FUTURE)</c>). Linux: <c>def_flags</c>.</summary>
    public VmFlags DefaultFlags;

    /// <summary>All mapped pages. Linux: <c>total_vm</c>.</summary>
    public ulong TotalVm;

    /// <summary>Pages in areas with <see cref="VmFlags.Locked"/>. Linux: <c>locked_vm</c>.</summary>
    public ulong LockedVm;

    /// <summary>Pages of private writable areas, of executable ones, of stacks. Linux: <c>data_vm</c>, <c>exec_vm</c>, <c>stack_vm</c>.</summary>
    public ulong DataVm;
    public ulong ExecVm;
    public ulong StackVm;

    /// <summary>Resident pages by kind, and swapped ones. Guarded by <see cref="PageTableLock"/>. Linux: <c>rss_stat</c>.</summary>
    public ulong FilePages;
    public ulong AnonymousPages;
    public ulong ShmemPages;
    public ulong SwapEntries;

    /// <summary>The highest values ever, kept when they are about to fall. Linux: <c>hiwater_rss</c>, <c>hiwater_vm</c>.</summary>
    public ulong HighestRss;
    public ulong HighestVm;

    /// <summary>Frames of page tables, the top level included. Guarded by <see cref="PageTableLock"/>.</summary>
    public ulong PageTablePages;

    /// <summary>Where the program's parts lie. Written by exec and <c>prctl(PR_SET_MM)</c>.</summary>
    public VirtAddr StartCode;
    public VirtAddr EndCode;
    public VirtAddr StartData;
    public VirtAddr EndData;

    /// <summary>Where the heap starts and ends. Linux: <c>start_brk</c>, <c>brk</c>.</summary>
    public VirtAddr StartBreak;
    public VirtAddr Break;

    /// <summary>The stack pointer that the program started with.</summary>
    public VirtAddr StartStack;
    public VirtAddr ArgumentStart;
    public VirtAddr ArgumentEnd;
    public VirtAddr EnvironmentStart;
    public VirtAddr EnvironmentEnd;

    /// <summary>The auxiliary vector as <c>/proc/PID/auxv</c> shows it: pairs, ended by AT_NULL.</summary>
    [InlineArray(MaximumAuxv)]
    public struct AuxiliaryVector
    {
        private ulong _first;
    }

    public const int MaximumAuxv = 52;
    public AuxiliaryVector SavedAuxv;

    /// <summary>The program, with a reference held; null for kernel-made ones. Linux: <c>exe_file</c>.</summary>
    public MappableFile? ExeFile;

    /// <summary>Whether core dumps and <c>/proc</c> access are allowed (<c>prctl(PR_SET_DUMPABLE)</c>).</summary>
    public int Dumpable;

    /// <summary>Which kinds of areas a core file holds; fork and exec hand it on. Linux: <c>MMF_DUMP_FILTER_MASK</c>; man 5 core.</summary>
    public CoreFilter CoreFilter;

    /// <summary>Protection keys that <c>pkey_alloc</c> gave out, one bit each. Linux: <c>context.pkey_allocation_map</c>.</summary>
    public ushort AllocatedKeys;

    /// <summary>The key of memory that may be executed but not read; 0 until the first such mapping. Linux: <c>context.execute_only_pkey</c>.</summary>
    public byte ExecuteOnlyKey;

    /// <summary>The number of areas. Linux: <c>map_count</c>.</summary>
    public int MapCount => Areas.Count;

    /// <summary>The area with the lowest address, start of the list. Linux: <c>mm-&gt;mmap</c>.</summary>
    public VmArea? FirstArea => Areas.First;

    /// <summary>Resident pages of all kinds. Linux: <c>get_mm_rss</c>.</summary>
    public ulong Rss => FilePages + AnonymousPages + ShmemPages;

    /// <summary>The most pages that were ever resident.</summary>
    public ulong PeakRss => Rss > HighestRss ? Rss : HighestRss;

    public ulong PeakVm => TotalVm > HighestVm ? TotalVm : HighestVm;

    /// <summary>Whether this is the kernel's own one.</summary>
    public bool IsInitMm => ReferenceEquals(this, System.InitMm);

    /// <summary>A thread more lives here. Linux: <c>mmget</c>.</summary>
    public MmStruct Get()
    {
        Users++;
        return this;
    }

    /// <summary>As <see cref="Get"/>, for one who only holds <see cref="Count"/>. Linux: <c>mmget_not_zero</c>.</summary>
    /// <returns>False when the last user has gone: the areas are being or have been removed.</returns>
    public bool TryGet()
    {
        if (Users == 0)
            return false;
        Users++;
        return true;
    }

    /// <summary>A thread leaves; the last one takes all areas and pages down. May sleep. Linux: <c>mmput</c>.</summary>
    public void Put()
    {
        if (--Users != 0)
            return;
        ExitMmap();
        RemoveFromList();
        MappableFile? file = ExeFile;
        ExeFile = null;
        file?.Put();
        Drop();
    }

    /// <summary>One more needs the object and the top-level table. Linux: <c>mmgrab</c>.</summary>
    public MmStruct Grab()
    {
        Count++;
        return this;
    }

    /// <summary>Gives a <see cref="Grab"/> back; the last one frees the object. Linux: <c>mmdrop</c>.</summary>
    public void Drop()
    {
        if (--Count == 0)
            Free();
    }

    /// <summary>Keeps the peak before the resident count falls. Linux: <c>update_hiwater_rss</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void NotePeakRss()
    {
        if (Rss > HighestRss)
            HighestRss = Rss;
    }

    /// <summary>Keeps the peak before <see cref="TotalVm"/> falls. Linux: <c>update_hiwater_vm</c>.</summary>
    public void NotePeakVm()
    {
        if (TotalVm > HighestVm)
            HighestVm = TotalVm;
    }
}
