using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Swap;

namespace NanoVm.Memory.Virtual;

/// <summary>Tells which pages are in memory: the <c>mincore</c> call.</summary>
/// <remarks>Linux: <c>do_mincore</c>.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>One byte a page from <paramref name="start"/> on, bit 0 set when the page is in memory, up to the end of its area.</summary>
    /// <param name="answer">As many bytes as pages are asked for, at most.</param>
    /// <returns>How many were filled; <see cref="Errno.ENOMEM"/> when there is no area at <paramref name="start"/>.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for reading.</remarks>
    public Result<int> Mincore(VirtAddr start, Span<byte> answer)
    {
        if (LookupVma(start) is not { } area)
            return Errno.ENOMEM;
        VirtAddr end = VirtAddr.Min(area.End, start + ((ulong)answer.Length << PageSize.Shift));
        int count = (int)((end - start) >> PageSize.Shift);
        answer = answer.Slice(0, count);

        if (area.File is { MayTellResidency: false })
        {
            answer.Fill(1);         // whose file it is not shall not learn what others have read
            return count;
        }

        AddressSpace? mapping = area.File?.Mapping;
        for (int i = 0; i < count; i++)
        {
            VirtAddr at = start + ((ulong)i << PageSize.Shift);
            Pte entry = ReadPte(at);
            bool resident = entry.IsMapped()
                || (entry.IsNone ? mapping is not null && mapping.IsResident(area.PageIndexOf(at)) : System.Swap!.IsResident(new SwapEntry(entry)));
            answer[i] = resident ? (byte)1 : (byte)0;
        }

        return count;
    }
}
