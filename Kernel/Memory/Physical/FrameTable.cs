using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>The array of frame descriptors.</summary>
/// <remarks>
/// Linux: <c>vmemmap</c>. Descriptors exist for every block of <see cref="BlockFrames"/> frames that holds any RAM, so the buddy of
/// a block always has one; elsewhere the array is not mapped. Pointers into it are sound: the array never moves.
/// </remarks>
internal readonly unsafe struct FrameTable(PageFrame* first)
{
    /// <summary>Log2 of the largest block that the buddy system keeps. Linux: <c>MAX_ORDER</c>.</summary>
    public const int MaxOrder = 10;

    /// <summary>Frames of the largest block: 4 MiB.</summary>
    public const ulong BlockFrames = 1UL << MaxOrder;

    private readonly PageFrame* _first = first;

    /// <summary>The descriptor of a frame of RAM.</summary>
    public ref PageFrame this[Pfn pfn]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _first[pfn.Value];
    }

    /// <summary>The descriptor of a frame that a list's link names.</summary>
    public ref PageFrame this[uint link]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _first[link];
    }
}
