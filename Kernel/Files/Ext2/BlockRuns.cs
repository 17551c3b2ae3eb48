using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Ext2;

/// <summary>Joins blocks that lie side by side on the disk to requests as large as they can be.</summary>
/// <remarks>
/// <code>
///   file     [ 0 ][ 1 ][ 2 ][ 3 ][ 4 ]
///   disk      70   71   72   90   91        two requests: 70 to 72, and 90 to 91; memory that lies side by side is one segment
/// </code>
/// </remarks>
internal ref struct BlockRuns
{
    private readonly Span<BlockSegment> segments;
    private readonly BlockDevice disk;
    private readonly PageTransfer? transfer;
    private readonly BlockDirection direction;
    private int count;
    private ulong first;
    private ulong next;
    private Errno error;

    /// <param name="segments">Room for the segments of one request.</param>
    /// <param name="transfer">Hears of the end of each request; null: each is waited for.</param>
    public BlockRuns(Span<BlockSegment> segments, BlockDevice disk, PageTransfer? transfer, BlockDirection direction)
    {
        this.segments = segments;
        this.disk = disk;
        this.transfer = transfer;
        this.direction = direction;
    }

    public void Fail(Errno reason)
    {
        if (error == Errno.None)
            error = reason;
    }

    public void Add(ulong sector, PhysAddr memory, uint bytes)
    {
        if (count > 0 && sector == next)
        {
            BlockSegment last = segments[count - 1];
            if (last.Address + last.Bytes == memory)
            {
                segments[count - 1] = new BlockSegment(last.Address, last.Bytes + bytes);
                next += bytes >> BlockDevice.SectorShift;
                return;
            }
            if (count < segments.Length)
            {
                segments[count++] = new BlockSegment(memory, bytes);
                next += bytes >> BlockDevice.SectorShift;
                return;
            }
        }
        Flush();
        segments[0] = new BlockSegment(memory, bytes);
        count = 1;
        first = sector;
        next = sector + (bytes >> BlockDevice.SectorShift);
    }

    /// <summary>Sends what is left.</summary>
    /// <returns>The first failure; of requests that are not waited for only what came before them.</returns>
    public Errno Finish()
    {
        Flush();
        return error;
    }

    private void Flush()
    {
        if (count == 0)
            return;
        ReadOnlySpan<BlockSegment> run = segments[..count];
        count = 0;
        if (transfer is not null)
            transfer.Start(disk, first, run);
        else
            Fail(disk.Transfer(direction, first, run));
    }
}
