using System;
using NanoVm.Core;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>A directory's records: each block is a chain of them from its first byte to its last.</summary>
/// <remarks>
/// <code>
///   inode 4 | record length 2 | name length 1 | type 1 | name … | room up to the record's end
/// </code>
/// A record with inode 0 is unused. A new name takes the room at the end of another record; a removed one is joined to the record before
/// it. Linux: <c>fs/ext2/dir.c</c>. Lengths come from the disk and are checked before they are used.
/// </remarks>
internal sealed partial class Ext2Inode
{
    /// <summary>Where an entry lies.</summary>
    private struct EntryPlace
    {
        public uint Block;
        public int Offset;

        /// <summary>The record before it in the same block; −1 for the first.</summary>
        public int Previous;
        public uint Inode;

        /// <summary>Which block of the directory.</summary>
        public uint Index;
    }

    /// <summary>From so many blocks on an index is worth its memory.</summary>
    private const uint FewBlocks = 2;

    private Ext2DirectoryIndex? index;

    private uint DirectoryBlocks => (uint)(Size / superblock.BlockSize);

    /// <summary>Hands the names from a position on to a reader. Linux: <c>ext2_readdir</c>. Holds the directory's lock.</summary>
    /// <param name="position">Becomes the offset of the first record that did not fit, or the directory's end.</param>
    /// <returns>EIO for a damaged block; what <paramref name="to"/> says when it takes no more.</returns>
    internal Errno ReadEntries(ref long position, ref DirectoryWriter to)
    {
        uint size = superblock.BlockSize;
        while ((ulong)position < Size)
        {
            uint index = (uint)((ulong)position / size);
            if (!ReadDirectoryBlock(index, out _).TryGet(out Pfn page, out Errno error))
                return error;
            if (page.IsNone)
            {
                position = (long)((ulong)(index + 1) * size);
                continue;
            }
            ReadOnlySpan<byte> block = superblock.Metadata.Bytes(page);
            bool full = false;
            int at = 0;
            while (at < block.Length && !full && error == Errno.None)
            {
                int length = RecordLength(block, at);
                if (length == 0)
                {
                    error = Errno.EIO;
                    break;
                }
                ulong offset = (ulong)index * size + (ulong)at;
                uint number = Get32(block, at + Entry.Inode);
                if (offset >= (ulong)position && number != 0)
                {
                    byte type = superblock.HasFileType ? ToDirectoryType(block[at + Entry.Type]) : (byte)0;
                    full = !to.Add(NameAt(block, at), number, type, offset + (ulong)length);
                }
                if (!full)
                {
                    at += length;
                    if ((ulong)index * size + (ulong)at > (ulong)position)
                        position = (long)((ulong)index * size + (ulong)at);
                }
            }
            superblock.Metadata.Release(page);
            if (full)
                return to.Error;
            if (error != Errno.None)
                return error;
        }
        return Errno.None;
    }

