using System;
using NanoVm.Core;
using NanoVm.Files.Tmpfs;
using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files;

/// <summary>Builds the file side of the machine at boot: the types, the root mount, the hidden mount of memory files.</summary>
internal static class FilesSetup
{
    /// <summary>Makes the <see cref="Vfs"/> with an empty tmpfs as its root. Called once by <c>Kernel.cs</c>, before the first task.</summary>
    public static Vfs Build(PageCache pageCache, HugetlbSystem hugetlb)
    {
        var vfs = new Vfs(pageCache.Memory);
        var caches = new TmpfsCaches(pageCache, hugetlb);
        var tmpfs = new TmpfsType(caches, "tmpfs"u8, isShared: false);
        vfs.Register(tmpfs);
        vfs.Register(new TmpfsType(caches, "ramfs"u8, isShared: false));
        var hugetlbfs = new TmpfsType(caches, "hugetlbfs"u8, isShared: false, isHuge: true);
        vfs.Register(hugetlbfs);
        vfs.Register(new Ext2.Ext2Type(pageCache));
        if (vfs.MountRoot(tmpfs, "mode=755"u8) != Errno.None)
            Panic.Now("no memory for the root file system"u8);
        if (!ShmemFiles.Create(vfs, tmpfs).TryGet(out ShmemFiles shmem, out _))
            Panic.Now("no memory for the memory files"u8);
        vfs.Shmem = shmem;
        if (!ShmemFiles.Create(vfs, hugetlbfs).TryGet(out ShmemFiles hugeFiles, out _))
            Panic.Now("no memory for the memory files"u8);
        vfs.HugeFiles = hugeFiles;
        vfs.Segments = new SharedSegments(vfs, pageCache);
        return vfs;
    }
}
