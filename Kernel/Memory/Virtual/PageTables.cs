using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>The tables of an address space: the way down to a page's entry, and new tables where there are none.</summary>
/// <remarks>
/// Linux: <c>pgd_offset</c> … <c>pte_offset</c>, <c>p4d_alloc</c> … <c>pte_alloc</c>. Intel SDM volume 3, 4.5. Everybody who changes an
/// entry gets its table from here (or from <see cref="PteTableWalk"/>), so that tables shared copy-on-write after a fork could be unshared
/// in one place.
/// <code>
///   Root ─► [P4d] ─► [Pud] ─► [Pmd] ─► [Pte] ─► page        four levels: 9 bits of the address each, 12 for the byte
///   Root ─► [Pgd] ─► [P4d] ─► …                             five levels: with four, Pgd is folded into P4d
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>The top-level table: zeros below, the kernel's entries above, which are the same in every address space for ever.</summary>
    private bool AllocateRoot()
    {
        if (System.Physical.Failures.ShouldFail(FailureKinds.Tables)
            || System.Frames.Allocate(0, AllocationFlags.Zeroed, out Root) != Errno.None)
        {
            return false;
        }

        var mine = new PageTable<ulong>(Root);
        var kernels = new PageTable<ulong>(System.InitMm.Root);
        for (int slot = KernelLayout.FirstKernelSlot; slot < PageSize.TableEntries; slot++)
            mine[slot] = kernels[slot];
        PageTablePages = 1;
        System.PageTablePages++;
        System.Statistics.Count(VmCounter.PageTablesAllocated);
        return true;
    }

    private void FreeRoot()
    {
        if (PageTablePages != 1)
            Panic.Now("an address space ends with page tables left over"u8);
        PageTablePages = 0;
        System.PageTablePages--;
        System.Statistics.Count(VmCounter.PageTablesFreed);
        System.Frames.Put(Root);
    }

    /// <summary>The entry that leads to the <see cref="Pud"/> table for <paramref name="address"/>; the null reference when a table above is missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ref P4d P4dOf(VirtAddr address)
    {
        Pfn table = Root;
        if (System.PagingLevels == 5)
        {
            Pgd top = new PageTable<Pgd>(Root)[TopIndexOf(address)];
            if (!top.IsPresent)
                return ref Unsafe.NullRef<P4d>();
            table = top.Pfn;
        }

        return ref new PageTable<P4d>(table)[P4d.IndexOf(address)];
    }

    /// <summary>The slot of a five-level top table.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int TopIndexOf(VirtAddr address) => (int)(address.Value >> 48) & (PageSize.TableEntries - 1);

    /// <summary>The table of the last level for <paramref name="address"/>.</summary>
    /// <returns>False when no page near the address was ever touched.</returns>
    internal bool TryFindPte(VirtAddr address, out PageTable<Pte> table)
    {
        table = default;
        ref P4d p4d = ref P4dOf(address);
        if (Unsafe.IsNullRef(ref p4d) || !p4d.IsPresent)
            return false;
        Pud pud = new PageTable<Pud>(p4d.Pfn)[Pud.IndexOf(address)];
        if (!pud.IsPresent)
            return false;
        Pmd pmd = new PageTable<Pmd>(pud.Pfn)[Pmd.IndexOf(address)];
        if (!pmd.IsTable)
            return false;
        table = new PageTable<Pte>(pmd.Pfn);
        return true;
    }

    /// <summary>The entry of a page, for one who only looks; of a page inside a 2 MiB page, what its entry would be if that were split.</summary>
    internal Pte ReadPte(VirtAddr address)
    {
        if (TryFindPte(address, out PageTable<Pte> table))
            return table[Pte.IndexOf(address)];
        return TryFindPmd(address, out PmdPlace place) && place.Entry.IsHuge ? place.Entry.ToPte(Pte.IndexOf(address)) : default;
    }

    /// <summary>The table of the last level for <paramref name="address"/>, made with all above it where it is missing.</summary>
    /// <returns>False when there is no memory, or a 2 MiB page is in the way; tables made on the way stay and are freed with their range.</returns>
    /// <remarks>Linux: <c>__pte_alloc</c> and its four fellows.</remarks>
    internal bool TryAllocatePte(VirtAddr address, out PageTable<Pte> table)
    {
        table = default;
        if (!TryAllocatePmd(address, out PmdPlace place))
            return false;
        ref Pmd pmd = ref place.Entry;
        if (!pmd.IsTable && (pmd.IsHuge || !TryAddTable(ref Unsafe.As<Pmd, ulong>(ref pmd)) || !pmd.IsTable))
            return false;
        table = new PageTable<Pte>(pmd.Pfn);
        return true;
    }

    /// <summary>The entry of the second level for <paramref name="address"/>.</summary>
    /// <returns>False when a table above is missing.</returns>
    internal bool TryFindPmd(VirtAddr address, out PmdPlace place)
    {
        place = default;
        ref P4d p4d = ref P4dOf(address);
        if (Unsafe.IsNullRef(ref p4d) || !p4d.IsPresent)
            return false;
        Pud pud = new PageTable<Pud>(p4d.Pfn)[Pud.IndexOf(address)];
        if (!pud.IsPresent)
            return false;
        place = new PmdPlace(pud.Pfn, Pmd.IndexOf(address));
        return true;
    }

    /// <summary>The entry of the second level for <paramref name="address"/>, with the tables above it made where they are missing.</summary>
    /// <returns>False when there is no memory.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryAllocatePmd(VirtAddr address, out PmdPlace place)
    {
        place = default;
        Pfn p4dTable = Root;
        if (System.PagingLevels == 5)
        {
            ref Pgd top = ref new PageTable<Pgd>(Root)[TopIndexOf(address)];
            if (!top.IsPresent && !TryAddTable(ref Unsafe.As<Pgd, ulong>(ref top)))
                return false;
            p4dTable = top.Pfn;
        }

        ref P4d p4d = ref new PageTable<P4d>(p4dTable)[P4d.IndexOf(address)];
        if (!p4d.IsPresent && !TryAddTable(ref Unsafe.As<P4d, ulong>(ref p4d)))
            return false;
        ref Pud pud = ref new PageTable<Pud>(p4d.Pfn)[Pud.IndexOf(address)];
        if (!pud.IsPresent && !TryAddTable(ref Unsafe.As<Pud, ulong>(ref pud)))
            return false;
        place = new PmdPlace(pud.Pfn, Pmd.IndexOf(address));
        return true;
    }

    /// <summary>Hangs a new, empty table below <paramref name="entry"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryAddTable(ref ulong entry)
    {
        if (System.Physical.Failures.ShouldFail(FailureKinds.Tables)
            || System.Frames.Allocate(0, AllocationFlags.Zeroed, out Pfn table) != Errno.None)
        {
            return false;
        }

        bool enabled = PageTableLock.AcquireRaw();
        if (entry == 0)
        {
            CountTable(table);
            entry = Pmd.UserTable(table).Value;
            table = Pfn.None;
        }

        PageTableLock.ReleaseRaw(enabled);
        if (!table.IsNone)
            System.Frames.Put(table);       // another thread was faster while we allocated
        return true;
    }

    /// <summary>A frame becomes a table of this address space. Under <see cref="PageTableLock"/>.</summary>
    private void CountTable(Pfn table)
    {
        System.Frames[table].Flags |= FrameFlags.PageTable;
        PageTablePages++;
        System.PageTablePages++;
        System.Statistics.Count(VmCounter.PageTablesAllocated);
    }
}
