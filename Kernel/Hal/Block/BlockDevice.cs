using System;
using NanoVm.Core;

namespace NanoVm.Hal;

internal enum BlockDirection
{
    Read,
    Write,
}

/// <summary>Memory that takes part in a transfer: physically contiguous, a multiple of <see cref="BlockDevice.SectorBytes"/>.</summary>
internal readonly struct BlockSegment(PhysAddr address, uint bytes)
{
    public readonly PhysAddr Address = address;
    public readonly uint Bytes = bytes;
}

/// <summary>A transfer that nobody sleeps for; the owner keeps the object until <see cref="Completed"/>.</summary>
/// <remarks>Linux: <c>bio</c> with <c>bi_end_io</c>.</remarks>
internal abstract class BlockRequest
{
    /// <summary>Called once from the device's interrupt, interrupts off: may wake, not sleep.</summary>
    /// <param name="error"><see cref="Errno.None"/> or <see cref="Errno.EIO"/>.</param>
    public abstract void Completed(Errno error);
}

/// <summary>A disk or a part of one: sectors of 512 bytes. Linux: <c>block_device</c>, <c>gendisk</c>.</summary>
internal abstract class BlockDevice
{
    public const int SectorShift = 9;
    public const int SectorBytes = 1 << SectorShift;

    /// <summary>As in /dev: <c>vda</c>, <c>vda1</c>.</summary>
    public abstract ReadOnlySpan<byte> Name { get; }

    /// <summary>The device number that its node in /dev carries; given by who makes the node.</summary>
    public ulong Number { get; set; }

    public abstract ulong SectorCount { get; }

    public virtual bool IsReadOnly => false;

    /// <summary>The most segments that one <see cref="Submit"/> takes; <see cref="Transfer"/> takes any number.</summary>
    public abstract int MaximumSegments { get; }

    /// <summary>The next device of whoever lists them.</summary>
    public BlockDevice? Next;

    /// <summary>Whether pages are swapped to the device itself: nobody else may write there.</summary>
    public bool IsSwap;

    private bool _isClaimed;
    private int _claimedParts;

    /// <summary>The disk that this one is a part of, or null.</summary>
    protected virtual BlockDevice? Container => null;

    /// <summary>Takes the device for a file system or for swap. Linux: <c>bd_prepare_to_claim</c>.</summary>
    /// <returns>False when it, a part of it or the disk that it is a part of is taken.</returns>
    public bool TryClaim()
    {
        if (_isClaimed || _claimedParts > 0 || Container is { _isClaimed: true })
            return false;
        _isClaimed = true;
        if (Container is { } disk)
            disk._claimedParts++;
        return true;
    }

    public void ReleaseClaim()
    {
        _isClaimed = false;
        if (Container is { } disk)
            disk._claimedParts--;
    }

    /// <summary>Transfers since boot, for <c>/proc/diskstats</c>: requests and sectors.</summary>
    public ulong Reads, Writes, SectorsRead, SectorsWritten;

    /// <summary>Moves sectors and sleeps until it is done. During boot, with interrupts off, it waits without sleeping.</summary>
    /// <param name="sector">The first one, in units of <see cref="SectorBytes"/>.</param>
    /// <returns>
    /// <see cref="Errno.EIO"/> when the device failed or the range leaves it; <see cref="Errno.EROFS"/> for a write to a device that only
    /// reads. What was moved before a failure is not told.
    /// </returns>
    public abstract Errno Transfer(BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory);

    /// <summary>Starts a transfer; <paramref name="request"/> hears of its end. May sleep until the device has room.</summary>
    /// <returns>An error when nothing was started: then the request hears nothing.</returns>
    public abstract Errno Submit(BlockRequest request, BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory);

    /// <summary>Returns when all that was written before is on the medium.</summary>
    public virtual Errno Flush() => Errno.None;

    /// <summary>Whether the sectors lie on the device.</summary>
    protected Errno Check(BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
    {
        if (direction == BlockDirection.Write && IsReadOnly)
            return Errno.EROFS;
        ulong bytes = 0;
        foreach (BlockSegment segment in memory)
        {
            if (segment.Bytes == 0 || (segment.Bytes & (SectorBytes - 1)) != 0)
                return Errno.EIO;
            bytes += segment.Bytes;
        }
        ulong sectors = bytes >> SectorShift;
        return sectors > SectorCount || sector > SectorCount - sectors ? Errno.EIO : Errno.None;
    }

    protected void Count(BlockDirection direction, ReadOnlySpan<BlockSegment> memory)
    {
        ulong sectors = 0;
        foreach (BlockSegment segment in memory)
            sectors += segment.Bytes >> SectorShift;
        if (direction == BlockDirection.Read)
        {
            Reads++;
            SectorsRead += sectors;
        }
        else
        {
            Writes++;
            SectorsWritten += sectors;
        }
    }
}
