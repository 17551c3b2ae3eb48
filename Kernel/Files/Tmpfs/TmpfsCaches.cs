using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Tmpfs;

/// <summary>Where the objects of all tmpfs instances come from.</summary>
internal sealed class TmpfsCaches
{
    public TmpfsCaches(PageCache pageCache, HugetlbSystem hugetlb)
    {
        PhysicalMemory memory = pageCache.Memory;
        PageCache = pageCache;
        MapOperations = new FileMapOperations(pageCache);
        Memory = memory;
        HugePool = hugetlb.Pool;
        HugeOperations = new HugeMapOperations(hugetlb);
        HugeSegmentOperations = new HugeSegmentMapOperations(hugetlb);
        HugeSpaces = new ObjectCache<HugeFileSpace>(memory, "hugetlbfs_inode_cache"u8);
        HugeFiles = new ObjectCache<HugeFile>(memory, "filp_hugetlbfs"u8);
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

    /// <summary>Where the pages of hugetlbfs come from, how areas of them behave, and those of System V segments.</summary>
    public HugePool HugePool { get; }
    public HugeMapOperations HugeOperations { get; }
    public HugeSegmentMapOperations HugeSegmentOperations { get; }
    public ObjectCache<HugeFileSpace> HugeSpaces { get; }
    public ObjectCache<HugeFile> HugeFiles { get; }
}
