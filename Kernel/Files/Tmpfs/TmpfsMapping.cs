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

    public override void WrittenByMapping() => inode.ModifyTime = inode.ChangeTime = superblock.Vfs.Now;

    /// <summary>Changes the file's length; holds the inode's lock.</summary>
    internal void Resize(ulong size)
    {
        bool shrinks = size <= inode.Size;
        inode.Size = size;
        if (shrinks)
            Truncate(size);
    }

    /// <summary>Pages promised in one piece when the file was made; each page of other files is promised when it comes. Linux: <c>VM_NORESERVE</c> not set.</summary>
    internal ulong PromisedPages;

    /// <summary>Promises all of a file whose size never changes (a System V segment).</summary>
    internal Errno Promise(ulong pages)
    {
        Errno error = Cache.System is { } system ? system.CommitShared(pages) : Errno.None;
        if (error == Errno.None)
            PromisedPages = pages;
        return error;
    }

    /// <summary>Gives all pages and promises back: the last act before the object is freed.</summary>
    internal new void Evict()
    {
        base.Evict();
        Cache.System?.Uncommit(PromisedPages);
    }

    /// <summary>Pages that were promised one by one: those that the file has, and one that is just coming.</summary>
    private ulong chargedPages;

    /// <inheritdoc/>
    internal override ulong CommittedPages => PromisedPages + chargedPages;

    protected override Errno ChargePage()
    {
        Errno error = superblock.ReserveBlock();
        if (error != Errno.None || PromisedPages != 0 || Cache.System is not { } system)
            return error;
        if (system.CommitShared(1) == Errno.None)
        {
            chargedPages++;
            return Errno.None;
        }

        superblock.ReleaseBlocks(1);
        return Errno.ENOSPC;
    }

    protected override void UnchargePage()
    {
        superblock.ReleaseBlocks(1);
        if (PromisedPages != 0 || Cache.System is not { } system)
            return;
        chargedPages--;
        system.Uncommit(1);
    }
}
