using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tests.Machine;

/// <summary>The processor's memory management in software: walks the tables in RAM, sets accessed and dirty bits, and remembers translations.</summary>
/// <remarks>
/// Intel SDM volume 3, 4.6 to 4.10. The TLB here never forgets anything by itself, which a real one does: a flush that the kernel owes and
/// does not make is found at the next use, or by <see cref="CheckTlb"/> at the end of the operation that owed it. Kept apart are the
/// leaves and, for each 2 MiB, which last-level table was seen there (the paging-structure caches).
/// </remarks>
internal sealed unsafe partial class HostMachine
{
    private const ulong Present = 1, Writable = 2, User = 4, Accessed = 32, Dirty = 64, Huge = 128, NoExecute = 1UL << 63;
    private const ulong AddressBits = 0x000f_ffff_ffff_f000;

    /// <summary>A translation as the TLB keeps it: frame and the rights of all levels together.</summary>
    private readonly record struct Translation(ulong Frame, bool IsWritable, bool IsUser, bool IsExecutable, bool IsDirty, bool IsHuge = false);

    private readonly Dictionary<ulong, Translation> _tlb = [];
    private readonly Dictionary<ulong, ulong> _lastLevelTables = [];

    /// <summary>Blocks of 2 MiB of which translations of a large page may be remembered.</summary>
    private readonly HashSet<ulong> _hugeBlocks = [];

    /// <summary>4 or 5.</summary>
    public int Levels { get; init; } = 4;

    /// <summary>Translations found in the TLB and made by a walk.</summary>
    public ulong TlbHits { get; private set; }
    public ulong Walks { get; private set; }
    public ulong RootLoads { get; private set; }

    public void LoadRoot(Pfn root)
    {
        Root = root;
        RootLoads++;
        FlushAllPages();
    }

    public void FlushPage(VirtAddr address)
    {
        TlbFlushes++;
        // Of a large page everything goes, whichever part of it was named (SDM 4.10.4.1).
        if (_hugeBlocks.Remove(address.Value >> 21))
        {
            ulong first = address.Value >> 21 << 9;
            for (ulong page = first; page < first + 512; page++)
            {
                if (_tlb.TryGetValue(page, out Translation part) && part.IsHuge)
                    _tlb.Remove(page);
            }
        }

        _tlb.Remove(address.Value >> 12);
        _lastLevelTables.Clear();
    }

    public void FlushAllPages()
    {
        TlbFlushes++;
        _tlb.Clear();
        _hugeBlocks.Clear();
        _lastLevelTables.Clear();
    }

    /// <summary>One access by a program: the physical address, or what the processor would push with #PF.</summary>
    public PageFaultCode? Translate(VirtAddr address, Access access, bool user, out PhysAddr physical)
    {
        physical = default;
        ulong page = address.Value >> 12;
        if (_tlb.TryGetValue(page, out Translation cached) && !(access == Access.Write && cached.IsWritable && !cached.IsDirty))
        {
            TlbHits++;
            if (Refusal(cached, access, user) is { } refused)
            {
                _tlb.Remove(page);      // a fault forgets the translation that caused it: SDM 4.10.4.1
                return refused;
            }

            physical = new PhysAddr((cached.Frame << 12) + address.PageOffset);
            return null;
        }

        if (Walk(address, access, user, out Translation found) is { } fault)
            return fault;
        _tlb[page] = found;
        if (found.IsHuge)
            _hugeBlocks.Add(page >> 9);
        physical = new PhysAddr((found.Frame << 12) + address.PageOffset);
        return null;
    }

