using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Structures;

namespace NanoVm.Memory.Virtual;

/// <summary>One contiguous interval of an address space whose pages are all treated alike: the contract between a program and the kernel.</summary>
/// <remarks>
/// Linux: <c>vm_area_struct</c>. Lecture 000, "vm_area_struct". Object of <see cref="MemorySystem.Areas"/>. All fields are guarded by
/// <see cref="MmStruct.MmapLock"/> unless they say otherwise: changed when it is held for writing, read when it is held at all.
/// </remarks>
internal sealed class VmArea
{
    /// <summary>First address. Page-aligned. <c>Start &lt; End</c> once linked.</summary>
    public VirtAddr Start;

    /// <summary>One past the last address. Page-aligned.</summary>
    public VirtAddr End;

    /// <summary>Neighbours by address; never overlapping. The list and the tree of <see cref="VmaIndex"/> hold the same areas.</summary>
    public VmArea? Next;
    public VmArea? Previous;

    /// <summary>Place in the red-black tree by <see cref="Start"/>; kept by <see cref="VmaIndex"/> alone. Linux: <c>vm_rb</c>.</summary>
    public RedBlackLinks<VmArea> TreeLinks;

    /// <summary>
    /// The largest free gap, in bytes, that lies just below an area of this subtree (this one included). Linux: <c>rb_subtree_gap</c>.
    /// </summary>
    public ulong SubtreeGap;

    /// <summary>The address space that it belongs to; never changes.</summary>
    public MmStruct Mm = null!;

    public VmFlags Flags;

    /// <summary>The page-table bits of its pages, from <see cref="Flags"/> by <see cref="ProtectionMap"/>; without Write where the first write must be seen.</summary>
    public PteFlags PageProtection;

    /// <summary>Which page of the file (or of the anonymous object) <see cref="Start"/> is. Anonymous areas: their own first page number, so that neighbours merge.</summary>
    public ulong PageOffset;

    /// <summary>The mapped file with a reference held, or null.</summary>
    public MappableFile? File;

    /// <summary>How this kind of mapping answers faults; null for anonymous private memory. Linux: <c>vm_ops</c>.</summary>
    public VmOperations? Operations;

    /// <summary>For <see cref="Operations"/> to use.</summary>
    public object? PrivateData;

    /// <summary>Where anonymous pages of this area are found again; null until the first one. Linux: <c>anon_vma</c>.</summary>
    public AnonVma? AnonVma;

    /// <summary>Linux: <c>anon_vma_chain</c>. Guarded by <see cref="MmStruct.MmapLock"/> and <see cref="MmStruct.PageTableLock"/>.</summary>
    public AnonVmaChain? AnonChain;

    /// <summary>Place in the file's interval tree of areas (<c>i_mmap</c>). Guarded by the <see cref="AddressSpace"/>'s lock; kept by Mapping alone.</summary>
    public RedBlackLinks<VmArea> SharedLinks;

    /// <summary>The highest page of the file that an area of the subtree maps. Guarded and kept as <see cref="SharedLinks"/>. Linux: <c>rb_subtree_last</c>.</summary>
    public ulong SharedSubtreeLast;

    /// <summary>The program that answers this area's faults, with a reference; null for none. Linux: <c>vm_userfaultfd_ctx</c>.</summary>
    public Faults.UserfaultContext? Userfault;

    /// <summary>Where its memory is to come from, with a reference; null for what the task says. Linux: <c>vm_policy</c>.</summary>
    public Numa.MemoryPolicy? Policy;

    public PageRange Range => new(Start, End);

    public ulong Bytes => End - Start;

    public PageCount Pages => new((End - Start) >> PageSize.Shift);

    /// <summary>Whether <paramref name="address"/> lies inside.</summary>
    public bool Contains(VirtAddr address) => address >= Start && address < End;

    public bool Has(VmFlags any) => (Flags & any) != 0;

    /// <summary>No file and no operations: demand-zero private memory. Linux: <c>vma_is_anonymous</c>.</summary>
    public bool IsAnonymous => Operations is null;

    /// <summary>The page of the file at <paramref name="address"/>. Linux: <c>linear_page_index</c>.</summary>
    public ulong PageIndexOf(VirtAddr address) => PageOffset + ((address - Start) >> PageSize.Shift);

    /// <summary>Where <see cref="Start"/> would be with the gap a stack must keep below it. Linux: <c>vm_start_gap</c>.</summary>
    public VirtAddr StartWithGap
    {
        get
        {
            if ((Flags & VmFlags.GrowsDown) == 0)
                return Start;
            ulong gap = Mm.System.StackGuardGapBytes;
            return Start.Value > gap ? Start - gap : VirtAddr.Zero;
        }
    }

    /// <summary>The stack that <c>execve</c> made, shown as <c>[stack]</c>. Linux: <c>vma_is_stack_for_current</c>'s test.</summary>
    public bool IsInitialStack => Start <= Mm.StartStack && End >= Mm.StartStack;

    /// <summary>The heap, shown as <c>[heap]</c>. Linux: <c>vma_is_initial_heap</c>.</summary>
    public bool IsInitialHeap => Start <= Mm.Break && End >= Mm.StartBreak;
}
