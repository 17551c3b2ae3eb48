using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>The kernel's half of the page tables: no page can be both written and executed, none be reached by user mode, all mms have the same.</summary>
/// <remarks>Intel SDM volume 3, 4.6: a right is there when every level grants it; "no execute" holds when any level says so. Linux: <c>ptdump_check_wx</c>.</remarks>
internal static class KernelTableCheck
{
    private const int LevelsBelowRoot = 3;

    public static void Run(MemorySystem system, ref MemoryReport report)
    {
        int levels = system.PagingLevels == 5 ? LevelsBelowRoot + 1 : LevelsBelowRoot;
        Table(system.Frames, system.InitMm.Root, KernelLayout.FirstKernelSlot, new Place(levels), ref report);

        var root = new PageTable<ulong>(system.InitMm.Root);
        for (MmStruct? mm = system.InitMm.NextMm; mm is not null; mm = mm.NextMm)
        {
            if (!system.Frames.IsRam(mm.Root))
                continue;                       // PageTableCheck has told
            var own = new PageTable<ulong>(mm.Root);
            for (int slot = KernelLayout.FirstKernelSlot; slot < PageSize.TableEntries; slot++)
            {
                // The processor notes a use in the entry of whom it used it for.
                const ulong used = (ulong)PteFlags.Accessed;
                if (!report.Unless((own[slot] | used) == (root[slot] | used), "an address space has a kernel's half of its own"u8, mm.Root))
                    break;
            }
        }
    }

    private static void Table(FrameAllocator frames, Pfn table, int firstSlot, Place place, ref MemoryReport report)
    {
        var entries = new PageTable<ulong>(table);
        for (int slot = firstSlot; slot < PageSize.TableEntries; slot++)
        {
            var entry = new Pmd(entries[slot]);             // all levels have one format
            if (entry.IsPresent)
                Entry(frames, entry, place.At(slot, entry), ref report);
        }
    }

    private static void Entry(FrameAllocator frames, Pmd entry, Place place, ref MemoryReport report)
    {
        report.KernelEntries++;
        Pfn pfn = entry.Pfn;
        if (place.Below > 0 && !entry.Has(PteFlags.Huge))
        {
            if (!report.Unless(frames.IsRam(pfn), "an entry names what is no page table"u8, pfn))
                return;
            if (frames[pfn].Has(FrameFlags.PageTable))
                report.Unless(frames[pfn].Found++ == 0, "a page table hangs in two places"u8, pfn);
            Table(frames, pfn, 0, place.Under(), ref report);
            return;
        }

        if (place.Address >= KernelLayout.Vmalloc && place.Address < KernelLayout.VmallocEnd && frames.IsRam(pfn) && frames[pfn].Has(FrameFlags.Vmalloc))
            report.Unless(frames[pfn].Found++ == 0, "a frame of vmalloc space is mapped there twice"u8, pfn);
        report.Unless(!place.IsUser, "user mode can reach a page of the kernel"u8, pfn);
        report.Unless(!place.IsWritable || place.IsNoExecute, "a page of the kernel can be written and executed"u8, pfn);
    }

    /// <summary>An entry's level and address, and what all entries from the root down to it grant.</summary>
    private readonly struct Place
    {
        /// <summary>Tables that can be below the entry.</summary>
        public readonly int Below;
        public readonly ulong Address;
        public readonly bool IsUser, IsWritable, IsNoExecute;

        public Place(int below)
            : this(below, ulong.MaxValue << (PageSize.Shift + 9 * (below + 1)), user: true, writable: true, noExecute: false)
        {
        }

        private Place(int below, ulong address, bool user, bool writable, bool noExecute)
        {
            Below = below;
            Address = address;
            IsUser = user;
            IsWritable = writable;
            IsNoExecute = noExecute;
        }

        /// <summary>An entry of the table that this is the place of.</summary>
        public Place At(int slot, Pmd entry) => new(Below, Address | ((ulong)slot << (PageSize.Shift + 9 * Below)),
            IsUser && entry.Has(PteFlags.User), IsWritable && entry.Has(PteFlags.Writable), IsNoExecute || entry.Has(PteFlags.NoExecute));

        /// <summary>The table that this entry names.</summary>
        public Place Under() => new(Below - 1, Address, IsUser, IsWritable, IsNoExecute);
    }
}
