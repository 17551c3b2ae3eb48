using NanoVm.Core;
using NanoVm.Hal;

namespace NanoVm.Memory.Mapping;

/// <summary>Where a page of a file lies on its disk.</summary>
internal enum DiskPlacement
{
    /// <summary>Side by side, from the sector told on.</summary>
    Whole,
    /// <summary>In pieces: swap cannot use the page.</summary>
    Scattered,
    /// <summary>Nowhere, or not all of it.</summary>
    Hole,
}

/// <summary>What swap needs of an open file: a disk, where the file's pages lie on it, and that nobody else writes there.</summary>
/// <remarks>Linux: <c>swap_activate</c>, <c>bmap</c>, <c>S_SWAPFILE</c>.</remarks>
internal abstract partial class MappableFile
{
    /// <summary>The disk that the file is, or that has its blocks; null: nobody can swap to it.</summary>
    public virtual BlockDevice? Disk => null;

    /// <summary>Whether the file is the disk itself.</summary>
    public virtual bool IsDisk => false;

    /// <summary>Whole pages in the file.</summary>
    public virtual ulong DiskPages => 0;

    /// <summary>From now on swap alone writes to the file's blocks; what waits to be written is written first.</summary>
    /// <returns><see cref="Errno.EBUSY"/> when somebody swaps to it or has it mounted, <see cref="Errno.EINVAL"/> when it has no disk, <see cref="Errno.EIO"/>.</returns>
    public virtual Errno BeginSwap() => Errno.EINVAL;

    /// <summary>It is an ordinary file again.</summary>
    public virtual void EndSwap()
    {
    }

    /// <summary>Where a page lies. Sleeps.</summary>
    /// <param name="sector">The first of its sectors, when they lie side by side.</param>
    public virtual Result<DiskPlacement> FindOnDisk(ulong page, out ulong sector)
    {
        sector = page << (PageSize.Shift - BlockDevice.SectorShift);
        return DiskPlacement.Whole;
    }
}
