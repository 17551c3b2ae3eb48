using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Tmpfs;

/// <summary>Where the objects of all tmpfs instances come from.</summary>
internal sealed class TmpfsCaches
{
    public TmpfsCaches(PageCache pageCache)
    {
        PhysicalMemory memory = pageCache.Memory;
        PageCache = pageCache;
        MapOperations = new FileMapOperations(pageCache);
        Memory = memory;
        Superblocks = new ObjectCache<TmpfsSuperblock>(memory, "shmem_sb"u8);
        Inodes = new ObjectCache<TmpfsInode>(memory, "shmem_inode_cache"u8);
        Mappings = new ObjectCache<TmpfsMapping>(memory, "shmem_mapping"u8);
        Files = new ObjectCache<TmpfsFile>(memory, "filp_shmem"u8);
    }

    public PageCache PageCache { get; }

    /// <summary>What areas that map a tmpfs file do on a fault.</summary>
    public FileMapOperations MapOperations { get; }
    public PhysicalMemory Memory { get; }
    public ObjectCache<TmpfsSuperblock> Superblocks { get; }
    public ObjectCache<TmpfsInode> Inodes { get; }
    public ObjectCache<TmpfsMapping> Mappings { get; }
    public ObjectCache<TmpfsFile> Files { get; }
}
