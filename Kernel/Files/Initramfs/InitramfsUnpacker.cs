using System;
using NanoVm.Core;
using NanoVm.Files.Tmpfs;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Initramfs;

/// <summary>Unpacks the initramfs into the root file system, before the first task.</summary>
/// <remarks>
/// Linux: <c>unpack_to_rootfs</c>. A later entry replaces an earlier one of the same name; folders that are missing are made; hard links
/// are found again by inode number. A damaged archive costs the entries after the damage and nothing else.
/// </remarks>
internal ref struct InitramfsUnpacker
{
    private readonly Vfs vfs;
    private readonly TmpfsSuperblock superblock;

    // Open-addressed table from (device, inode) to the first name's inode; grows by doubling.
    private HardLink[]? links;
    private int linkCount;

    private struct HardLink
    {
        public ulong Device;
        public uint Number;
        public TmpfsInode? Inode;
    }

    private InitramfsUnpacker(Vfs vfs, TmpfsSuperblock superblock)
    {
        this.vfs = vfs;
        this.superblock = superblock;
    }

    /// <summary>Entries unpacked.</summary>
    public int Count { get; private set; }

    /// <summary>Unpacks all archives in <paramref name="bytes"/> into the root mount, which must be a tmpfs.</summary>
    /// <param name="count">Entries that are there now.</param>
    /// <returns>EINVAL when the bytes are damaged, ENOMEM, ENOSPC: what was unpacked before stays.</returns>
    public static Errno Unpack(Vfs vfs, ReadOnlySpan<byte> bytes, out int count)
        => Unpack(vfs, (TmpfsSuperblock)vfs.Mounts.Root.Superblock, bytes, out count);

    /// <summary>Unpacks into any tmpfs.</summary>
    /// <inheritdoc cref="Unpack(Vfs, ReadOnlySpan{byte}, out int)"/>
    public static Errno Unpack(Vfs vfs, TmpfsSuperblock superblock, ReadOnlySpan<byte> bytes, out int count)
    {
        var unpacker = new InitramfsUnpacker(vfs, superblock);
        Errno error = unpacker.UnpackAll(bytes);
        unpacker.ForgetLinks();
        count = unpacker.Count;
        return error;
    }

    private Errno UnpackAll(ReadOnlySpan<byte> bytes)
    {
        var reader = new CpioReader(bytes);
        for (; ; )
        {
            switch (reader.Next(out CpioEntry entry))
            {
                case CpioStatus.End:
                    return Errno.None;
                case CpioStatus.Damaged:
                    return Errno.EINVAL;
                case CpioStatus.Trailer:
                    ForgetLinks();                           // inode numbers mean something within one archive only
                    continue;
            }
            Errno error = UnpackEntry(entry);
            if (error is Errno.ENOMEM or Errno.ENOSPC)
                return error;
            if (error == Errno.None)
                Count++;
        }
    }

    private Errno UnpackEntry(scoped in CpioEntry entry)
    {
        Errno error = FindParent(entry.Name, out Dentry parent, out ReadOnlySpan<byte> name);
        if (error != Errno.None)
            return error;
        if (name.IsEmpty)
        {
            // The archive's own root, "." or "/": only its attributes matter.
            if (FileMode.IsDirectory(entry.Mode))
                SetAttributes((TmpfsInode)parent.Inode!, entry);
            return Errno.None;
        }
        Dentry? old = parent.Children.Find(name, Dentry.HashName(name));
        if (old is not null)
        {
            if (old.IsDirectory && FileMode.IsDirectory(entry.Mode))
            {
                SetAttributes((TmpfsInode)old.Inode!, entry);
                return Errno.None;
            }
            if (old.IsDirectory)
                return Errno.EISDIR;
            // The last name of a file that has several carries the data; the names before it are empty.
            if (IsKnownLink(entry, old.Inode!) && entry.Data.IsEmpty)
                return Errno.None;
            TmpfsEntries.Remove(old);
        }
        return UnpackNew(entry, parent, name);
    }

    private Errno UnpackNew(scoped in CpioEntry entry, Dentry parent, scoped ReadOnlySpan<byte> name)
    {
        if (FileMode.IsRegular(entry.Mode) && entry.Links > 1 && FindLink(entry) is { } first)
        {
            Errno linked = AddName(parent, name, first, isNew: false);
            if (linked != Errno.None || entry.Data.IsEmpty)
                return linked;
            // newc puts the data of a file with several names at the last of them.
            return WriteData(first, entry);
        }
        uint type = entry.Mode & FileMode.TypeMask;
        if (type is not (FileMode.Regular or FileMode.Directory or FileMode.SymbolicLink or FileMode.CharacterDevice or FileMode.BlockDevice
            or FileMode.Fifo or FileMode.Socket))
            return Errno.EINVAL;
        if (type == FileMode.SymbolicLink && (entry.Data.IsEmpty || entry.Data.Length >= Vfs.PathMaximum))
            return Errno.EINVAL;
        ulong device = FileMode.IsDevice(entry.Mode) ? DeviceNumber.Make(entry.RdevMajor, entry.RdevMinor) : 0;
        if (!superblock.MakeInode(type | (entry.Mode & FileMode.PermissionMask), entry.Uid, entry.Gid, device).TryGet(out TmpfsInode inode, out Errno error))
            return error;
        if (type == FileMode.SymbolicLink)
            error = inode.SetLinkText(TrimZero(entry.Data));
        else if (type == FileMode.Regular)
            error = WriteData(inode, entry);
        if (error == Errno.None && type == FileMode.Regular && entry.Links > 1)
            error = RememberLink(entry, inode);
        if (error == Errno.None)
            error = AddName(parent, name, inode, isNew: true);
        if (error != Errno.None)
        {
            inode.Links = 0;
            inode.Put();
            return error;
        }
        SetAttributes(inode, entry);
        return Errno.None;
    }

    private static ReadOnlySpan<byte> TrimZero(ReadOnlySpan<byte> text) => text[^1] == 0 && text.Length > 1 ? text[..^1] : text;

    private static Errno WriteData(TmpfsInode inode, scoped in CpioEntry entry)
    {
        TmpfsMapping pages = inode.Pages!;
        ReadOnlySpan<byte> data = entry.Data;
        pages.Resize(0);                                     // a hostile archive may give one file its data twice
        for (int offset = 0; offset < data.Length; offset += (int)PageSize.Bytes)
        {
            if (!pages.FindOrCreatePage((ulong)offset >> PageSize.Shift).TryGet(out Pfn page, out Errno error))
                return error;
            ReadOnlySpan<byte> part = data[offset..];
            if (part.Length > (int)PageSize.Bytes)
                part = part[..(int)PageSize.Bytes];
            part.CopyTo(DirectMap.Page(page));
            pages.MarkDirty(page);
            pages.Cache.Frames.LetGo(page);
        }
        inode.Size = (ulong)data.Length;
        return Errno.None;
    }

    private static void SetAttributes(TmpfsInode inode, scoped in CpioEntry entry)
    {
        inode.Mode = (inode.Mode & FileMode.TypeMask) | (entry.Mode & FileMode.PermissionMask);
        inode.Uid = entry.Uid;
        inode.Gid = entry.Gid;
        inode.ModifyTime = inode.AccessTime = new FileTime(entry.ModifyTime, 0);
    }

    // Finds or makes the folders on the way. "." is nothing, ".." is refused: an archive never reaches outside.
    private Errno FindParent(ReadOnlySpan<byte> path, out Dentry parent, out ReadOnlySpan<byte> name)
    {
        parent = superblock.Root;
        name = default;
        for (; ; )
        {
            while (!path.IsEmpty && path[0] == (byte)'/')
                path = path[1..];
            if (path.IsEmpty)
            {
                // A path that ends in "/": the last folder is the entry itself.
                return Errno.None;
            }
            int slash = path.IndexOf((byte)'/');
            ReadOnlySpan<byte> component = slash < 0 ? path : path[..slash];
            path = slash < 0 ? default : path[slash..];
            if (component.Length == 1 && component[0] == (byte)'.')
                continue;
            if (component.Length > Vfs.NameMaximum)
                return Errno.ENAMETOOLONG;
            if (component.SequenceEqual(".."u8))
                return Errno.EINVAL;
            if (IsOnlySlashes(path))
            {
                name = component;
                return Errno.None;
            }
            Dentry? child = parent.Children.Find(component, Dentry.HashName(component));
            if (child is null)
            {
                if (!TmpfsEntries.Make(parent, component, FileMode.Directory | 0x1ED, 0).TryGet(out child, out Errno error))
                    return error;
            }
            if (!child.IsDirectory)
                return Errno.ENOTDIR;
            parent = child;
        }
    }

    private static bool IsOnlySlashes(ReadOnlySpan<byte> path)
    {
        foreach (byte b in path)
        {
            if (b != (byte)'/')
                return false;
        }
        return true;
    }

    // Adds a name and leaves the folder's time alone: the archive says it, and may have said it already.
    private static Errno AddName(Dentry parent, scoped ReadOnlySpan<byte> name, TmpfsInode inode, bool isNew)
    {
        FileTime keep = parent.Inode!.ModifyTime;
        Result<Dentry> entry = TmpfsEntries.Add(parent, name, inode, isNew);
        parent.Inode!.ModifyTime = keep;
        return entry.Error;
    }

    // ---- Hard links --------------------------------------------------------------------------------------------------------------

    private readonly bool IsKnownLink(scoped in CpioEntry entry, Inode inode)
        => entry.Links > 1 && FileMode.IsRegular(entry.Mode) && ReferenceEquals(FindLink(entry), inode);

    private readonly TmpfsInode? FindLink(scoped in CpioEntry entry)
    {
        if (links is null)
            return null;
        ulong device = ((ulong)entry.DeviceMajor << 32) | entry.DeviceMinor;
        for (int i = Slot(device, entry.Inode, links.Length); links[i].Inode is { } inode; i = (i + 1) & (links.Length - 1))
        {
            if (links[i].Device == device && links[i].Number == entry.Inode)
                return inode;
        }
        return null;
    }

    private Errno RememberLink(scoped in CpioEntry entry, TmpfsInode inode)
    {
        if (links is null || linkCount * 2 >= links.Length)
        {
            Errno error = GrowLinks();
            if (error != Errno.None)
                return error;
        }
        ulong device = ((ulong)entry.DeviceMajor << 32) | entry.DeviceMinor;
        inode.Get();                                         // the table's own, until the end of the archive
        Put(links!, new HardLink { Device = device, Number = entry.Inode, Inode = inode });
        linkCount++;
        return Errno.None;
    }

    private Errno GrowLinks()
    {
        HardLink[]? larger = vfs.Arrays.Allocate<HardLink>(links is null ? 64 : links.Length * 2);
        if (larger is null)
            return Errno.ENOMEM;
        HardLink[]? old = links;
        links = larger;
        if (old is null)
            return Errno.None;
        for (int i = 0; i < old.Length; i++)
        {
            if (old[i].Inode is not null)
                Put(larger, old[i]);
        }
        vfs.Arrays.Free(old);
        return Errno.None;
    }

    private static void Put(HardLink[] table, in HardLink link)
    {
        int i = Slot(link.Device, link.Number, table.Length);
        while (table[i].Inode is not null)
            i = (i + 1) & (table.Length - 1);
        table[i] = link;
    }

    private static int Slot(ulong device, uint number, int size)
        => (int)(((device ^ number) * 0x9E37_79B9_7F4A_7C15) >> 40) & (size - 1);

    private void ForgetLinks()
    {
        if (links is null)
            return;
        for (int i = 0; i < links.Length; i++)
            links[i].Inode?.Put();
        vfs.Arrays.Free(links);
        links = null;
        linkCount = 0;
    }
}
