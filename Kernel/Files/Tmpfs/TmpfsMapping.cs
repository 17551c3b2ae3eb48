using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Files.Tmpfs;

/// <summary>The pages of a tmpfs file: their only home. A hole has no page and reads as zeros.</summary>
/// <remarks>Linux: the <c>address_space</c> of a shmem inode. Each page is charged to the mount when it comes and released when it goes.</remarks>
internal sealed class TmpfsMapping : AddressSpace
{
    private TmpfsInode inode = null!;
    private TmpfsSuperblock superblock = null!;

    public override ulong SizeBytes => inode.Size;
    public override bool IsShmem => true;

    internal void Initialize(TmpfsInode inode, TmpfsSuperblock superblock)
    {
        this.inode = inode;
        this.superblock = superblock;
        Initialize(superblock.Caches.PageCache);
    }

    /// <summary>A page that nobody has written is all zeros already.</summary>
    public override Errno ReadPage(Pfn page, ulong index) => Errno.None;

    /// <summary>Changes the file's length; holds the inode's lock.</summary>
    internal void Resize(ulong size)
    {
        bool shrinks = size <= inode.Size;
        inode.Size = size;
        if (shrinks)
            Truncate(size);
    }

    protected override Errno ChargePage() => superblock.ReserveBlock();

    protected override void UnchargePage() => superblock.ReleaseBlocks(1);
}
