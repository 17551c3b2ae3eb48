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

    /// <summary>Changes the file's length; holds the inode's lock. What comes into sight at the end reads as zeros.</summary>
    internal void Resize(ulong size)
    {
        ulong old = inode.Size;
        if (size > old)
            ClearTail(old);
        inode.Size = size;
        if (size < old)
            Truncate(size);
    }

    /// <summary>Clears the bytes behind the end in the last page: a shared mapping may have written there.</summary>
    internal void ClearTail(ulong size)
    {
        ulong offset = size & PageSize.Mask;
        if (offset == 0 || !FindPage(size >> PageSize.Shift).TryGet(out Pfn page, out _))
            return;
        DirectMap.Page(page)[(int)offset..].Clear();
        Cache.Frames.Put(page);
    }

    protected override Errno ChargePage() => superblock.ReserveBlock();

    protected override void UnchargePage() => superblock.ReleaseBlocks(1);
}
