namespace NanoVm.Core;

/// <summary>The size of a page and of the larger leaves, in bytes.</summary>
/// <remarks>Linux: <c>PAGE_SHIFT</c>, <c>PAGE_SIZE</c>, <c>PAGE_MASK</c>. Intel SDM volume 3, 4.5.</remarks>
internal static class PageSize
{
    public const int Shift = 12;
    public const ulong Bytes = 1UL << Shift;
    /// <summary>The bits of an address inside its page.</summary>
    public const ulong Mask = Bytes - 1;

    public const int LargeShift = 21;
    /// <summary>What one <see cref="Pmd"/> covers: 2 MiB.</summary>
    public const ulong LargeBytes = 1UL << LargeShift;

    public const int HugeShift = 30;
    /// <summary>What one <see cref="Pud"/> covers: 1 GiB.</summary>
    public const ulong HugeBytes = 1UL << HugeShift;

    /// <summary>Entries in one table of any level.</summary>
    public const int TableEntries = 512;
}
