using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>Where anonymous memory may get huge pages. Linux: <c>/sys/kernel/mm/transparent_hugepage/enabled</c>.</summary>
internal enum HugePageMode
{
    Never,
    /// <summary>Where a program asked for it with <c>madvise(MADV_HUGEPAGE)</c>.</summary>
    Madvise,
    Always,
}

/// <summary>How hard a fault tries to get 2 MiB in a piece. Linux: <c>/sys/kernel/mm/transparent_hugepage/defrag</c>.</summary>
internal enum HugePageEffort
{
    Always,
    Defer,
    DeferMadvise,
    Madvise,
    Never,
}

/// <summary>Whether memory may be mapped by huge pages: the machine's settings, the program's wishes, and the shape of the area.</summary>
/// <remarks>Linux: <c>hugepage_vma_check</c>, <c>vma_thp_gfp_mask</c>.</remarks>
internal sealed class HugePagePolicy
{
    public HugePageMode Mode = HugePageMode.Madvise;
    public HugePageEffort Effort = HugePageEffort.Madvise;

    /// <summary>Whether the first read of 2 MiB maps the huge page of zeros.</summary>
    public bool UseZeroPage = true;

    /// <summary>Takes the word of <c>transparent_hugepage=</c> on the command line; others change nothing.</summary>
    public void SetMode(ReadOnlySpan<byte> word)
    {
        if (word.SequenceEqual("always"u8))
            Mode = HugePageMode.Always;
        else if (word.SequenceEqual("madvise"u8))
            Mode = HugePageMode.Madvise;
        else if (word.SequenceEqual("never"u8))
            Mode = HugePageMode.Never;
    }

    /// <summary>Whether the settings and flags allow huge pages in <paramref name="area"/>, wherever they may fit.</summary>
    /// <param name="isAsked">The program asks for just this memory (<c>MADV_COLLAPSE</c>): the machine's settings do not count.</param>
    public bool Allows(VmArea area, bool isAsked = false)
    {
        const VmFlags refused = VmFlags.NoHugePage | VmFlags.Special | VmFlags.HugeTlb | VmFlags.Shared;
        if ((area.Flags & refused) != 0 || !area.IsAnonymous || area.Mm.IsThpDisabled)
            return false;
        return isAsked || Mode == HugePageMode.Always || (Mode == HugePageMode.Madvise && (area.Flags & VmFlags.HugePage) != 0);
    }

    /// <summary>Whether the 2 MiB around <paramref name="address"/> lie in <paramref name="area"/>. Linux: <c>transhuge_vma_suitable</c>.</summary>
    public static bool Fits(VmArea area, VirtAddr address)
    {
        VirtAddr block = address.AlignDown(PageSize.LargeBytes);
        return block >= area.Start && block + PageSize.LargeBytes <= area.End;
    }

    /// <summary><c>THPeligible</c> of <c>smaps</c>: allowed, and large enough for one.</summary>
    public bool IsEligible(VmArea area) => Allows(area) && area.Bytes >= PageSize.LargeBytes && Fits(area, area.End - PageSize.LargeBytes);

    /// <summary>How a fault in <paramref name="area"/> asks for the frames.</summary>
    /// <remarks>
    /// Without effort only a block that lies ready is taken. With it the single frames that wait on the processor's list are joined first; pages of
    /// others are not taken away for it, since there is no compaction that would make a block of what that frees.
    /// </remarks>
    public AllocationFlags FlagsFor(VmArea area, FrameAllocator frames)
    {
        bool isWished = (area.Flags & VmFlags.HugePage) != 0;
        if (Effort == HugePageEffort.Always || (isWished && Effort is HugePageEffort.Madvise or HugePageEffort.DeferMadvise))
            frames.DrainPerCpu();
        return AllocationFlags.NoReclaim;
    }
}
