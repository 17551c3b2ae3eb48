using System.Threading;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>Interrupts that a device sends as memory writes straight to a processor's local APIC: no lines, no sharing.</summary>
/// <remarks>PCI Local Bus Specification 3.0, 6.8.2; Intel SDM volume 3, 11.11.</remarks>
internal sealed unsafe class MsixTable
{
    private const int ControlOffset = 2;
    private const int TableOffset = 4;
    private const ushort EnableBit = 1 << 15;
    private const ushort MaskAllBit = 1 << 14;
    private const ushort SizeMask = 0x7ff;
    private const int EntryBytes = 16;
    private const ulong MessageAddress = 0xfee0_0000;
    private const int DestinationShift = 12;
    private const uint EntryMasked = 1;

    private readonly PciDevice _device;
    private readonly int _capability;
    private readonly uint* _entries;

    private MsixTable(PciDevice device, int capability, uint* entries)
    {
        _device = device;
        _capability = capability;
        _entries = entries;
    }

    /// <summary>The device's table, all entries masked; null when it has none.</summary>
    public static MsixTable? Find(PciDevice device, KernelTables tables)
    {
        int capability = device.FindCapability(PciDevice.CapabilityMsix);
        if (capability == 0)
            return null;
        int count = (device.Read16(capability + ControlOffset) & SizeMask) + 1;
        uint place = device.Read32(capability + TableOffset);
        if (!device.TryGetMemory((int)(place & 7), out PhysAddr address))
            return null;
        var entries = (uint*)tables.MapDevice(address + (place & ~7u), (ulong)(count * EntryBytes)).Value;
        for (int i = 0; i < count; i++)
            Volatile.Write(ref entries[i * 4 + 3], EntryMasked);
        return new MsixTable(device, capability, entries);
    }

    /// <summary>Sends entry <paramref name="index"/> to <paramref name="vector"/> of the processor with this APIC number.</summary>
    public void Route(int index, int vector, uint apicNumber)
    {
        uint* entry = _entries + index * 4;
        Volatile.Write(ref entry[0], (uint)MessageAddress | (apicNumber << DestinationShift));
        Volatile.Write(ref entry[1], 0);
        Volatile.Write(ref entry[2], (uint)vector);
        Volatile.Write(ref entry[3], 0);
    }

    public void Enable()
    {
        ushort control = _device.Read16(_capability + ControlOffset);
        _device.Write16(_capability + ControlOffset, (ushort)((control | EnableBit) & ~MaskAllBit));
    }
}
