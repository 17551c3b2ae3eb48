using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>A file of an ext2, in memory.</summary>
/// <remarks>Linux: <c>ext2_inode_info</c>. Parts: block map (<c>Ext2Inode.Map.cs</c>), directory (<c>Ext2Inode.Directory.cs</c>), names (<c>Ext2Inode.Names.cs</c>).</remarks>
internal sealed partial class Ext2Inode : Inode
{
    private Ext2Superblock superblock = null!;
    private Ext2Mapping mapping = null!;
    private PointerArray pointers;
    private uint sectors;
    private uint flags;
    private uint fileAcl;
    private uint generation;
    private uint lastAllocated;

    [InlineArray(BlockPointers)]
    private struct PointerArray
    {
        private uint first;
    }

    /// <summary>Guards the block map: pointers, indirect blocks, the count of sectors. Linux: <c>truncate_mutex</c>.</summary>
    public Mutex MapLock;

    internal Ext2Inode? HashNext;
    internal Ext2Inode? NextInMemory;
    internal Ext2Inode? PreviousInMemory;

    /// <summary>Something differs from the inode table.</summary>
    public bool IsDirty { get; private set; }

    /// <summary>The last reference has gone and the inode is being written or freed: who looks for its number waits.</summary>
    public bool IsEvicting { get; private set; }

    /// <summary>It could not be read.</summary>
    public bool IsBad { get; private set; }

    public override AddressSpace? Mapping => IsRegular || FileMode.IsSymbolicLink(Mode) ? mapping : null;
    public Ext2Mapping Pages => mapping;
    public new Ext2Superblock Superblock => superblock;

    internal void Prepare(Ext2Superblock owner, uint number, Ext2Mapping pages)
    {
        superblock = owner;
        mapping = pages;
        pages.Initialize(this, owner);
        Initialize(owner, number, 0, 0, 0);
    }

    /// <summary>A new inode's first state.</summary>
    internal void Fill(uint mode, uint uid, uint gid, uint newGeneration)
    {
        Mode = mode;
        Uid = uid;
        Gid = gid;
        Links = 0;
        generation = newGeneration;
        AccessTime = ModifyTime = ChangeTime = new FileTime(Vfs.Now.Seconds, 0);
        MarkInodeDirty();
    }

    /// <summary>Fills the object from the inode table. Holds <see cref="MapLock"/>.</summary>
    internal Errno ReadFromDisk()
    {
        IsBad = true;
        if (!superblock.ReadInodeBlock((uint)Number, out int at).TryGet(out Pfn page, out Errno error))
            return error;
        ReadOnlySpan<byte> raw = superblock.Metadata.Bytes(page).Slice(at, Node.Length);
        Mode = Get16(raw, Node.Mode);
        Uid = Get16(raw, Node.Uid) | ((uint)Get16(raw, Node.UidHigh) << 16);
        Gid = Get16(raw, Node.Gid) | ((uint)Get16(raw, Node.GidHigh) << 16);
        Links = Get16(raw, Node.Links);
        Size = Get32(raw, Node.Size) | (IsRegular ? (ulong)Get32(raw, Node.SizeHigh) << 32 : 0);
        AccessTime = new FileTime((int)Get32(raw, Node.AccessTime), 0);
        ModifyTime = new FileTime((int)Get32(raw, Node.ModifyTime), 0);
        ChangeTime = new FileTime((int)Get32(raw, Node.ChangeTime), 0);
        sectors = Get32(raw, Node.Sectors);
        flags = Get32(raw, Node.Flags);
        fileAcl = Get32(raw, Node.FileAcl);
        generation = Get32(raw, Node.Generation);
        for (int i = 0; i < BlockPointers; i++)
            pointers[i] = Get32(raw, Node.Pointers + i * 4);
        superblock.Metadata.Release(page);
        // A name that leads to an unused inode, or one of no kind: the disk is damaged.
        if (Links == 0 || (Mode & FileMode.TypeMask) is not (FileMode.Regular or FileMode.Directory or FileMode.SymbolicLink
            or FileMode.CharacterDevice or FileMode.BlockDevice or FileMode.Fifo or FileMode.Socket) || Size > long.MaxValue)
        {
            Links = 1;                                       // the object goes without touching the disk
            return Errno.EIO;
        }
        if (FileMode.IsDevice(Mode))
            Rdev = DecodeDevice();
        IsBad = false;
        return Errno.None;
    }

    /// <summary>Marks that the inode table has to be written.</summary>
    internal void MarkInodeDirty() => IsDirty = true;

