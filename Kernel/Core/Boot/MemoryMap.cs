namespace NanoVm.Core.Boot;

/// <summary>The firmware's list of physical memory, read in place. Not sorted; entries may overlap, as firmware left them.</summary>
/// <remarks>Multiboot2 and PVH store the same 24 bytes for an entry, so one reader serves both.</remarks>
internal readonly unsafe struct MemoryMap(byte* first, uint stride, uint count)
{
    /// <summary>Walks the entries.</summary>
    public Enumerator GetEnumerator() => new(first, stride, count);

    /// <summary>The walk.</summary>
    public struct Enumerator(byte* first, uint stride, uint count)
    {
        private uint _index = uint.MaxValue;

        /// <summary>Goes to the next entry.</summary>
        public bool MoveNext() => ++_index < count;

        /// <summary>The entry it stands on.</summary>
        public readonly MemoryRegion Current
        {
            get
            {
                byte* entry = first + (ulong)_index * stride;
                ulong start = *(ulong*)entry;
                ulong length = *(ulong*)(entry + 8);
                // A length that wraps is firmware nonsense; what lies below the wrap is kept.
                ulong end = start + length < start ? ulong.MaxValue : start + length;
                return new MemoryRegion(new BootRange(start, end), (MemoryRegionKind)(*(uint*)(entry + 16)));
            }
        }
    }
}

/// <summary>One entry of the firmware's list.</summary>
internal readonly struct MemoryRegion(BootRange range, MemoryRegionKind kind)
{
    /// <summary>Which bytes.</summary>
    public readonly BootRange Range = range;

    /// <summary>What they are.</summary>
    public readonly MemoryRegionKind Kind = kind;
}

/// <summary>What a region is for: the numbers of ACPI's address ranges (ACPI 6.5, section 15). Others count as reserved.</summary>
internal enum MemoryRegionKind : uint
{
    /// <summary>Memory for us.</summary>
    Usable = 1,

    /// <summary>Firmware's or a device's.</summary>
    Reserved = 2,

    /// <summary>ACPI tables; memory for us once they have been read.</summary>
    AcpiReclaimable = 3,

    /// <summary>ACPI's own, to be kept.</summary>
    AcpiNvs = 4,

    /// <summary>Broken.</summary>
    Bad = 5,
}
