namespace NanoVm.Core.Boot;

/// <summary>Some bytes of physical memory; <see cref="End"/> lies outside.</summary>
public readonly struct BootRange(ulong start, ulong end)
{
    /// <summary>Physical address of the first byte.</summary>
    public readonly ulong Start = start;

    /// <summary>Physical address behind the last byte.</summary>
    public readonly ulong End = end;

    /// <summary>Number of bytes.</summary>
    public ulong Length => End - Start;

    /// <summary>True when there is no byte in it.</summary>
    public bool IsEmpty => End <= Start;
}