    /// <summary>Puts the inode into its table, which is written with the other metadata. Linux: <c>ext2_write_inode</c>.</summary>
    public override Errno WriteBack()
    {
        if (!IsDirty || IsBad)
            return Errno.None;
        if (!superblock.ReadInodeBlock((uint)Number, out int at).TryGet(out Pfn page, out Errno error))
            return error;
        IsDirty = false;
        Span<byte> raw = superblock.Metadata.Bytes(page).Slice(at, Node.Length);
        Set16(raw, Node.Mode, (ushort)Mode);
        Set16(raw, Node.Uid, (ushort)Uid);
        Set16(raw, Node.UidHigh, (ushort)(Uid >> 16));
        Set16(raw, Node.Gid, (ushort)Gid);
        Set16(raw, Node.GidHigh, (ushort)(Gid >> 16));
        Set16(raw, Node.Links, (ushort)Links);
        Set32(raw, Node.Size, (uint)Size);
        if (IsRegular)
        {
            Set32(raw, Node.SizeHigh, (uint)(Size >> 32));
            if (Size > int.MaxValue)
                superblock.RequireLargeFiles();
        }
        Set32(raw, Node.AccessTime, (uint)AccessTime.Seconds);
        Set32(raw, Node.ModifyTime, (uint)ModifyTime.Seconds);
        Set32(raw, Node.ChangeTime, (uint)ChangeTime.Seconds);
        Set32(raw, Node.DeleteTime, Links == 0 ? (uint)Vfs.Now.Seconds : 0);
        Set32(raw, Node.Sectors, sectors);
        Set32(raw, Node.Flags, flags);
        Set32(raw, Node.FileAcl, fileAcl);
        Set32(raw, Node.Generation, generation);
        for (int i = 0; i < BlockPointers; i++)
            Set32(raw, Node.Pointers + i * 4, pointers[i]);
        superblock.Metadata.MarkDirty(page);
        superblock.Metadata.Release(page);
        return Errno.None;
    }

    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags openFlags)
    {
        if (IsDirectory)
            return Ext2DirectoryFile.Allocate(superblock.Ext2, path, openFlags) is { } directory ? directory : Errno.ENOMEM;
        if (!IsRegular)
            return Errno.ENXIO;
        if ((flags & FlagImmutable) != 0 && (openFlags & OpenFlags.AccessMask) != OpenFlags.ReadOnly)
            return Errno.EPERM;
        return Ext2File.Allocate(superblock.Ext2, path, openFlags) is { } file ? file : Errno.ENOMEM;
    }

    public override void GetAttributes(ref FileStat stat)
    {
        base.GetAttributes(ref stat);
        stat.Blocks = sectors;
    }

    public override Errno SetAttributes(in AttributeChange change)
    {
        if ((change.Valid & Attributes.Size) != 0 && change.Size != Size)
        {
            Errno error = SetSize(change.Size);
            if (error != Errno.None)
                return error;
        }
        ApplyAttributes(change);
        MarkInodeDirty();
        return Errno.None;
    }

    /// <summary>Changes the length; holds the inode's lock. What comes into sight reads as zeros.</summary>
    internal Errno SetSize(ulong size)
    {
        if (size > superblock.MaximumSize)
            return Errno.EFBIG;
        if (size > Size)
        {
            ClearTail();
            Size = size;
            MarkInodeDirty();
            return Errno.None;
        }
        // The last page stays: it must be in memory to have its end cleared, as the disk's block has old bytes there.
        if ((size & PageSize.Mask) != 0)
        {
            if (!mapping.FindOrCreatePage(size >> PageSize.Shift).TryGet(out Pfn page, out Errno error))
                return error;
            mapping.Cache.Frames.Put(page);
        }
        Size = size;
        mapping.Truncate(size);
        TruncateBlocks(size);
        MarkInodeDirty();
        return Errno.None;
    }

    /// <summary>Clears what a shared mapping may have written behind the end in the last page. Holds the inode's lock.</summary>
    internal void ClearTail()
    {
        ulong offset = Size & PageSize.Mask;
        if (offset == 0 || !mapping.FindPage(Size >> PageSize.Shift).TryGet(out Pfn page, out _))
            return;
        DirectMap.Page(page)[(int)offset..].Clear();
        mapping.Cache.Frames.Put(page);
    }

    protected override void Evict()
    {
        IsEvicting = true;
        if (Links == 0 && !IsBad)
        {
            Size = 0;
            mapping.Truncate(0);
            if (HasBlocks)
                TruncateBlocks(0);
            DropAttributeBlock();
            MarkInodeDirty();
            WriteBack();
            superblock.FreeInodeNumber((uint)Number, IsDirectory);
        }
        else
        {
            mapping.WriteDirtyPages(0, ulong.MaxValue);
            WriteBack();
        }
        mapping.Evict();
        superblock.RemoveFromMemory(this);
    }

    protected override void FreeObject()
    {
        Ext2Type type = superblock.Ext2;
        type.Mappings.Free(mapping);
        type.Inodes.Free(this);
    }

    // Extended attributes that another system gave the file lie in a block that several files may share: the count is its second word.
    private void DropAttributeBlock()
    {
        if (fileAcl == 0 || !superblock.Metadata.Read(fileAcl).TryGet(out Pfn page, out _))
            return;
        Span<byte> block = superblock.Metadata.Bytes(page);
        uint users = Get32(block, 4);
        if (users > 1)
        {
            Set32(block, 4, users - 1);
            superblock.Metadata.MarkDirty(page);
        }
        superblock.Metadata.Release(page);
        if (users <= 1)
            superblock.FreeBlock(fileAcl);
        fileAcl = 0;
        sectors = 0;
    }

    // Small numbers have 8 bits each in the first pointer, others the kernel's packed form in the second.
    private ulong DecodeDevice()
    {
        if (pointers[0] != 0)
            return DeviceNumber.Make((pointers[0] >> 8) & 0xFF, pointers[0] & 0xFF);
        uint packed = pointers[1];
        return DeviceNumber.Make((packed >> 8) & 0xFFF, (packed & 0xFF) | ((packed >> 12) & 0xFFF00));
    }

    private void EncodeDevice(ulong device)
    {
        uint major = DeviceNumber.Major(device);
        uint minor = DeviceNumber.Minor(device);
        if (major < 256 && minor < 256)
            pointers[0] = (major << 8) | minor;
        else
            pointers[1] = (minor & 0xFF) | (major << 8) | ((minor & ~0xFFu) << 12);
    }
}
