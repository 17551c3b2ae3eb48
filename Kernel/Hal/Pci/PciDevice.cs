using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>One function of a device on the PCI bus, and access to its configuration space.</summary>
/// <remarks>PCI Local Bus Specification 3.0, chapter 6. Through the ports 0xcf8 and 0xcfc, under the bus's lock.</remarks>
internal sealed class PciDevice(PciBus bus, int busNumber, int slot, int function)
{
    public const int VendorOffset = 0x00;
    public const int DeviceOffset = 0x02;
    public const int CommandOffset = 0x04;
    public const int StatusOffset = 0x06;
    public const int ClassOffset = 0x08;
    public const int HeaderTypeOffset = 0x0e;
    public const int FirstBarOffset = 0x10;
    public const int SecondaryBusOffset = 0x19;
    public const int CapabilitiesOffset = 0x34;

    public const ushort CommandMemory = 1 << 1;
    public const ushort CommandBusMaster = 1 << 2;
    public const ushort CommandInterruptDisable = 1 << 10;
    private const ushort StatusHasCapabilities = 1 << 4;

    public const byte CapabilityVendor = 0x09;
    public const byte CapabilityMsix = 0x11;

    private const int Bars = 6;
    private const int MostCapabilities = 48;

    public readonly int BusNumber = busNumber;
    public readonly int Slot = slot;
    public readonly int Function = function;

    /// <summary>The next one that the bus found.</summary>
    public PciDevice? Next;

    public ushort Vendor => Read16(VendorOffset);

    public ushort Device => Read16(DeviceOffset);

    public uint Read32(int offset) => bus.Read(BusNumber, Slot, Function, offset);

    public ushort Read16(int offset) => (ushort)(Read32(offset & ~3) >> ((offset & 2) * 8));

    public byte Read8(int offset) => (byte)(Read32(offset & ~3) >> ((offset & 3) * 8));

    public void Write32(int offset, uint value) => bus.Write(BusNumber, Slot, Function, offset, value);

    public void Write16(int offset, ushort value)
    {
        int shift = (offset & 2) * 8;
        uint word = Read32(offset & ~3);
        if ((offset & ~3) == CommandOffset)
            word &= 0xffff;                                  // the status bits beside the command are cleared by writing ones
        Write32(offset & ~3, (word & ~(0xffffu << shift)) | ((uint)value << shift));
    }

    /// <summary>The capability with this number after <paramref name="after"/> (0: the first one); 0 when there is none.</summary>
    public int FindCapability(byte id, int after = 0)
    {
        if ((Read16(StatusOffset) & StatusHasCapabilities) == 0)
            return 0;
        int at = after == 0 ? Read8(CapabilitiesOffset) : Read8(after + 1);
        for (int count = 0; at >= 0x40 && count < MostCapabilities; count++)
        {
            at &= ~3;
            if (Read8(at) == id)
                return at;
            at = Read8(at + 1);
        }
        return 0;
    }

    /// <summary>Where a memory window of the device lies.</summary>
    /// <returns>False when the register is not one, or firmware has given it no address.</returns>
    public bool TryGetMemory(int bar, out PhysAddr address)
    {
        address = default;
        if (bar is < 0 or >= Bars)
            return false;
        uint low = Read32(FirstBarOffset + bar * 4);
        if ((low & 1) != 0)
            return false;                                    // ports
        ulong value = low & ~0xfu;
        bool wide = (low & 6) == 4;
        if (wide && bar + 1 < Bars)
            value |= (ulong)Read32(FirstBarOffset + (bar + 1) * 4) << 32;
        address = new PhysAddr(value);
        return value != 0;
    }

    /// <summary>Lets the device answer to memory accesses and reach memory itself; its interrupt line stays silent.</summary>
    public void Enable()
    {
        ushort command = Read16(CommandOffset);
        Write16(CommandOffset, (ushort)(command | CommandMemory | CommandBusMaster | CommandInterruptDisable));
    }
}
