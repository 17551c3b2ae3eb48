using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Ext2;

/// <summary><c>O_DIRECT</c>: between the disk and the program's own memory, past the page cache.</summary>
/// <remarks>
/// Linux: <c>iomap_dio_rw</c> as ext4 uses it for an ext2. Position, lengths and addresses are multiples of the disk's sectors, else EINVAL. All ways
/// to the file see each other's data: what is dirty in the cache is written before, and what a write passes by is thrown out of the cache
/// and of all mappings, before and after.
/// <code>
///   write    blocks of the file ── straight from user memory
///            holes, and the last part of a block behind the end ── through the cache, then written and thrown out
///   read     blocks ── straight to user memory      holes ── zeros      end of the file ── short
/// </code>
/// </remarks>
internal sealed partial class Ext2File
{
    /// <summary>How much user memory is held at once.</summary>
    private const int MostPinned = 64;

    private const ulong SectorMask = BlockDevice.SectorBytes - 1;

    [InlineArray(MostPinned)]
    private struct PinnedFrames
    {
        private Pfn first;
    }

    private Errno ReadDirect(TaskFiles who, ref IovIter to, ref long position)
    {
        if ((ulong)position >= inode.Size)
            return Errno.None;
        if ((((ulong)position | to.Alignment()) & SectorMask) != 0)
            return Errno.EINVAL;
        ulong end = Math.Min((ulong)position + to.Remaining, inode.Size);
        WriteOut((ulong)position, end);
        Errno error = Errno.None;
        PinnedFrames frames = default;
        while (error == Errno.None && to.Remaining > 0 && (ulong)position < inode.Size && to.CurrentPiece(out VirtAddr at, out ulong bytes))
        {
            Span<Pfn> pinned = Pin(who, at, ref bytes, write: true, frames);
            if (pinned.IsEmpty)
                return Errno.EFAULT;
            ulong left = inode.Size - (ulong)position;
            ulong wanted = Math.Min(bytes, (left + SectorMask) & ~SectorMask);
            error = MoveDirect(BlockDirection.Read, (ulong)position, at.PageOffset, wanted, pinned);
            who.Mm!.UnpinPages(pinned, written: true);
            if (error != Errno.None)
                break;
            ulong moved = Math.Min(wanted, left);
            position += (long)moved;
            to.Advance(moved);
            if (moved < bytes)
                break;
        }
        return error;
    }

    // Holds the inode's lock.
    private Errno WriteDirect(TaskFiles who, ref IovIter from, ref long position)
    {
        if ((((ulong)position | from.Alignment()) & SectorMask) != 0)
            return Errno.EINVAL;
        ulong start = (ulong)position;
        ulong end = start + from.Remaining;
        WriteOut(start, end);
        Errno error = inode.Superblock.BeforeWrite();
        bool isBusy = pages.Invalidate(start >> PageSize.Shift, (end - 1) >> PageSize.Shift) != Errno.None;
        PinnedFrames frames = default;
        while (error == Errno.None && !isBusy && from.Remaining > 0 && from.CurrentPiece(out VirtAddr at, out ulong bytes))
        {
            error = PrepareDirect((ulong)position, ref bytes);
            if (error != Errno.None || bytes == 0)
                break;
            Span<Pfn> pinned = Pin(who, at, ref bytes, write: false, frames);
            if (pinned.IsEmpty)
                error = Errno.EFAULT;
            else
                error = MoveDirect(BlockDirection.Write, (ulong)position, at.PageOffset, bytes, pinned);
            who.Mm!.UnpinPages(pinned, written: false);
            if (error != Errno.None)
                break;
            position += (long)bytes;
            from.Advance(bytes);
            if ((ulong)position > inode.Size)
            {
                inode.Size = (ulong)position;
                inode.MarkInodeDirty();
            }
        }
        if (error == Errno.None && from.Remaining > 0)
        {
            long begin = position;
            error = WriteCached(ref from, ref position);
            ulong failures = pages.WriteFailures;
            WriteOut((ulong)begin, (ulong)position);
            if (error == Errno.None && pages.WriteFailures != failures)
                error = Errno.EIO;
        }
        else if (error != Errno.None)
        {
            inode.TruncateBlocks(inode.Size);
        }
        pages.Invalidate(start >> PageSize.Shift, (end - 1) >> PageSize.Shift);
        return error;
    }

