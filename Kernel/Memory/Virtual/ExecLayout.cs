using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Where <c>execve</c> puts the parts of a program.</summary>
/// <remarks>
/// Linux: <c>arch_pick_mmap_layout</c>, <c>randomize_stack_top</c>, <c>setup_arg_pages</c>, <c>arch_randomize_brk</c>, <c>ELF_ET_DYN_BASE</c>.
/// <code>
///   0          PieBase        heap →            ← mappings       MmapBase      stack limit + gap      ← stack    top
///   |           [ program ]...[ brk ]              [ libs ][ld.so]|                                   [ stack ] ~|
///               + random       + random                          - random                                        - random
/// </code>
/// How <c>execve</c> uses it: <see cref="AllocateForExec"/>; <see cref="SetupStack"/>; write strings with <see cref="AccessRemote"/>, which lets
/// the stack grow; map segments with <see cref="DoMmap(in MmapRequest)"/> and <see cref="MapBss"/>; <see cref="PlaceHeap"/>; <see cref="FinishStack"/>;
/// then <see cref="SwitchMm.Adopt"/>.
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Pages that the stack gets beyond its strings: 128 KiB. Linux: <c>stack_expand</c>.</summary>
    private const ulong InitialStackBytes = 131_072;

    private const int MmapRandomBits = 28;
    private const ulong StackRandomPages = 0x3f_ffff;

    /// <summary>A new address space with its layout chosen.</summary>
    /// <param name="stackLimit">The soft RLIMIT_STACK of the program.</param>
    /// <param name="legacy">Personality ADDR_COMPAT_LAYOUT: mappings go upwards.</param>
    /// <param name="randomize">False with personality ADDR_NO_RANDOMIZE; <see cref="MemorySystem.RandomizeVaSpace"/> is looked at here.</param>
    /// <returns>Null when there is no memory.</returns>
    public static MmStruct? AllocateForExec(MemorySystem system, ulong stackLimit, bool legacy, bool randomize)
    {
        if (Allocate(system) is not { } mm)
            return null;
        mm.Randomize = randomize && system.RandomizeVaSpace != 0;
        mm.PickMmapLayout(stackLimit, legacy);
        return mm;
    }

    private void PickMmapLayout(ulong stackLimit, bool legacy)
    {
        ulong window = UserSpace.End;           // with five levels, too: only who asks is put above
        ulong random = RandomPages(MmapRandomBits);
        MmapLegacyBase = new VirtAddr(((window / 3) + PageSize.Mask & ~PageSize.Mask) + random);

        ulong gap = stackLimit;
        ulong pad = (Randomize ? StackRandomPages << PageSize.Shift : 0) + System.StackGuardGapBytes;
        if (gap + pad > gap)
            gap += pad;
        const ulong least = 128UL << 20;
        ulong most = window / 6 * 5;
        gap = gap < least ? least : gap > most ? most : gap;
        MmapBase = new VirtAddr(window - gap - random).PageUp();
        LegacyLayout = legacy || stackLimit == ResourceLimits.Infinity;
        if (LegacyLayout)
            MmapBase = MmapLegacyBase;
    }

    /// <summary>Makes the stack: one page below its (random) top; it grows as it is written.</summary>
    /// <param name="executable">PT_GNU_STACK asks for it.</param>
    public Errno SetupStack(bool executable, out VirtAddr top)
    {
        top = UserSpace.EndAddress;
        if (Randomize)
            top -= (Random.Next() & StackRandomPages) << PageSize.Shift;
        var range = new PageRange(top - PageSize.Bytes, top);
        VmFlags flags = VmFlags.Stack | DefaultFlags | (executable ? VmFlags.Execute : VmFlags.None);

        MmapLock.WriteLock();
        Errno error = System.Commit(this, 1);
        if (error == Errno.None)
        {
            if (AllocateArea(range, flags, range.Start.Value >> PageSize.Shift) is { } area)
            {
                ProtectionMap.Apply(area);
                LinkArea(area);
                AccountVm(flags, 1);
                StartStack = top;
            }
            else
            {
                System.Uncommit(1);
                error = Errno.ENOMEM;
            }
        }

        MmapLock.WriteUnlock();
        return error;
    }

    /// <summary>Gives the stack its first 128 KiB, as far as RLIMIT_STACK goes. Linux: the end of <c>setup_arg_pages</c>.</summary>
    public Errno FinishStack()
    {
        MmapLock.WriteLock();
        Errno error = Errno.EFAULT;
        if (Areas.Last is { } area && (area.Flags & VmFlags.GrowsDown) != 0)
        {
            ulong limit = TaskMemory.Current.Limits.Soft(Resource.Stack) & ~PageSize.Mask;
            ulong bytes = area.Bytes + InitialStackBytes;
            if (bytes > limit)
                bytes = limit > area.Bytes ? limit : area.Bytes;
            error = ExpandStack(area, area.End - bytes);
        }

        MmapLock.WriteUnlock();
        return error;
    }

    /// <summary>A little more randomness below the strings. Linux: <c>arch_align_stack</c>.</summary>
    public VirtAddr AlignStack(VirtAddr pointer)
    {
        if (Randomize)
            pointer -= Random.Next() % 8192;
        return pointer.AlignDown(16);
    }

    /// <summary>Where a position-independent program with an interpreter is loaded.</summary>
    /// <param name="alignment">The largest alignment of its segments, a power of two.</param>
    public VirtAddr PieBase(ulong alignment)
    {
        ulong at = UserSpace.End / 3 * 2 + RandomPages(MmapRandomBits);
        return new VirtAddr(at & ~(alignment < PageSize.Bytes ? PageSize.Mask : alignment - 1));
    }

    /// <summary>Starts the heap at or behind the end of the data.</summary>
    /// <param name="end">The end of the last segment, bss included.</param>
    /// <param name="isLoader">A position-independent program without interpreter lies among the mappings; its heap goes where programs go.</param>
    public void PlaceHeap(VirtAddr end, bool isLoader)
    {
        VirtAddr start = end.PageUp();
        if (Randomize && System.RandomizeVaSpace > 1)
        {
            if (isLoader)
                start = new VirtAddr(UserSpace.End / 3 * 2).PageDown();
            start = RandomPage(start, 0x0200_0000);
        }

        StartBreak = start;
        Break = start;
    }

    /// <summary>A random page inside <paramref name="range"/> bytes from <paramref name="start"/>. Linux: <c>randomize_page</c>.</summary>
    private static VirtAddr RandomPage(VirtAddr start, ulong range)
    {
        start = start.PageUp();
        ulong pages = range >> PageSize.Shift;
        return pages == 0 ? start : start + ((Random.Next() % pages) << PageSize.Shift);
    }

    private ulong RandomPages(int bits) => Randomize ? (Random.Next() & ((1UL << bits) - 1)) << PageSize.Shift : 0;
}
