using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Block;

/// <summary>An open disk or partition: bytes by position, straight to and from the device.</summary>
/// <remarks>Linux: <c>block/fops.c</c>. Nothing is cached here, so what is read is what a file system has written to the device by then.</remarks>
internal sealed class BlockDeviceFile : OpenFile
{
    private const uint BlkRoGet = 0x125E;
    private const uint BlkGetSize = 0x1260;
    private const uint BlkFlushBuffers = 0x1261;
    private const uint BlkSectorSize = 0x1268;
    private const uint BlkBlockSizeGet = 0x80081270;
    private const uint BlkGetSize64 = 0x80081272;
    private const uint BlkPhysicalSectorSize = 0x127B;

    private BlockDevice device = null!;

    /// <summary>Opens the device that a node stands for. ENXIO when there is none, EROFS for writing one that only reads.</summary>
    public static Result<OpenFile> Open(in PathRef path, OpenFlags flags)
    {
        Inode inode = path.Dentry.Inode!;
        BlockDeviceTable table = inode.Vfs.Blocks;
        if (table.Find(inode.Rdev) is not { } device)
            return Errno.ENXIO;
        if (device.IsReadOnly && (flags & OpenFlags.AccessMask) != OpenFlags.ReadOnly)
            return Errno.EROFS;
        BlockDeviceFile? file = table.Files.Allocate();
        if (file is null)
            return Errno.ENOMEM;
        file.Initialize(path, flags);
        file.device = device;
        return file;
    }

    public override bool CanDirect => true;

    public override BlockDevice Disk => device;

    public override bool IsDisk => true;

    public override ulong DiskPages => device.SectorCount >> (PageSize.Shift - BlockDevice.SectorShift);

    public override Errno BeginSwap()
    {
        if (!device.TryClaim())
            return Errno.EBUSY;
        device.IsSwap = true;
        return Errno.None;
    }

    public override void EndSwap()
    {
        device.IsSwap = false;
        device.ReleaseClaim();
    }

    private ulong SizeBytes => device.SectorCount << BlockDevice.SectorShift;

    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        FrameAllocator frames = Vfs.Memory.Frames;
        Errno error = frames.Allocate(AllocationFlags.None, out Pfn frame);
        if (error != Errno.None)
            return error;
        long start = position;
        while (to.Remaining > 0 && (ulong)position < SizeBytes && error == Errno.None)
        {
            uint bytes = Window(position, out ulong sector, out int offset);
            error = device.Transfer(BlockDirection.Read, sector, [new BlockSegment(frame.Address, bytes)]);
            if (error != Errno.None)
                break;
            int count = (int)Math.Min(bytes - (uint)offset, to.Remaining);
            error = to.CopyToIter(DirectMap.Page(frame).Slice(offset, count), out int copied);
            position += copied;
        }
        frames.Put(frame);
        return position > start || error == Errno.None ? position - start : error;
    }

    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        if (device.IsSwap)
            return Errno.ETXTBSY;
        if (from.Remaining > 0 && (ulong)position >= SizeBytes)
            return Errno.ENOSPC;
        FrameAllocator frames = Vfs.Memory.Frames;
        Errno error = frames.Allocate(AllocationFlags.None, out Pfn frame);
        if (error != Errno.None)
            return error;
        long start = position;
        Inode.Lock.Lock();
        while (from.Remaining > 0 && (ulong)position < SizeBytes && error == Errno.None)
        {
            uint bytes = Window(position, out ulong sector, out int offset);
            int count = (int)Math.Min(bytes - (uint)offset, from.Remaining);
            // A part of the window: the rest is what the disk has.
            if (count < (int)bytes)
                error = device.Transfer(BlockDirection.Read, sector, [new BlockSegment(frame.Address, bytes)]);
            if (error != Errno.None)
                break;
            error = from.CopyFromIter(DirectMap.Page(frame).Slice(offset, count), out int copied);
            if (copied == 0)
                break;
            Errno written = device.Transfer(BlockDirection.Write, sector, [new BlockSegment(frame.Address, bytes)]);
            if (written != Errno.None)
            {
                error = written;
                break;
            }
            position += copied;
        }
        Inode.Lock.Unlock();
        frames.Put(frame);
        return position > start || error == Errno.None ? position - start : error;
    }

    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        long target = origin switch
        {
            SeekOrigin.Start => offset,
            SeekOrigin.Current => Position + offset,
            SeekOrigin.End => (long)SizeBytes + offset,
            _ => -1,
        };
        if (target < 0 || (ulong)target > SizeBytes)
            return Errno.EINVAL;
        Position = target;
        return target;
    }

    public override Errno Synchronize(bool dataOnly) => device.Flush();

    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument)
    {
        switch (command)
        {
            case BlkGetSize64:
                return Answer(UserCopy.Put(argument, SizeBytes));
            case BlkGetSize:
                return Answer(UserCopy.Put(argument, device.SectorCount));
            case BlkSectorSize:
                return Answer(UserCopy.Put(argument, BlockDevice.SectorBytes));
            case BlkPhysicalSectorSize:
                return Answer(UserCopy.Put(argument, (uint)BlockDevice.SectorBytes));
            case BlkBlockSizeGet:
                return Answer(UserCopy.Put(argument, (ulong)PageSize.Bytes));
            case BlkRoGet:
                return Answer(UserCopy.Put(argument, device.IsReadOnly ? 1 : 0));
            case BlkFlushBuffers:
                return Answer(who.Credentials.Has(Capability.SysAdmin) ? device.Flush() : Errno.EACCES);
            default:
                return Errno.ENOTTY;
        }
    }

    protected override void FreeObject() => Vfs.Blocks.Files.Free(this);

    private static Result<long> Answer(Errno error) => error == Errno.None ? 0L : error;

    // The sectors around a position: at most a page, aligned to a page of the disk.
    private uint Window(long position, out ulong sector, out int offset)
    {
        ulong start = (ulong)position & ~PageSize.Mask;
        offset = (int)((ulong)position & PageSize.Mask);
        sector = start >> BlockDevice.SectorShift;
        return (uint)Math.Min(PageSize.Bytes, SizeBytes - start);
    }
}
