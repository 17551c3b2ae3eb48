using System;

namespace NanoVm.Memory.Swap;

/// <summary>Slots that lie side by side on the disk.</summary>
/// <remarks>Linux: <c>swap_extent</c>. A device is one extent; a file has as many as its blocks have pieces.</remarks>
internal readonly struct SwapExtent(uint first, uint count, ulong sector)
{
    public readonly uint First = first;
    public readonly uint Count = count;
    public readonly ulong Sector = sector;

    /// <summary>The extent of a slot. They are in order and cover every slot that is used. O(log extents).</summary>
    public static ref readonly SwapExtent Find(ReadOnlySpan<SwapExtent> extents, ulong slot)
    {
        int low = 0, high = extents.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >> 1;
            if (extents[middle].First <= slot)
                low = middle;
            else
                high = middle - 1;
        }

        return ref extents[low];
    }
}
