using System;
using NanoVm.Core;

namespace NanoVm.Files.Tmpfs;

/// <summary>Memory files without a place in the tree: <c>memfd_create</c>, System V segments. (Shared anonymous memory is Memory's own.)</summary>
/// <remarks>Linux: <c>shmem_file_setup</c>, <c>shm_mnt</c>. They live in a tmpfs of their own that is mounted nowhere and has no limit; those of huge pages in a hugetlbfs alike.</remarks>
internal sealed class ShmemFiles
{
    private readonly Vfs vfs;
    private readonly TmpfsSuperblock superblock;
    private readonly Mount mount;

    private ShmemFiles(Vfs vfs, TmpfsSuperblock superblock, Mount mount)
    {
        this.vfs = vfs;
        this.superblock = superblock;
        this.mount = mount;
    }

    /// <summary>Makes the hidden mount, at boot.</summary>
    public static Result<ShmemFiles> Create(Vfs vfs, TmpfsType type)
    {
        var options = new TmpfsOptions { Mode = 0x3FF };
        if (!TmpfsSuperblock.Allocate(vfs, type, MountFlags.None, options).TryGet(out TmpfsSuperblock superblock, out Errno error))
            return error;
        Mount? mount = Mount.Allocate(vfs, superblock, superblock.Root, MountFlags.None, default);
        return mount is null ? Errno.ENOMEM : new ShmemFiles(vfs, superblock, mount);
    }

    /// <summary>A file of zeros, open for reading and writing, with one reference.</summary>
    /// <param name="name">What <c>maps</c> and /proc/PID/fd show behind the slash, with " (deleted)" after it.</param>
    /// <param name="promise">All of its memory is promised at once; else each page when it comes.</param>
    /// <returns>EINVAL when it is too large, ENOMEM.</returns>
    public Result<OpenFile> Open(ReadOnlySpan<byte> name, ulong bytes, uint mode, uint uid, uint gid, bool promise = false)
    {
        if (bytes > superblock.MaximumSize)
            return Errno.EINVAL;
        if (!superblock.MakeInode(FileMode.Regular | mode, uid, gid, 0).TryGet(out TmpfsInode inode, out Errno error))
            return error;
        inode.Links = 0;
        inode.Size = bytes;
        bool isPromised = !promise || (inode.Huge is { } huge
            ? huge.Reserve(0, bytes >> PageSize.LargeShift) == Errno.None
            : inode.Pages!.Promise(PageCount.FromBytesRoundedUp(bytes).Value) == Errno.None);
        if (!isPromised)
        {
            inode.Put();
            return Errno.ENOMEM;
        }

        Dentry? entry = Dentry.Allocate(vfs, superblock, mount.Root, name);
        if (entry is null)
        {
            inode.Put();
            return Errno.ENOMEM;
        }
        entry.Attach(inode);
        var path = new PathRef(mount, entry);
        const OpenFlags flags = OpenFlags.ReadWrite | OpenFlags.LargeFile;
        OpenFile? file = superblock.IsHuge ? HugeFile.Allocate(superblock.Caches, path, flags) : TmpfsFile.Allocate(superblock.Caches, path, flags);
        // Not counted as opened for writing: it can be run while its descriptor is there, as on Linux (alloc_file).
        entry.Put();
        return file is null ? Errno.ENOMEM : file;
    }
}
