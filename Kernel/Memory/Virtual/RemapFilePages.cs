using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>Shows another part of a shared file at a place: the <c>remap_file_pages</c> call, as Linux emulates it, by a new mapping.</summary>
internal sealed partial class MmStruct
{
    /// <returns>Where; or <see cref="Errno.EINVAL"/> unless the range lies in areas that share one file without a gap.</returns>
    /// <remarks>Holds <see cref="MmapLock"/> for writing.</remarks>
    public Result<VirtAddr> RemapFilePages(VirtAddr start, ulong bytes, ulong pageOffset, MapFlags flags, out ulong populate)
    {
        populate = 0;
        start = start.PageDown();
        bytes &= ~PageSize.Mask;
        if (start + bytes <= start || pageOffset + (bytes >> PageSize.Shift) < pageOffset)
            return Errno.EINVAL;
        if (LookupVma(start) is not { } area || (area.Flags & VmFlags.Shared) == 0 || area.File is not { } file)
            return Errno.EINVAL;

        VmArea last = area;
        while (start + bytes > last.End)
        {
            if (last.Next is not { } next || next.Start != last.End || !ReferenceEquals(next.File, file) || next.Flags != area.Flags)
                return Errno.EINVAL;
            last = next;
        }

        // The file's own reference may go with the old mapping.
        file.Get();
        var request = new MmapRequest
        {
            File = file,
            Address = start,
            Length = bytes,
            Protection = (Protection)(uint)(area.Flags & VmFlags.AccessMask),
            Flags = (flags & MapFlags.NonBlock) | MapFlags.Shared | MapFlags.Fixed | MapFlags.Populate
                | ((area.Flags & VmFlags.Locked) != 0 ? MapFlags.Locked : MapFlags.None),
            PageOffset = pageOffset,
        };
        Result<VirtAddr> result = DoMmap(request, out populate);
        file.Put();
        return result;
    }
}
