using System;
using NanoVm.Core;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>The inode's record in the table of its group.</summary>
/// <remarks>
/// 128 bytes that every ext2 has; tables of larger records have room for the nanoseconds of times behind them, used as ext4 does, which is
/// what Debian's Linux mounts an ext2 with.
/// </remarks>
internal sealed partial class Ext2Inode
{
    /// <summary>Now, as exactly as the disk keeps it. Linux: <c>current_time</c>, <c>s_time_gran</c>.</summary>
    private FileTime Now => Round(Vfs.Now);

    /// <summary>Fills the object from the inode table. Holds <see cref="MapLock"/>.</summary>
    /// <returns>EIO also for a record that makes no sense.</returns>
    internal Errno ReadFromDisk()
    {
        IsBad = true;
        if (!superblock.ReadInodeBlock((uint)Number, out int at, out _).TryGet(out Pfn page, out Errno error))
            return error;
        TakeRecord(superblock.Metadata.Bytes(page).Slice(at, (int)superblock.InodeSize));
        superblock.Metadata.Release(page);
        // A name that leads to an unused inode, or one of no kind: the disk is damaged.
        if (Links == 0 || (Mode & FileMode.TypeMask) is not (FileMode.Regular or FileMode.Directory or FileMode.SymbolicLink
            or FileMode.CharacterDevice or FileMode.BlockDevice or FileMode.Fifo or FileMode.Socket)
            || Size > superblock.MaximumSize || (IsDirectory && Size % superblock.BlockSize != 0))
        {
            Links = 1;                                       // the object goes without touching the disk
            return Errno.EIO;
        }
        if (FileMode.IsDevice(Mode))
            Rdev = DecodeDevice();
        IsBad = false;
        return Errno.None;
    }

    private void TakeRecord(ReadOnlySpan<byte> raw)
    {
        Mode = Get16(raw, Node.Mode);
        Uid = Get16(raw, Node.Uid) | ((uint)Get16(raw, Node.UidHigh) << 16);
        Gid = Get16(raw, Node.Gid) | ((uint)Get16(raw, Node.GidHigh) << 16);
        Links = Get16(raw, Node.Links);
        Size = Get32(raw, Node.Size) | (IsRegular ? (ulong)Get32(raw, Node.SizeHigh) << 32 : 0);
        // Which of the further fields the record has is in its own first one.
        int extra = raw.Length > Node.Length ? Get16(raw, Node.ExtraLength) : 0;
        AccessTime = TakeTime(raw, Node.AccessTime, Node.AccessTimeExtra, extra);
        ModifyTime = TakeTime(raw, Node.ModifyTime, Node.ModifyTimeExtra, extra);
        ChangeTime = TakeTime(raw, Node.ChangeTime, Node.ChangeTimeExtra, extra);
        BirthTime = extra >= Node.BirthTimeExtra + 4 - Node.Length && raw.Length >= Node.BirthTimeExtra + 4
            ? TakeTime(raw, Node.BirthTime, Node.BirthTimeExtra, extra) : default;
        extraLength = (ushort)extra;
        sectors = Get32(raw, Node.Sectors);
        flags = Get32(raw, Node.Flags);
        fileAcl = Get32(raw, Node.FileAcl);
        generation = Get32(raw, Node.Generation);
        for (int i = 0; i < BlockPointers; i++)
            pointers[i] = Get32(raw, Node.Pointers + i * 4);
    }

    private void PutRecord(Span<byte> raw)
    {
        Set16(raw, Node.Mode, (ushort)Mode);
        Set16(raw, Node.Uid, (ushort)Uid);
        Set16(raw, Node.UidHigh, (ushort)(Uid >> 16));
        Set16(raw, Node.Gid, (ushort)Gid);
        Set16(raw, Node.GidHigh, (ushort)(Gid >> 16));
        Set16(raw, Node.Links, (ushort)Links);
        Set32(raw, Node.Size, (uint)Size);
        if (!IsDirectory)
        {
            Set32(raw, Node.SizeHigh, (uint)(Size >> 32));
            if (Size > int.MaxValue)
                superblock.RequireLargeFiles(this);
        }
        if (superblock.InodeSize > Node.Length && isNew)
        {
            raw[Node.Length..(int)superblock.InodeSize].Clear();
            extraLength = Node.ExtraBytes;
            isNew = false;
        }
        if (superblock.InodeSize > Node.Length)
            Set16(raw, Node.ExtraLength, extraLength);
        PutTime(raw, Node.AccessTime, Node.AccessTimeExtra, AccessTime);
        PutTime(raw, Node.ModifyTime, Node.ModifyTimeExtra, ModifyTime);
        PutTime(raw, Node.ChangeTime, Node.ChangeTimeExtra, ChangeTime);
        if (HasExtra(Node.BirthTimeExtra))
            PutTime(raw, Node.BirthTime, Node.BirthTimeExtra, BirthTime);
        Set32(raw, Node.DeleteTime, Links == 0 ? (uint)Vfs.Now.Seconds : 0);
        Set32(raw, Node.Sectors, sectors);
        Set32(raw, Node.Flags, flags);
        Set32(raw, Node.FileAcl, fileAcl);
        Set32(raw, Node.Generation, generation);
        for (int i = 0; i < BlockPointers; i++)
            Set32(raw, Node.Pointers + i * 4, pointers[i]);
    }

    /// <summary>Marks the record as that of a deleted file, which claims no blocks; the object keeps what it has to free.</summary>
    internal Errno WriteAsDeleted()
    {
        if (!superblock.ReadInodeBlock((uint)Number, out int at, out _).TryGet(out Pfn page, out Errno error))
            return error;
        Span<byte> raw = superblock.Metadata.Bytes(page).Slice(at, Node.Length);
        Set16(raw, Node.Links, 0);
        Set32(raw, Node.DeleteTime, (uint)Vfs.Now.Seconds);
        Set32(raw, Node.Size, 0);
        Set32(raw, Node.SizeHigh, 0);
        Set32(raw, Node.Sectors, 0);
        Set32(raw, Node.FileAcl, 0);
        raw.Slice(Node.Pointers, BlockPointers * 4).Clear();
        superblock.Metadata.MarkDirty(page);
        superblock.Metadata.Release(page);
        return Errno.None;
    }

    /// <summary>What the record has no room for, the object does not show either: it would change when the inode is read again.</summary>
    private FileTime Round(FileTime time) => HasExtra(Node.AccessTimeExtra) || (isNew && superblock.InodeSize > Node.Length) ? time : new FileTime((int)time.Seconds, 0);

    private bool HasExtra(int offset) => extraLength >= offset + 4 - Node.Length && offset + 4 <= superblock.InodeSize;

    // Two bits more of seconds, thirty of nanoseconds.
    private static FileTime TakeTime(ReadOnlySpan<byte> raw, int offset, int extraOffset, int extra)
    {
        long seconds = (int)Get32(raw, offset);
        if (extra < extraOffset + 4 - Node.Length || extraOffset + 4 > raw.Length)
            return new FileTime(seconds, 0);
        uint more = Get32(raw, extraOffset);
        uint nanoseconds = more >> 2;
        return new FileTime(seconds + ((long)(more & 3) << 32), nanoseconds < 1_000_000_000 ? nanoseconds : 0);
    }

    private void PutTime(Span<byte> raw, int offset, int extraOffset, FileTime time)
    {
        Set32(raw, offset, (uint)time.Seconds);
        if (HasExtra(extraOffset))
            Set32(raw, extraOffset, (uint)(((time.Seconds - (int)time.Seconds) >> 32) & 3) | (time.Nanoseconds << 2));
    }
}
