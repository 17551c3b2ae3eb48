using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Tmpfs;

/// <summary>The file system in memory: <c>mount -t tmpfs</c>, and the root that the initramfs is unpacked into.</summary>
/// <remarks>
/// Linux: <c>mm/shmem.c</c>; man 5 tmpfs. Options: <c>size nr_blocks nr_inodes mode uid gid</c>. Registered under several names: a type
/// that is shared (devtmpfs) answers one instance for all its mounts.
/// </remarks>
internal sealed class TmpfsType : FileSystemType
{
    private readonly byte[] name;
    private readonly bool isShared;
    private TmpfsSuperblock? shared;

    /// <param name="caches">Where inodes and files of all instances come from.</param>
    /// <param name="isShared">All mounts show the same instance, which is made at once and never goes.</param>
    /// <param name="isHuge">Files are of huge pages of the pool: hugetlbfs.</param>
    public TmpfsType(TmpfsCaches caches, ReadOnlySpan<byte> name, bool isShared, bool isHuge = false)
    {
        IsHuge = isHuge;
        Caches = caches;
        this.name = new byte[name.Length];
        name.CopyTo(this.name);
        this.isShared = isShared;
    }

    public TmpfsCaches Caches { get; }
    public bool IsHuge { get; }
    public override ReadOnlySpan<byte> Name => name;

    public override Result<Superblock> Create(Vfs vfs, TaskFiles? who, ReadOnlySpan<byte> source, MountFlags flags, ReadOnlySpan<byte> options)
    {
        if (shared is not null)
            return shared.Get();
        // The size when none is given is half of all memory, as in Linux; without a user (the root at boot) nobody is asked.
        ulong half = Caches.Memory.Frames.TotalFrames.Value / 2;
        var settings = new TmpfsOptions { Blocks = half, Inodes = half, Mode = isShared ? 0x1EDu : who is null ? 0x1EDu : 0x3FFu };
        if (who is not null)
        {
            settings.Uid = who.Credentials.FileUid;
            settings.Gid = who.Credentials.FileGid;
        }
        Errno error = settings.Parse(options, Caches.Memory.Frames.TotalFrames.Value);
        if (error != Errno.None)
            return error;
        if (!TmpfsSuperblock.Allocate(vfs, this, flags, settings).TryGet(out TmpfsSuperblock superblock, out error))
            return error;
        if (isShared)
            shared = (TmpfsSuperblock)superblock.Get();
        return superblock;
    }
}
