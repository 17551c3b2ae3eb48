using System;
using NanoVm.Core;

namespace NanoVm.Files.Pipes;

/// <summary>A page of a pipe's contents and the part of it that is still to be read. Linux: <c>pipe_buffer</c>.</summary>
internal struct PipeBuffer
{
    /// <summary>The page.</summary>
    public Pfn Page;

    /// <summary>Where the unread bytes begin in the page.</summary>
    public ushort Offset;

    /// <summary>How many there are; never 0 for a buffer in the ring.</summary>
    public ushort Length;

    /// <summary>The bytes are one packet (<c>O_DIRECT</c>): a read takes this buffer alone, and nothing is appended to it.</summary>
    public bool IsPacket;

    /// <summary>The unread bytes.</summary>
    public readonly ReadOnlySpan<byte> Unread => DirectMap.Page(Page).Slice(Offset, Length);

    /// <summary>The free bytes behind them.</summary>
    public readonly Span<byte> Free => DirectMap.Page(Page).Slice(Offset + Length);
}