    /// <summary>How much of a write from here on may go straight to the disk: blocks that are there, or whole new ones behind the end.</summary>
    private Errno PrepareDirect(ulong position, ref ulong bytes)
    {
        uint size = inode.Superblock.BlockSize;
        ulong done = 0;
        ulong most = Math.Min(bytes, MostPinned * PageSize.Bytes);
        ulong firstBehind = (inode.Size + size - 1) / size;
        while (done < most)
        {
            ulong index = (position + done) / size;
            ulong offset = (position + done) % size;
            ulong part = Math.Min(size - offset, most - done);
            bool isNew = index >= firstBehind && part == size;
            // A new block behind a gap: what was the last page of the file may have more in it than the file.
            if (isNew && done == 0 && position > inode.Size)
                inode.BeginGrowth();
            Result<uint> block = isNew ? inode.FindOrTakeBlock(index, out _) : inode.FindBlock(index);
            if (!block.TryGet(out uint where, out Errno error))
            {
                bytes = done;
                return done > 0 ? Errno.None : error;
            }
            if (where == 0)
                break;
            done += part;
        }
        bytes = done;
        return Errno.None;
    }

    // Between user memory, whose frames are held, and the blocks of the file.
    private Errno MoveDirect(BlockDirection direction, ulong position, ulong offset, ulong bytes, ReadOnlySpan<Pfn> frames)
    {
        uint size = inode.Superblock.BlockSize;
        BlockDevice disk = inode.Superblock.Disk;
        var runs = new BlockRuns(stackalloc BlockSegment[Math.Min(MostPinned, disk.MaximumSegments)], disk, null, direction);
        ulong done = 0;
        while (done < bytes)
        {
            ulong inBlock = (position + done) % size;
            ulong inPage = (offset + done) & PageSize.Mask;
            ulong part = Math.Min(Math.Min(size - inBlock, PageSize.Bytes - inPage), bytes - done);
            Pfn frame = frames[(int)((offset + done) >> PageSize.Shift)];
            if (!inode.FindBlock((position + done) / size).TryGet(out uint block, out Errno error))
                runs.Fail(error);
            else if (block != 0)
                runs.Add(inode.Superblock.SectorOf(block) + (inBlock >> BlockDevice.SectorShift), frame.Address + inPage, (uint)part);
            else if (direction == BlockDirection.Read)
                DirectMap.Page(frame).Slice((int)inPage, (int)part).Clear();
            else
                runs.Fail(Errno.EIO);                        // a block that was there has gone: nobody can take it under the inode's lock
            done += part;
        }
        return runs.Finish();
    }

    // Holds the memory of one piece, as much as there is room for; "bytes" becomes what is held.
    private static Span<Pfn> Pin(TaskFiles who, VirtAddr at, ref ulong bytes, bool write, Span<Pfn> frames)
    {
        ulong wanted = PageCount.FromBytesRoundedUp(at.PageOffset + bytes).Value;
        int pinned = who.Mm!.PinPages(at, write, frames[..(int)Math.Min(wanted, (ulong)frames.Length)]);
        bytes = Math.Min(bytes, ((ulong)pinned << PageSize.Shift) - Math.Min(at.PageOffset, (ulong)pinned << PageSize.Shift));
        return frames[..pinned];
    }

    private void WriteOut(ulong start, ulong end)
    {
        if (start < end)
            pages.WriteAndWait(start >> PageSize.Shift, (end - 1) >> PageSize.Shift);
    }
}
