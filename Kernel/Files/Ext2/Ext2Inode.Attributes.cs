using System;
using NanoVm.Core;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>Extended attributes: names with values, all of a file's in one block beside its contents.</summary>
/// <remarks>
/// Linux: <c>fs/ext2/xattr.c</c>. The prefix of a name is a number on the disk ("user." is 1). Entries grow from the block's start, in order;
/// values from its end:
/// <code>
///   | header | one → | two → | 0 |        free        | value of two | value of one |
/// </code>
/// Each change makes the block anew in memory and puts it into its place; several files may share a block that another system wrote, then the
/// file that changes gets its own. Guarded by <see cref="MapLock"/>. (Linux's ext4 can keep small ones behind the inode's record; those stay
/// where they are, unseen.)
/// </remarks>
internal sealed partial class Ext2Inode
{
    private const byte IndexUser = 1, IndexTrusted = 4, IndexSecurity = 6;

    private static ReadOnlySpan<byte> PrefixOf(byte index) => index switch
    {
        IndexUser => "user."u8,
        IndexTrusted => "trusted."u8,
        IndexSecurity => "security."u8,
        _ => default,
    };

    public override Result<int> GetXattr(ReadOnlySpan<byte> name, Span<byte> value)
    {
        Errno error = TakePrefix(ref name, out byte index);
        if (error != Errno.None)
            return error;
        MapLock.Lock();
        Result<int> result = Errno.ENODATA;
        if (ReadAttributes().TryGet(out Pfn page, out error))
        {
            ReadOnlySpan<byte> block = superblock.Metadata.Bytes(page);
            if (new AttributeReader(block).Find(index, name, out ReadOnlySpan<byte> found))
            {
                result = found.Length;
                if (!value.IsEmpty && found.Length > value.Length)
                    result = Errno.ERANGE;
                else if (!value.IsEmpty)
                    found.CopyTo(value);
            }
            superblock.Metadata.Release(page);
        }
        else if (error != Errno.ENODATA)
        {
            result = error;
        }
        MapLock.Unlock();
        return result;
    }

    public override Result<int> ListXattrs(Span<byte> to)
    {
        bool mayTrust = PerCpu.CurrentOrNull is TaskFiles who && who.Credentials.Has(Capability.SysAdmin);
        MapLock.Lock();
        if (!ReadAttributes().TryGet(out Pfn page, out Errno error))
        {
            MapLock.Unlock();
            return error == Errno.ENODATA ? 0 : error;
        }
        var reader = new AttributeReader(superblock.Metadata.Bytes(page));
        int length = 0;
        while (reader.Next(out byte index, out ReadOnlySpan<byte> name, out _))
        {
            ReadOnlySpan<byte> prefix = PrefixOf(index);
            if (prefix.IsEmpty || (index == IndexTrusted && !mayTrust))
                continue;
            int bytes = prefix.Length + name.Length + 1;
            if (!to.IsEmpty && bytes > to.Length - length)
            {
                error = Errno.ERANGE;
                break;
            }
            if (!to.IsEmpty)
            {
                prefix.CopyTo(to[length..]);
                name.CopyTo(to[(length + prefix.Length)..]);
                to[length + bytes - 1] = 0;
            }
            length += bytes;
        }
        superblock.Metadata.Release(page);
        MapLock.Unlock();
        return error == Errno.None ? length : error;
    }

    public override Errno SetXattr(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags)
    {
        Errno error = TakePrefix(ref name, out byte index);
        if (error != Errno.None)
            return error;
        return value.Length >= superblock.BlockSize ? Errno.ENOSPC : Change(index, name, value, isRemoval: false, flags);
    }

    public override Errno RemoveXattr(ReadOnlySpan<byte> name)
    {
        Errno error = TakePrefix(ref name, out byte index);
        return error == Errno.None ? Change(index, name, default, isRemoval: true, XattrFlags.Replace) : error;
    }

    private static Errno TakePrefix(ref ReadOnlySpan<byte> name, out byte index)
    {
        foreach (byte candidate in (ReadOnlySpan<byte>)[IndexUser, IndexTrusted, IndexSecurity])
        {
            ReadOnlySpan<byte> prefix = PrefixOf(candidate);
            index = candidate;
            if (!name.StartsWith(prefix))
                continue;
            name = name[prefix.Length..];
            return name.IsEmpty ? Errno.EINVAL : Errno.None;
        }
        index = 0;
        return Errno.EOPNOTSUPP;
    }

