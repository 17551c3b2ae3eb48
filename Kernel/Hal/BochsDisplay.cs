using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The registers of QEMU's standard VGA: which picture its memory is.</summary>
/// <remarks>
/// QEMU's docs/specs/standard-vga: an index port and a data port ("Bochs dispi interface"). The old VGA registers beside them matter only for
/// blanking. Callers take care that there is one caller at a time.
/// </remarks>
internal sealed class BochsDisplay
{
    private const ushort IndexPort = 0x1ce;
    private const ushort DataPort = 0x1cf;

    private const ushort Id = 0;
    private const ushort Width = 1;
    private const ushort Height = 2;
    private const ushort BitsPerPixel = 3;
    private const ushort Enable = 4;
    private const ushort VirtualWidth = 6;
    private const ushort OffsetX = 8;
    private const ushort OffsetY = 9;
    private const ushort MemoryUnits = 10;

    /// <summary>The first identification with a linear framebuffer of 32 bits a pixel; the low digit counts up.</summary>
    private const ushort OldestId = 0xb0c2;
    private const ushort NewestId = 0xb0cf;

    private const ushort Enabled = 0x01;
    private const ushort LinearFramebuffer = 0x40;
    private const int MemoryUnitShift = 16;                  // 64 KiB

    private const ushort AttributePort = 0x3c0;
    private const ushort InputStatusPort = 0x3da;
    private const byte AttributeShowsPicture = 0x20;

    private const ushort Vendor = 0x1234;
    private const ushort Device = 0x1111;

    private BochsDisplay(PhysAddr memory, ulong memoryBytes)
    {
        Memory = memory;
        MemoryBytes = memoryBytes;
    }

    /// <summary>Where the picture lies.</summary>
    public PhysAddr Memory { get; }

    public ulong MemoryBytes { get; }

    /// <summary>The machine's display of this kind; null when it has none. After <see cref="PciBus.Scan"/>.</summary>
    public static BochsDisplay? Find(PciBus bus)
    {
        for (PciDevice? device = bus.First; device is not null; device = device.Next)
        {
            if (device.Vendor != Vendor || device.Device != Device || !device.TryGetMemory(0, out PhysAddr memory))
                continue;
            ushort id = Read(Id);
            ulong bytes = (ulong)Read(MemoryUnits) << MemoryUnitShift;
            if (id is < OldestId or > NewestId || bytes == 0)
                return null;
            device.Enable();
            return new BochsDisplay(memory, bytes);
        }

        return null;
    }

    /// <summary>Shows a picture of this size, its upper left corner at the memory's first byte. The device clears what it shows.</summary>
    /// <param name="virtualWidth">Pixels from one line to the next, a multiple of 8.</param>
    public void SetMode(uint width, uint height, uint virtualWidth, uint bitsPerPixel)
    {
        Write(Enable, 0);
        Write(Width, (ushort)width);
        Write(Height, (ushort)height);
        Write(BitsPerPixel, (ushort)bitsPerPixel);
        Write(Enable, Enabled | LinearFramebuffer);
        Write(VirtualWidth, (ushort)virtualWidth);
        Write(OffsetX, 0);
        Write(OffsetY, 0);
        Blank(false);                                        // the firmware of a machine started by -kernel may not have turned it on
    }

    /// <summary>The part of the picture that is seen begins at this pixel.</summary>
    public void Pan(uint x, uint y)
    {
        Write(OffsetX, (ushort)x);
        Write(OffsetY, (ushort)y);
    }

    /// <summary>Shows black instead of the picture, or the picture again.</summary>
    public void Blank(bool black)
    {
        _ = Cpu.In8(InputStatusPort);                        // the attribute port takes an index next, not a value
        Cpu.Out8(AttributePort, black ? (byte)0 : AttributeShowsPicture);
    }

    private static ushort Read(ushort register)
    {
        Cpu.Out16(IndexPort, register);
        return Cpu.In16(DataPort);
    }

    private static void Write(ushort register, ushort value)
    {
        Cpu.Out16(IndexPort, register);
        Cpu.Out16(DataPort, value);
    }
}
