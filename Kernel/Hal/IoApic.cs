using System.Threading;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The chip that sends the interrupts of devices to processors.</summary>
/// <remarks>Intel 82093AA. Vectors and routes are set at boot and by drivers, one processor.</remarks>
/// <param name="registers">Where its page is mapped.</param>
/// <param name="firstInterrupt">The global number of its first input.</param>
internal sealed unsafe class IoApic(VirtAddr registers, uint firstInterrupt = 0)
{
    /// <summary>Where PCs have it.</summary>
    public static PhysAddr RegistersAddress => new(0xfec0_0000);

    private const int VersionRegister = 1;
    private const int FirstEntry = 0x10;
    private const uint Masked = 1 << 16;
    private const uint LevelTriggered = 1 << 15;
    private const uint ActiveLow = 1 << 13;

    private const ushort MasterPicData = 0x21;
    private const ushort SlavePicData = 0xa1;

    private readonly uint* _select = (uint*)registers.Value;
    private readonly uint* _window = (uint*)(registers.Value + 0x10);

    /// <summary>Silences the two 8259 chips of old and every input of this one.</summary>
    public void Enable()
    {
        Cpu.Out8(MasterPicData, 0xff);
        Cpu.Out8(SlavePicData, 0xff);
        uint last = (Read(VersionRegister) >> 16) & 0xff;
        for (uint input = 0; input <= last; input++)
            WriteEntry(input, Masked, 0);
    }

    /// <summary>Sends an ISA interrupt (edge, active high) to <paramref name="vector"/>.</summary>
    public void RouteIsa(uint interrupt, int vector, uint apicNumber) => WriteEntry(interrupt - firstInterrupt, (uint)vector, apicNumber);

    private void WriteEntry(uint input, uint low, uint apicNumber)
    {
        // First masked, so that no half of an entry is ever in use.
        Write(FirstEntry + (int)input * 2, Masked);
        Write(FirstEntry + (int)input * 2 + 1, apicNumber << 24);
        Write(FirstEntry + (int)input * 2, low);
    }

    private uint Read(int register)
    {
        Volatile.Write(ref *_select, (uint)register);
        return Volatile.Read(ref *_window);
    }

    private void Write(int register, uint value)
    {
        Volatile.Write(ref *_select, (uint)register);
        Volatile.Write(ref *_window, value);
    }
}