    // The page of the block, to be released; ENODATA when the file has none.
    private Result<Pfn> ReadAttributes()
    {
        if (fileAcl == 0)
            return Errno.ENODATA;
        if (!superblock.IsDataBlock(fileAcl))
            return Errno.EIO;
        if (!superblock.Metadata.Read(fileAcl).TryGet(out Pfn page, out Errno error))
            return error;
        ReadOnlySpan<byte> block = superblock.Metadata.Bytes(page);
        if (Get32(block, Xattr.Magic) == Xattr.MagicNumber && Get32(block, Xattr.Blocks) == 1)
            return page;
        superblock.Metadata.Release(page);
        return Errno.EIO;
    }

    private Errno Change(byte index, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool isRemoval, XattrFlags changeFlags)
    {
        byte[]? made = superblock.Vfs.Arrays.Allocate<byte>((int)superblock.BlockSize);
        if (made is null)
            return Errno.ENOMEM;
        MapLock.Lock();
        var writer = new AttributeWriter(made);
        bool existed = false;
        bool isPlaced = isRemoval;
        bool fits = true;
        uint users = 0;
        if (ReadAttributes().TryGet(out Pfn page, out Errno error))
        {
            ReadOnlySpan<byte> block = superblock.Metadata.Bytes(page);
            users = Get32(block, Xattr.Users);
            var reader = new AttributeReader(block);
            while (reader.Next(out byte otherIndex, out ReadOnlySpan<byte> otherName, out ReadOnlySpan<byte> otherValue))
            {
                int order = Compare(index, name, otherIndex, otherName);
                if (order <= 0 && !isPlaced)
                {
                    fits &= writer.Add(index, name, value);
                    isPlaced = true;
                }
                existed |= order == 0;
                fits &= order == 0 || writer.Add(otherIndex, otherName, otherValue);
            }
            superblock.Metadata.Release(page);
        }
        error = error == Errno.ENODATA ? Errno.None : error;
        if (!isPlaced)
            fits &= writer.Add(index, name, value);
        if (error == Errno.None)
        {
            error = existed && (changeFlags & XattrFlags.Create) != 0 ? Errno.EEXIST
                : !existed && (changeFlags & XattrFlags.Replace) != 0 ? Errno.ENODATA
                : !fits ? Errno.ENOSPC
                : Put(made, users, writer.IsEmpty);
        }
        if (error == Errno.None)
        {
            ChangeTime = Now;
            MarkInodeDirty();
        }
        MapLock.Unlock();
        superblock.Vfs.Arrays.Free(made);
        return error;
    }

    // The block as it shall be takes the place of the one that "users" files share.
    private Errno Put(ReadOnlySpan<byte> made, uint users, bool isEmpty)
    {
        uint old = fileAcl;
        uint block = users == 1 && !isEmpty ? old : 0;
        if (block == 0 && !isEmpty)
        {
            if (!superblock.RequireAttributes(this))
                return Errno.EOPNOTSUPP;
            if (!superblock.TakeBlock(this, superblock.FirstBlockNear((uint)Number)).TryGet(out block, out Errno error))
                return error;
        }
        if (block != 0)
        {
            if (!superblock.Metadata.Read(block).TryGet(out Pfn page, out Errno error))
            {
                if (block != old)
                    superblock.FreeBlock(block);
                return error;
            }
            made.CopyTo(superblock.Metadata.Bytes(page));
            superblock.Metadata.MarkDirty(page);
            superblock.Metadata.Release(page);
            Touch(block);
        }
        if (block == old)
            return Errno.None;
        if (old != 0)
            LeaveAttributes(old);
        else
            sectors += SectorsPerBlock;
        if (block == 0)
            sectors -= Math.Min(sectors, SectorsPerBlock);
        fileAcl = block;
        return Errno.None;
    }

