using NanoVm.Core;

namespace NanoVm.Tests.Machine;

/// <summary>The software MMU: translates through the page tables in the machine's RAM, with a TLB that remembers until it is told to forget.</summary>
/// <remarks>
/// The TLB never evicts by itself. So a flush that the kernel owes shows: the old translation goes on working, and the test sees old
/// content or a write that should have faulted.
/// </remarks>
internal sealed unsafe partial class HostMachine
{
    private readonly record struct Translation(ulong Frame, bool Writable, bool User, bool NoExecute, ulong EntryAddress);

    private readonly Dictionary<ulong, Translation> _tlb = [];

    /// <summary>Called for a fault; returns whether the access shall be tried again. The test connects it to the kernel's handler.</summary>
    public Func<VirtAddr, PageFaultCode, bool>? FaultHandler;

    public ulong Faults;

    public void LoadRoot(Pfn root)
    {
        Root = root;
        FlushAllPages();
    }

    public void FlushPage(VirtAddr address)
    {
        TlbFlushes++;
        _tlb.Remove(address.PageDown().Value);
    }

    public void FlushAllPages()
    {
        TlbFlushes++;
        _tlb.Clear();
    }

    /// <summary>Reads or writes as a program in user mode.</summary>
    /// <returns>Bytes not done: not zero when a fault was not handled.</returns>
    public ulong AccessUser(VirtAddr address, Span<byte> data, bool write) => Access(address, data, write, user: true);

    /// <summary>Reads or writes user memory as the kernel's user copy.</summary>
    public ulong AccessKernel(VirtAddr address, Span<byte> data, bool write) => Access(address, data, write, user: false);

    private ulong Access(VirtAddr address, Span<byte> data, bool write, bool user)
    {
        int done = 0;
        while (done < data.Length)
        {
            VirtAddr at = address + (ulong)done;
            int part = (int)Math.Min((ulong)(data.Length - done), PageSize.Bytes - at.PageOffset);
            if (!TryTranslate(at, write, user, out PhysAddr physical))
                return (ulong)(data.Length - done);
            var ram = new Span<byte>(DirectMap.Pointer(physical), part);
            Span<byte> mine = data.Slice(done, part);
            if (write)
                mine.CopyTo(ram);
            else
                ram.CopyTo(mine);
            done += part;
        }

        return 0;
    }

    private bool TryTranslate(VirtAddr address, bool write, bool user, out PhysAddr physical)
    {
        for (int tries = 0; tries < 100; tries++)
        {
            if (Walk(address, write, user, out physical, out PageFaultCode code))
                return true;
            Faults++;
            if (FaultHandler is null || !FaultHandler(address, code))
                return false;
        }

        throw new InvalidOperationException($"the fault at {address.Value:x} comes again and again");
    }

    private bool Walk(VirtAddr address, bool write, bool user, out PhysAddr physical, out PageFaultCode code)
    {
        physical = default;
        code = (write ? PageFaultCode.Write : 0) | (user ? PageFaultCode.User : 0);
        ulong page = address.PageDown().Value;
        if (!_tlb.TryGetValue(page, out Translation found))
        {
            if (!Lookup(address, out found))
                return false;
        }

        if ((write && !found.Writable) || (user && !found.User))
        {
            code |= PageFaultCode.Present;
            _tlb.Remove(page);                              // a fault forgets the translation: SDM volume 3, 4.10.4.1
            return false;
        }

        ulong* entry = (ulong*)DirectMap.Pointer(new PhysAddr(found.EntryAddress));
        if (!_tlb.ContainsKey(page))
        {
            *entry |= (ulong)PteFlags.Accessed;
            _tlb[page] = found;
        }

        if (write && (*entry & (ulong)PteFlags.Present) != 0)
            *entry |= (ulong)PteFlags.Dirty;
        physical = new PhysAddr((found.Frame << PageSize.Shift) + address.PageOffset);
        return true;
    }

    private bool Lookup(VirtAddr address, out Translation found)
    {
        found = default;
        bool writable = true, user = true, noExecute = false;
        Pfn table = Root;
        for (int shift = 39; ; shift -= 9)
        {
            PhysAddr entryAddress = table.Address + (((address.Value >> shift) & 511) * 8);
            ulong entry = *(ulong*)DirectMap.Pointer(entryAddress);
            if ((entry & (ulong)PteFlags.Present) == 0)
                return false;
            writable &= (entry & (ulong)PteFlags.Writable) != 0;
            user &= (entry & (ulong)PteFlags.User) != 0;
            noExecute |= (entry & (ulong)PteFlags.NoExecute) != 0;
            table = new PhysAddr(entry & PageTableEntry.AddressMask).Pfn;
            if (shift == PageSize.Shift)
            {
                found = new Translation(table.Value, writable, user, noExecute, entryAddress.Value);
                return true;
            }
        }
    }
}
