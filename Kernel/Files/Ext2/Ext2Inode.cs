using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Structures;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>A file of an ext2, in memory.</summary>
/// <remarks>
/// Linux: <c>ext2_inode_info</c>. Parts: its record (<c>Ext2Inode.Record.cs</c>), block map (<c>.Map.cs</c>), directory (<c>.Directory.cs</c>),
/// names (<c>.Names.cs</c>), extended attributes (<c>.Attributes.cs</c>), what is not on the disk yet (<c>.Sync.cs</c>).
/// </remarks>
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
    private ushort extraLength;

    // Its record has whatever was there before.
    private bool isNew;

    [InlineArray(BlockPointers)]
    private struct PointerArray
    {
        private uint first;
    }

    /// <summary>Guards the block map: pointers, indirect blocks, the count of sectors. Linux: <c>truncate_mutex</c>.</summary>
    public Mutex MapLock;

    /// <summary>Its place in the superblock's tree.</summary>
    internal RedBlackLinks<Ext2Inode> InMemory;

    /// <summary>Deleted, without users, and not yet free: see <c>Ext2Superblock.Freeing.cs</c>.</summary>
    internal bool IsDeleted { get; private set; }
    internal Ext2Inode? NextDead;

    /// <summary>It is being freed now.</summary>
    internal bool IsDying;

    /// <summary>It lost blocks that the disk still knows as its own.</summary>
    internal bool IsCut;
    internal Ext2Inode? NextCut;

    /// <summary>The last reference has gone and the inode is being written or freed: who looks for its number waits.</summary>
    public bool IsEvicting { get; private set; }

    /// <summary>It could not be read.</summary>
    public bool IsBad { get; private set; }

    public override AddressSpace? Mapping => IsRegular || FileMode.IsSymbolicLink(Mode) ? mapping : null;
    public Ext2Mapping Pages => mapping;
    public new Ext2Superblock Superblock => superblock;

    /// <summary>The order of the superblock's tree.</summary>
    internal readonly struct ByNumber : IRedBlackTraits<Ext2Inode>, IRedBlackOrder<Ext2Inode>
    {
        public static ref RedBlackLinks<Ext2Inode> Links(Ext2Inode node) => ref node.InMemory;

        public static bool Update(Ext2Inode node) => false;

        public static bool Before(Ext2Inode left, Ext2Inode right) => left.Number < right.Number;
    }

    internal void Prepare(Ext2Superblock owner, uint number, Ext2Mapping pages)
    {
        superblock = owner;
        mapping = pages;
        pages.Initialize(this, owner);
        touched.Initialize(owner.Ext2.PageCache.Nodes);
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
        isNew = true;
        AccessTime = ModifyTime = ChangeTime = BirthTime = Now;
        MarkInodeDirty();
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
        AccessTime = Round(AccessTime);
        ModifyTime = Round(ModifyTime);
        ChangeTime = Round(ChangeTime);
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
            BeginGrowth();
            Size = size;
            MarkInodeDirty();
            return Errno.None;
        }
        // The last page stays: it must be in memory to have its end cleared, as the disk's block has old bytes there.
        if ((size & PageSize.Mask) != 0)
        {
            if (!mapping.FindOrCreatePage(size >> PageSize.Shift).TryGet(out Pfn page, out Errno error))
                return error;
            mapping.Cache.Frames.LetGo(page);
        }
        Size = size;
        mapping.Truncate(size);
        TruncateBlocks(size);
        MarkInodeDirty();
        return Errno.None;
    }

    /// <summary>Before the file gets longer. Holds the inode's lock. Linux: <c>pagecache_isize_extended</c>.</summary>
    /// <remarks>
    /// A shared mapping may have written behind the end in the last page: that is cleared. And it may go on to write there without a fault: where
    /// blocks are smaller than pages, the blocks behind the end are not taken yet, so the page is write-protected to hear of it.
    /// </remarks>
    internal void BeginGrowth()
    {
        ulong offset = Size & PageSize.Mask;
        ulong index = Size >> PageSize.Shift;
        if (offset == 0 || !mapping.FindPage(index).TryGet(out Pfn page, out _))
            return;
        if (superblock.BlockSize < PageSize.Bytes)
            Rmap.PageMkclean(mapping.Cache.Frames, page);
        DirectMap.Page(page)[(int)offset..].Clear();
        mapping.Cache.Frames.LetGo(page);
    }

    /// <summary>The last user of a deleted file has gone: its pages go at once, the rest when the disk has forgotten it.</summary>
    internal void BecomeDead()
    {
        IsDeleted = true;
        IsDirty = false;
        Size = 0;
        mapping.Truncate(0);
        superblock.RemoveDirty(this);
        ForgetTouched();
        DropIndex();
    }

    protected override void Evict()
    {
        IsEvicting = true;
        if (Links == 0 && !IsBad)
        {
            if (HasBlocks)
                TruncateBlocks(0);
            DropAttributeBlock();
            superblock.FreeInodeNumber((uint)Number, IsDirectory);
        }
        else
        {
            mapping.WriteAndWait(0, ulong.MaxValue);
            WriteBack();
        }
        mapping.Evict();
        superblock.RemoveDirty(this);
        ForgetTouched();
        DropIndex();
        superblock.RemoveFromMemory(this);
    }

    protected override void FreeObject()
    {
        Ext2Type type = superblock.Ext2;
        type.Mappings.Free(mapping);
        type.Inodes.Free(this);
    }

    // The block of extended attributes may be other files', too.
    private void DropAttributeBlock()
    {
        if (!superblock.IsDataBlock(fileAcl) || !superblock.Metadata.Read(fileAcl).TryGet(out Pfn page, out _))
            return;
        Span<byte> block = superblock.Metadata.Bytes(page);
        uint users = Get32(block, Xattr.Users);
        if (users > 1)
        {
            Set32(block, Xattr.Users, users - 1);
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