    /// <summary>Finds a name. Linux: <c>ext2_find_entry</c>. Holds the directory's lock, but for "..".</summary>
    /// <returns>ENOENT, EIO.</returns>
    private Errno FindEntry(ReadOnlySpan<byte> name, out EntryPlace place)
    {
        place = default;
        // "." and ".." are in the first block: asked for without the lock when a directory is moved.
        bool isOwn = name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);
        if (!isOwn && TryIndex(out Errno error) is { } names)
        {
            uint hash = names.Hash(name);
            uint probe = 0;
            while (names.Next(hash, ref probe, out uint block))
            {
                error = FindInBlock(block, name, ref place);
                if (error != Errno.ENOENT)
                    return error;
            }
            return Errno.ENOENT;
        }
        uint end = isOwn ? Math.Min(DirectoryBlocks, 1) : DirectoryBlocks;
        for (uint block = 0; block < end; block++)
        {
            error = FindInBlock(block, name, ref place);
            if (error != Errno.ENOENT)
                return error;
        }
        return Errno.ENOENT;
    }

    private Errno FindInBlock(uint block, ReadOnlySpan<byte> name, ref EntryPlace place)
    {
        if (!ReadDirectoryBlock(block, out uint number).TryGet(out Pfn page, out Errno error))
            return error;
        if (page.IsNone)
            return Errno.ENOENT;
        ReadOnlySpan<byte> bytes = superblock.Metadata.Bytes(page);
        error = Errno.ENOENT;
        int previous = -1;
        for (int at = 0; at < bytes.Length && error == Errno.ENOENT;)
        {
            int length = RecordLength(bytes, at);
            uint inode = length == 0 ? 0 : Get32(bytes, at + Entry.Inode);
            if (length == 0)
            {
                error = Errno.EIO;
            }
            else if (inode != 0 && bytes[at + Entry.NameLength] == name.Length && NameAt(bytes, at).SequenceEqual(name))
            {
                place = new EntryPlace { Block = number, Offset = at, Previous = previous, Inode = inode, Index = block };
                error = Errno.None;
            }
            previous = at;
            at += length;
        }
        superblock.Metadata.Release(page);
        return error;
    }

    /// <summary>Adds a name: in the room behind another, or in a new block. Linux: <c>ext2_add_link</c>. Holds the directory's lock.</summary>
    /// <returns>ENOSPC, EIO, ENOMEM: nothing has changed.</returns>
    private Errno AddEntry(ReadOnlySpan<byte> name, uint inode, uint mode)
    {
        int needed = NeededLength(name.Length);
        Errno error;
        if (TryIndex(out _) is { } names)
        {
            int block = names.FindRoom(needed);
            if (block >= 0)
            {
                error = AddInBlock((uint)block, needed, name, inode, mode);
                if (error != Errno.ENOSPC)
                    return error;
            }
            return AddBlock(name, inode, mode);
        }
        for (uint block = 0; block < DirectoryBlocks; block++)
        {
            error = AddInBlock(block, needed, name, inode, mode);
            if (error != Errno.ENOSPC)
                return error;
        }
        return AddBlock(name, inode, mode);
    }

    // ENOSPC: no gap of this block is large enough.
    private Errno AddInBlock(uint index, int needed, ReadOnlySpan<byte> name, uint inode, uint mode)
    {
        if (!ReadDirectoryBlock(index, out uint number).TryGet(out Pfn page, out Errno error))
            return error;
        if (page.IsNone)
            return Errno.ENOSPC;
        Span<byte> block = superblock.Metadata.Bytes(page);
        for (int at = 0; at < block.Length;)
        {
            int length = RecordLength(block, at);
            if (length == 0)
            {
                superblock.Metadata.Release(page);
                return Errno.EIO;
            }
            int used = UsedOf(block, at);
            if (length - used >= needed)
            {
                if (used > 0)
                    Set16(block, at + Entry.RecordLength, (ushort)used);
                PutRecord(block, at + used, length - used, name, inode, mode);
                NoteName(name, index, block, added: true);
                FinishChange(page, number);
                return Errno.None;
            }
            at += length;
        }
        superblock.Metadata.Release(page);
        return Errno.ENOSPC;
    }

    // A new block with one record that fills it. Holds the directory's lock.
    private Errno AddBlock(ReadOnlySpan<byte> name, uint inode, uint mode)
    {
        if (!FindOrTakeBlock(DirectoryBlocks, out _).TryGet(out uint number, out Errno error))
            return error;
        if (!superblock.Metadata.Read(number).TryGet(out Pfn page, out error))
        {
            TruncateBlocks(Size);
            return error;
        }
        Span<byte> block = superblock.Metadata.Bytes(page);
        block.Clear();
        PutRecord(block, 0, block.Length, name, inode, mode);
        NoteName(name, DirectoryBlocks, block, added: true);
        Size += superblock.BlockSize;
        FinishChange(page, number);
        return Errno.None;
    }

    /// <summary>Removes an entry that <see cref="FindEntry"/> has found. Linux: <c>ext2_delete_entry</c>.</summary>
    private Errno RemoveEntry(in EntryPlace place)
    {
        if (!superblock.Metadata.Read(place.Block).TryGet(out Pfn page, out Errno error))
            return error;
        Span<byte> block = superblock.Metadata.Bytes(page);
        ReadOnlySpan<byte> name = NameAt(block, place.Offset);
        if (place.Previous >= 0)
        {
            int end = place.Offset + Get16(block, place.Offset + Entry.RecordLength);
            Set16(block, place.Previous + Entry.RecordLength, (ushort)(end - place.Previous));
        }
        Set32(block, place.Offset + Entry.Inode, 0);
        NoteName(name, place.Index, block, added: false);
        FinishChange(page, place.Block);
        return Errno.None;
    }

    /// <summary>Makes an entry lead to another inode. Linux: <c>ext2_set_link</c>.</summary>
    private Errno ReplaceEntry(in EntryPlace place, uint inode, uint mode)
    {
        if (!superblock.Metadata.Read(place.Block).TryGet(out Pfn page, out Errno error))
            return error;
        Span<byte> block = superblock.Metadata.Bytes(page);
        Set32(block, place.Offset + Entry.Inode, inode);
        block[place.Offset + Entry.Type] = superblock.HasFileType ? ToEntryType(mode) : (byte)0;
        FinishChange(page, place.Block);
        return Errno.None;
    }

    /// <summary>The first block of a new directory: "." and "..". Linux: <c>ext2_make_empty</c>.</summary>
    private Errno MakeEmpty(uint parent)
    {
        Errno error = AddBlock("."u8, (uint)Number, Mode);
        return error == Errno.None ? AddEntry(".."u8, parent, FileMode.Directory) : error;
    }

    /// <summary>Has the directory nothing but "." and ".."? Linux: <c>ext2_empty_dir</c>.</summary>
    private Result<bool> IsEmptyDirectory()
    {
        for (uint index = 0; index < DirectoryBlocks; index++)
        {
            if (!ReadDirectoryBlock(index, out _).TryGet(out Pfn page, out Errno error))
                return error;
            if (page.IsNone)
                continue;
            ReadOnlySpan<byte> block = superblock.Metadata.Bytes(page);
            bool found = false;
            for (int at = 0; at < block.Length && !found;)
            {
                int length = RecordLength(block, at);
                if (length == 0)
                {
                    superblock.Metadata.Release(page);
                    return Errno.EIO;
                }
                ReadOnlySpan<byte> name = NameAt(block, at);
                found = Get32(block, at + Entry.Inode) != 0 && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);
                at += length;
            }
            superblock.Metadata.Release(page);
            if (found)
                return false;
        }
        return true;
    }

    /// <summary>The directory's index, made now if it is worth it; null: read the chain.</summary>
    private Ext2DirectoryIndex? TryIndex(out Errno error)
    {
        error = Errno.None;
        if (index is not null || DirectoryBlocks <= FewBlocks)
            return index;
        Ext2DirectoryIndex? made = superblock.Ext2.Indices.Allocate();
        if (made is null)
            return null;
        if (!made.Initialize(Vfs.Arrays, superblock.NameSeed))
        {
            superblock.Ext2.Indices.Free(made);
            return null;
        }
        for (uint block = 0; block < DirectoryBlocks; block++)
        {
            if (IndexBlock(made, block))
                continue;
            made.Free();
            superblock.Ext2.Indices.Free(made);
            return null;
        }
        index = made;
        return made;
    }

    // False: out of memory, or a damaged block, which whoever reads the chain will report.
    private bool IndexBlock(Ext2DirectoryIndex names, uint block)
    {
        if (!ReadDirectoryBlock(block, out _).TryGet(out Pfn page, out _))
            return false;
        if (page.IsNone)
            return true;
        ReadOnlySpan<byte> bytes = superblock.Metadata.Bytes(page);
        int room = LargestGap(bytes);
        bool went = room >= 0 && names.SetRoom(block, room);
        for (int at = 0; at < bytes.Length && went; at += RecordLength(bytes, at))
        {
            if (Get32(bytes, at + Entry.Inode) != 0)
                went = names.Add(names.Hash(NameAt(bytes, at)), block);
        }
        superblock.Metadata.Release(page);
        return went;
    }

    // A name came or went, and with it the block's room changed. Without memory the index goes.
    private void NoteName(ReadOnlySpan<byte> name, uint block, ReadOnlySpan<byte> bytes, bool added)
    {
        if (index is null)
            return;
        uint hash = index.Hash(name);
        bool went = true;
        if (added)
            went = index.Add(hash, block);
        else
            index.Remove(hash, block);
        if (!went || !index.SetRoom(block, Math.Max(LargestGap(bytes), 0)))
            DropIndex();
    }

    private void DropIndex()
    {
        if (index is null)
            return;
        index.Free();
        superblock.Ext2.Indices.Free(index);
        index = null;
    }

    // The longest record that fits into the block; −1 when the block is damaged.
    private static int LargestGap(ReadOnlySpan<byte> block)
    {
        int largest = 0;
        for (int at = 0; at < block.Length;)
        {
            int length = RecordLength(block, at);
            if (length == 0)
                return -1;
            largest = Math.Max(largest, length - UsedOf(block, at));
            at += length;
        }
        return largest;
    }

    private static int UsedOf(ReadOnlySpan<byte> block, int at) => Get32(block, at + Entry.Inode) == 0 ? 0 : NeededLength(block[at + Entry.NameLength]);

    // Page None: a hole. Only a damaged disk has one in a directory.
    private Result<Pfn> ReadDirectoryBlock(uint index, out uint number)
    {
        if (!FindBlock(index).TryGet(out number, out Errno error))
            return error;
        return number == 0 ? Pfn.None : superblock.Metadata.Read(number);
    }

    // The length of the record, or 0 when it cannot be one.
    private static int RecordLength(ReadOnlySpan<byte> block, int at)
    {
        if (block.Length - at < 12)
            return 0;
        int length = Get16(block, at + Entry.RecordLength);
        return length < 12 || (length & 3) != 0 || length > block.Length - at || NeededLength(block[at + Entry.NameLength]) > length ? 0 : length;
    }

    private static int NeededLength(int nameLength) => (Entry.Name + nameLength + 3) & ~3;

    private static ReadOnlySpan<byte> NameAt(ReadOnlySpan<byte> block, int at) => block.Slice(at + Entry.Name, block[at + Entry.NameLength]);

    private void PutRecord(Span<byte> block, int at, int length, ReadOnlySpan<byte> name, uint inode, uint mode)
    {
        Set32(block, at + Entry.Inode, inode);
        Set16(block, at + Entry.RecordLength, (ushort)length);
        block[at + Entry.NameLength] = (byte)name.Length;
        block[at + Entry.Type] = superblock.HasFileType ? ToEntryType(mode) : (byte)0;
        name.CopyTo(block[(at + Entry.Name)..]);
    }

    private void FinishChange(Pfn page, uint block)
    {
        superblock.Metadata.MarkDirty(page);
        superblock.Metadata.Release(page);
        Touch(block);
        ModifyTime = ChangeTime = Now;
        flags &= ~FlagIndexedDirectory;
        MarkInodeDirty();
    }
}
