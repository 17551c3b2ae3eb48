namespace NanoVm.Memory.Physical;

/// <summary>Single free frames of a zone that one processor keeps for itself: last in, first out, still warm in its cache.</summary>
/// <remarks>Linux: <c>per_cpu_pages</c>. Touched by its processor only, interrupts off.</remarks>
internal struct PerCpuFrames
{
    /// <summary>Frames moved at a time from and to the buddy system.</summary>
    public const int Batch = 32;

    /// <summary>With more than that a batch goes back.</summary>
    public const int High = 128;

    /// <summary>The first frame, linked by <see cref="PageFrame.Next"/>.</summary>
    public uint First;
    public int Count;

    /// <summary>Padding to a cache line of its own.</summary>
    private ulong _pad0, _pad1, _pad2, _pad3, _pad4, _pad5, _pad6;
}
