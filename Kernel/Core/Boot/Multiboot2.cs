namespace NanoVm.Core.Boot;

/// <summary>Reads the tags that GRUB hands over. Multiboot2 specification 2.0, section 3.6.</summary>
internal static unsafe class Multiboot2
{
    public const uint ModuleTag = 3;

    private const uint EndTag = 0;
    private const uint CommandLineTag = 1;
    private const uint MemoryMapTag = 6;
    private const uint FramebufferTag = 8;
    private const uint OldAcpiTag = 14;
    private const uint NewAcpiTag = 15;

    private const uint HeaderSize = 8;
    private const byte RgbFramebuffer = 1;

    /// <summary>Reads all tags.</summary>
    /// <param name="structure">Physical address of the information structure.</param>
    public static BootInfo Read(ulong structure)
    {
        byte* start = BootInfo.At(structure);
        byte* end = start + *(uint*)start;
        byte* next = start + HeaderSize;
        var info = new BootInfo
        {
            Protocol = BootProtocol.Multiboot2,
            Modules = new BootModules(BootProtocol.Multiboot2, next, end),
            LoaderData = new BootRange(structure, structure + *(uint*)start),
        };

        while (TryReadTag(ref next, end, out Tag tag))
        {
            switch (tag.Type)
            {
                case CommandLineTag:
                    info.CommandLineStart = tag.Address(8);
                    break;
                case MemoryMapTag:
                    uint stride = tag.ReadUInt32(8);
                    info.MemoryMap = new MemoryMap(tag.Address(16), stride, (tag.Size - 16) / stride);
                    break;
                case FramebufferTag when *tag.Address(29) == RgbFramebuffer:
                    info.Framebuffer = new BootFramebuffer(
                        tag.ReadUInt64(8), tag.ReadUInt32(16), tag.ReadUInt32(20), tag.ReadUInt32(24), *tag.Address(28));
                    break;
                case OldAcpiTag when info.AcpiRsdp == 0:
                case NewAcpiTag:
                    // The tag holds a copy; its address is as good as the original's.
                    info.AcpiRsdp = (ulong)tag.Address(8) - BootInfo.DirectMapBase;
                    break;
            }
        }
        return info;
    }

    /// <summary>Reads the tag at <paramref name="next"/> and goes behind it; false at the end.</summary>
    public static bool TryReadTag(ref byte* next, byte* end, out Tag tag)
    {
        tag = new Tag(next);
        if (next + HeaderSize > end || tag.Type == EndTag || tag.Size < HeaderSize)
            return false;
        next += (tag.Size + 7) & ~7u;
        return true;
    }

    /// <summary>A piece of information: type, size with this header, content.</summary>
    public readonly struct Tag(byte* start)
    {
        public uint Type => *(uint*)start;

        public uint Size => *(uint*)(start + 4);

        public byte* Address(uint offset) => start + offset;

        public uint ReadUInt32(uint offset) => *(uint*)(start + offset);

        public ulong ReadUInt64(uint offset) => *(ulong*)(start + offset);
    }
}