    private PageFaultCode? Walk(VirtAddr address, Access access, bool user, out Translation found)
    {
        Walks++;
        found = default;
        bool writable = true, forUser = true, executable = true;
        ulong table = Root.Value << 12;
        ulong* leaf = null;
        bool isHuge = false;
        for (int level = Levels; level >= 1; level--)
        {
            if (level == 1)
            {
                // The processor may use the table that it saw here before, without looking above.
                if (_lastLevelTables.TryGetValue(address.Value >> 21, out ulong seen))
                    table = seen;
                else
                    _lastLevelTables[address.Value >> 21] = table;
            }

            int index = (int)(address.Value >> (12 + 9 * (level - 1))) & 511;
            leaf = (ulong*)DirectMap.Pointer(new PhysAddr(table)) + index;
            ulong entry = *leaf;
            if ((entry & Present) == 0)
                return Code(access, user, PageFaultCode.None);
            if (level == 3 && (entry & Huge) != 0)
                throw new InvalidOperationException("a page of 1 GiB, which this machine does not know");
            isHuge = level == 2 && (entry & Huge) != 0;
            if (isHuge && (entry & AddressBits & (PageSize.LargeBytes - 1)) != 0)
                throw new InvalidOperationException("a large page that is not aligned: reserved bits are set");
            writable &= (entry & Writable) != 0;
            forUser &= (entry & User) != 0;
            executable &= (entry & NoExecute) == 0;
            table = entry & AddressBits;
            if (isHuge)
            {
                table += address.Value & (PageSize.LargeBytes - PageSize.Bytes);
                break;
            }

            if (level > 1)
                *leaf = entry | Accessed;
        }

        var translation = new Translation(table >> 12, writable, forUser, executable, access == Access.Write || (*leaf & Dirty) != 0, isHuge);
        if (Refusal(translation, access, user) is { } refused)
            return refused;
        *leaf |= access == Access.Write ? Accessed | Dirty : Accessed;
        found = translation;
        return null;
    }

    /// <summary>The access rights of SDM 4.6.1 with CR0.WP, EFER.NXE and SMEP on; the kernel's copies run with SMAP lifted.</summary>
    private static PageFaultCode? Refusal(Translation translation, Access access, bool user)
    {
        bool allowed = (!user || translation.IsUser)
            && (access != Access.Write || translation.IsWritable)
            && (access != Access.Execute || (translation.IsExecutable && (user || !translation.IsUser)));
        return allowed ? null : Code(access, user, PageFaultCode.Present);
    }

    private static PageFaultCode Code(Access access, bool user, PageFaultCode present)
        => present | (user ? PageFaultCode.User : 0) | (access == Access.Write ? PageFaultCode.Write : 0)
            | (access == Access.Execute ? PageFaultCode.InstructionFetch : 0);

    /// <summary>Every translation still remembered must be what the tables say now; else a flush is missing.</summary>
    public void CheckTlb()
    {
        foreach ((ulong page, Translation cached) in _tlb)
        {
            ulong table = Root.Value << 12;
            ulong rights = Writable | User;
            bool executable = true;
            for (int level = Levels; level >= 1; level--)
            {
                ulong entry = ((ulong*)DirectMap.Pointer(new PhysAddr(table)))[(int)(page >> (9 * (level - 1))) & 511];
                if ((entry & Present) == 0)
                    throw new InvalidOperationException($"page {page << 12:x} is no longer mapped but still in the TLB");
                rights &= entry;
                executable &= (entry & NoExecute) == 0;
                table = entry & AddressBits;
                bool isHuge = level == 2 && (entry & Huge) != 0;
                if (level == 2 && cached.IsHuge != isHuge)
                    throw new InvalidOperationException($"page {page << 12:x} is in the TLB with another size than its entry has");
                if (isHuge)
                {
                    table += (page & 511) << 12;
                    break;
                }
            }

            if (table >> 12 != cached.Frame)
                throw new InvalidOperationException($"page {page << 12:x} has another frame now, but the old one is still in the TLB");
            if ((cached.IsWritable && (rights & Writable) == 0) || (cached.IsExecutable && !executable))
                throw new InvalidOperationException($"page {page << 12:x} lost rights that the TLB still gives");
        }

        foreach ((ulong block, ulong seen) in _lastLevelTables)
        {
            ulong table = Root.Value << 12;
            for (int level = Levels; level >= 2; level--)
            {
                ulong entry = ((ulong*)DirectMap.Pointer(new PhysAddr(table)))[(int)(block >> (9 * (level - 2))) & 511];
                table = (entry & Present) != 0 ? entry & AddressBits : ulong.MaxValue;
                if (table == ulong.MaxValue)
                    break;
            }

            if (table != seen)
                throw new InvalidOperationException($"the table at {block << 21:x} was freed or replaced without a flush");
        }
    }
}
