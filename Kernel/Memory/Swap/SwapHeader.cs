using System;
using NanoVm.Core;

namespace NanoVm.Memory.Swap;

/// <summary>The first page of a swap area, as <c>mkswap</c> writes it. Whoever wrote it may mean us harm: every number is checked.</summary>
/// <remarks>
/// Linux: <c>swap_header</c>, <c>read_swap_header</c>.
/// <code>
///   byte 1024   version (1)   1028  last page   1032  number of bad pages   1036  UUID, label, padding
///   byte 1536   numbers of bad pages …                                      4086  "SWAPSPACE2"
/// </code>
/// </remarks>
internal readonly ref struct SwapHeader
{
    private const int VersionAt = 1024, LastPageAt = 1028, BadCountAt = 1032, BadPagesAt = 1536, SignatureAt = 4096 - 10;

    /// <summary>Linux: <c>MAX_SWAP_BADPAGES</c>.</summary>
    private const int MaximumBad = (SignatureAt - BadPagesAt) / 4;

    private readonly ReadOnlySpan<byte> _page;
    private readonly bool _isSwapped;

    private SwapHeader(ReadOnlySpan<byte> page)
    {
        _page = page;
        // Written on a machine with the other byte order.
        _isSwapped = page[VersionAt] == 0 && page[VersionAt + 3] == 1;
    }

    /// <summary>The last page that belongs to the area; page 0 is this header.</summary>
    public uint LastPage => Word(LastPageAt);

    public int BadPages => (int)Word(BadCountAt);

    /// <summary>The number of a page that must not be used: 1 to <see cref="LastPage"/>.</summary>
    public uint BadPage(int number) => Word(BadPagesAt + number * 4);

    /// <param name="page">The first page of the area.</param>
    /// <param name="pages">Whole pages that there are.</param>
    /// <param name="mayHaveBad">A file has no bad pages: its file system would not use them.</param>
    /// <returns><see cref="Errno.EINVAL"/>.</returns>
    public static Errno Read(ReadOnlySpan<byte> page, ulong pages, bool mayHaveBad, out SwapHeader header)
    {
        header = new SwapHeader(page);
        uint last = header.LastPage, bad = header.Word(BadCountAt);
        if (!page[SignatureAt..].SequenceEqual("SWAPSPACE2"u8) || header.Word(VersionAt) != 1 || last == 0 || last >= pages || last >= int.MaxValue)
            return Errno.EINVAL;
        if (bad > MaximumBad || (bad != 0 && !mayHaveBad))
            return Errno.EINVAL;
        for (int i = 0; i < (int)bad; i++)
        {
            if (header.BadPage(i) == 0 || header.BadPage(i) > last)
                return Errno.EINVAL;
        }

        return Errno.None;
    }

    private uint Word(int at)
    {
        uint first = _page[at], second = _page[at + 1], third = _page[at + 2], fourth = _page[at + 3];
        return _isSwapped ? (first << 24) | (second << 16) | (third << 8) | fourth : (fourth << 24) | (third << 16) | (second << 8) | first;
    }
}
