using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Hal;

/// <summary>Finds all PCI devices: the root bus and those behind bridges, as firmware has numbered them.</summary>
internal sealed class PciBus
{
    private const ushort AddressPort = 0xcf8;
    private const ushort DataPort = 0xcfc;
    private const uint EnableAccess = 0x8000_0000;
    private const int Slots = 32;
    private const int Functions = 8;
    private const ushort NoVendor = 0xffff;
    private const byte MultiFunction = 0x80;
    private const byte BridgeHeader = 1;
    private const int MostBuses = 256;

    /// <summary>The two ports are one access.</summary>
    private SpinLock _lock;
    private PciDevice? _last;

    /// <summary>The devices found, linked by <see cref="PciDevice.Next"/>.</summary>
    public PciDevice? First { get; private set; }

    /// <summary>Looks at every place where a device can be. At boot.</summary>
    public void Scan() => ScanBus(0, 0);

    internal uint Read(int busNumber, int slot, int function, int offset)
    {
        using (_lock.Acquire())
        {
            Cpu.Out32(AddressPort, Address(busNumber, slot, function, offset));
            return Cpu.In32(DataPort);
        }
    }

    internal void Write(int busNumber, int slot, int function, int offset, uint value)
    {
        using (_lock.Acquire())
        {
            Cpu.Out32(AddressPort, Address(busNumber, slot, function, offset));
            Cpu.Out32(DataPort, value);
        }
    }

    private static uint Address(int busNumber, int slot, int function, int offset) =>
        EnableAccess | ((uint)busNumber << 16) | ((uint)slot << 11) | ((uint)function << 8) | ((uint)offset & 0xfc);

    private void ScanBus(int busNumber, int depth)
    {
        for (int slot = 0; slot < Slots; slot++)
        {
            if ((ushort)Read(busNumber, slot, 0, PciDevice.VendorOffset) == NoVendor)
                continue;
            byte header = (byte)(Read(busNumber, slot, 0, PciDevice.HeaderTypeOffset & ~3) >> 16);
            int functions = (header & MultiFunction) != 0 ? Functions : 1;
            for (int function = 0; function < functions; function++)
            {
                if ((ushort)Read(busNumber, slot, function, PciDevice.VendorOffset) == NoVendor)
                    continue;
                var device = new PciDevice(this, busNumber, slot, function);
                Append(device);
                bool isBridge = (device.Read8(PciDevice.HeaderTypeOffset) & ~MultiFunction) == BridgeHeader;
                int behind = isBridge ? device.Read8(PciDevice.SecondaryBusOffset) : 0;
                // Bridges that firmware has not set up lead nowhere; numbers only grow on the way down.
                if (behind > busNumber && depth < MostBuses)
                    ScanBus(behind, depth + 1);
            }
        }
    }

    private void Append(PciDevice device)
    {
        if (_last is null)
            First = device;
        else
            _last.Next = device;
        _last = device;
    }
}
