using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Ext2;

/// <summary>The file system <c>ext2</c>: <c>mount -t ext2 /dev/vda /mnt</c>. A disk that is mounted already is the same instance.</summary>
internal sealed class Ext2Type : FileSystemType
{
    private Ext2Superblock? first;

    public Ext2Type(PageCache cache)
    {
        PageCache = cache;
        PhysicalMemory memory = cache.Memory;
        Superblocks = new ObjectCache<Ext2Superblock>(memory, "ext2_sb"u8);
        Metadata = new ObjectCache<Ext2Metadata>(memory, "ext2_metadata"u8);
        Inodes = new ObjectCache<Ext2Inode>(memory, "ext2_inode_cache"u8);
        Mappings = new ObjectCache<Ext2Mapping>(memory, "ext2_mapping"u8);
        Files = new ObjectCache<Ext2File>(memory, "filp_ext2"u8);
        Directories = new ObjectCache<Ext2DirectoryFile>(memory, "filp_ext2_dir"u8);
        Indices = new ObjectCache<Ext2DirectoryIndex>(memory, "ext2_dir_index"u8);
        MapOperations = new DiskMapOperations(cache);
    }

    public override ReadOnlySpan<byte> Name => "ext2"u8;
    public override bool NeedsDevice => true;
    public PageCache PageCache { get; }
    public ObjectCache<Ext2Superblock> Superblocks { get; }
    public ObjectCache<Ext2Metadata> Metadata { get; }
    public ObjectCache<Ext2Inode> Inodes { get; }
    public ObjectCache<Ext2Mapping> Mappings { get; }
    public ObjectCache<Ext2File> Files { get; }
    public ObjectCache<Ext2DirectoryFile> Directories { get; }
    public ObjectCache<Ext2DirectoryIndex> Indices { get; }
    public DiskMapOperations MapOperations { get; }

    public override Result<Superblock> Create(Vfs vfs, TaskFiles? who, ReadOnlySpan<byte> source, MountFlags flags, ReadOnlySpan<byte> options)
    {
        if (who is null)
            return Errno.EINVAL;
        if (!vfs.Find(who, Vfs.AtWorkingDirectory, source, WalkFlags.FollowLast).TryGet(out PathRef place, out Errno error))
            return error;
        Inode node = place.Dentry.Inode!;
        bool isBlock = (node.Mode & FileMode.TypeMask) == FileMode.BlockDevice;
        BlockDevice? device = isBlock ? vfs.Blocks.Find(node.Rdev) : null;
        bool denied = (place.Mount.Flags & MountFlags.NoDevices) != 0;
        place.Put();
        if (!isBlock)
            return Errno.ENOTBLK;
        if (denied)
            return Errno.EACCES;
        if (device is null)
            return Errno.ENXIO;
        if (device.IsReadOnly && (flags & MountFlags.ReadOnly) == 0)
            return Errno.EACCES;

        for (Ext2Superblock? mounted = first; mounted is not null; mounted = mounted.NextInstance)
        {
            if (!ReferenceEquals(mounted.Disk, device))
                continue;
            // Read-only or not must be as it is.
            return ((mounted.Flags ^ flags) & MountFlags.ReadOnly) != 0 ? Errno.EBUSY : mounted.Get();
        }
        if (!device.TryClaim())
            return Errno.EBUSY;
        if (!Ext2Superblock.Open(vfs, this, device, flags).TryGet(out Ext2Superblock superblock, out error))
        {
            device.ReleaseClaim();
            return error;
        }
        superblock.NextInstance = first;
        first = superblock;
        return superblock;
    }

    internal void Remove(Ext2Superblock superblock)
    {
        ref Ext2Superblock? link = ref first;
        while (link is not null && !ReferenceEquals(link, superblock))
            link = ref link.NextInstance;
        if (link is null)
            return;
        link = superblock.NextInstance;
        superblock.Disk.ReleaseClaim();
    }
}
