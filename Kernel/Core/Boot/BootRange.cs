namespace NanoVm.Core.Boot;

/// <summary>Some bytes of physical memory; <see cref="End"/> lies outside.</summary>
internal readonly struct BootRange(PhysAddr start, PhysAddr end)
{
    /// <summary>Of the first byte.</summary>
    public readonly PhysAddr Start = start;

    /// <summary>Behind the last byte.</summary>
    public readonly PhysAddr End = end;

    /// <summary>From numbers as firmware and loaders write them.</summary>
    public BootRange(ulong start, ulong end) : this(new PhysAddr(start), new PhysAddr(end))
    {
    }

    /// <summary>Number of bytes.</summary>
    public ulong Length => End - Start;

    /// <summary>True when there is no byte in it.</summary>
    public bool IsEmpty => End <= Start;
}