    // One file less has the block; with the last one it goes when the disk knows.
    private void LeaveAttributes(uint block)
    {
        if (!superblock.Metadata.Read(block).TryGet(out Pfn page, out _))
            return;
        Span<byte> bytes = superblock.Metadata.Bytes(page);
        uint users = Get32(bytes, Xattr.Users);
        if (users > 1)
        {
            Set32(bytes, Xattr.Users, users - 1);
            superblock.Metadata.MarkDirty(page);
            Touch(block);
        }
        superblock.Metadata.Release(page);
        if (users <= 1)
            superblock.FreeLater(this, block);
    }

    private static int Compare(byte index, ReadOnlySpan<byte> name, byte otherIndex, ReadOnlySpan<byte> otherName)
    {
        if (index != otherIndex)
            return index - otherIndex;
        if (name.Length != otherName.Length)
            return name.Length - otherName.Length;
        for (int i = 0; i < name.Length; i++)
        {
            if (name[i] != otherName[i])
                return name[i] - otherName[i];
        }
        return 0;
    }

    /// <summary>Goes through the entries of a block; stops where the block makes no sense.</summary>
    private ref struct AttributeReader(ReadOnlySpan<byte> block)
    {
        private readonly ReadOnlySpan<byte> block = block;
        private int at = Xattr.HeaderBytes;

        public bool Next(out byte index, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
        {
            index = 0;
            name = value = default;
            if (at + Xattr.EntryBytes > block.Length || Get32(block, at) == 0)
                return false;
            int nameLength = block[at + Xattr.NameLength];
            uint offset = Get16(block, at + Xattr.ValueOffset);
            uint size = Get32(block, at + Xattr.ValueBytes);
            int next = (at + Xattr.EntryBytes + nameLength + 3) & ~3;
            if (next > block.Length || size > (uint)block.Length || offset > (uint)block.Length - size || Get32(block, at + Xattr.ValueBlock) != 0)
                return false;
            index = block[at + Xattr.NameIndex];
            name = block.Slice(at + Xattr.EntryBytes, nameLength);
            value = block.Slice((int)offset, (int)size);
            at = next;
            return true;
        }

        public bool Find(byte wantedIndex, ReadOnlySpan<byte> wanted, out ReadOnlySpan<byte> value)
        {
            while (Next(out byte index, out ReadOnlySpan<byte> name, out value))
            {
                if (index == wantedIndex && name.SequenceEqual(wanted))
                    return true;
            }
            return false;
        }
    }

    /// <summary>Makes a block, entry by entry.</summary>
    private ref struct AttributeWriter
    {
        private readonly Span<byte> block;
        private int end = Xattr.HeaderBytes;
        private int values;

        public AttributeWriter(Span<byte> block)
        {
            this.block = block;
            values = block.Length;
            block.Clear();
            Set32(block, Xattr.Magic, Xattr.MagicNumber);
            Set32(block, Xattr.Users, 1);
            Set32(block, Xattr.Blocks, 1);               // and no hash: nobody else may share it
        }

        public readonly bool IsEmpty => end == Xattr.HeaderBytes;

        /// <summary>False when there is no room.</summary>
        public bool Add(byte index, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
        {
            int entryBytes = (Xattr.EntryBytes + name.Length + 3) & ~3;
            int valueBytes = (value.Length + 3) & ~3;
            // Four bytes of zeros end the entries.
            if (end + entryBytes + 4 > values - valueBytes)
                return false;
            values -= valueBytes;
            value.CopyTo(block[values..]);
            Span<byte> entry = block.Slice(end, entryBytes);
            end += entryBytes;
            entry[Xattr.NameLength] = (byte)name.Length;
            entry[Xattr.NameIndex] = index;
            Set16(entry, Xattr.ValueOffset, value.IsEmpty ? (ushort)0 : (ushort)values);
            Set32(entry, Xattr.ValueBytes, (uint)value.Length);
            name.CopyTo(entry[Xattr.EntryBytes..]);
            Set32(entry, Xattr.Hash, Hash(name, block.Slice(values, valueBytes)));
            return true;
        }

        // Of the name's bytes and the value's words, as the format says.
        private static uint Hash(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
        {
            uint hash = 0;
            foreach (byte letter in name)
                hash = (hash << 5) ^ (hash >> 27) ^ letter;
            for (int i = 0; i < value.Length; i += 4)
                hash = (hash << 16) ^ (hash >> 16) ^ Get32(value, i);
            return hash;
        }
    }
}
