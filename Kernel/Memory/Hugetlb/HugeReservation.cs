using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Hugetlb;

/// <summary>The promise of pages to one private mapping: which of them have been used.</summary>
/// <remarks>
/// Linux: <c>resv_map</c> of a VMA with <c>HPAGE_RESV_OWNER</c>. Hangs from <see cref="VmArea.PrivateData"/>; the parts of a mapping that was cut
/// share it. A child of a fork is promised nothing. Guarded by the mm's lock for writing, and for a fault by the kernel not being preempted.
/// </remarks>
internal sealed class HugeReservation
{
    private HugePool _pool = null!;
    private KernelArrays _arrays = null!;
    private ulong[] _used = null!;
    private ulong _first;
    private int _areas;

    /// <summary>The address space that was promised the pages.</summary>
    private MmStruct _owner = null!;

    /// <summary>A part that moved away and is about to be unmapped where it was: its promise moved with it.</summary>
    private PageRange _moved;

    /// <summary>Promises all pages of <paramref name="area"/>, which is not linked yet.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>; then nothing is promised.</returns>
    public static Errno Make(HugetlbSystem system, VmArea area)
    {
        ulong pages = area.Bytes >> PageSize.LargeShift;
        HugePool pool = system.Pool;
        Errno error = pool.Reserve(pages);
        if (error != Errno.None)
            return error;
        KernelArrays arrays = area.Mm.System.Physical.Arrays;
        HugeReservation? made = system.Reservations.Allocate();
        ulong[]? used = made is null ? null : arrays.Allocate<ulong>((int)((pages + 63) >> 6));
        if (used is null)
        {
            if (made is not null)
                system.Reservations.Free(made);
            pool.Unreserve(pages);
            return Errno.ENOMEM;
        }

        made!._pool = pool;
        made._arrays = arrays;
        made._used = used;
        made._first = area.PageOffset >> FrameAllocator.HugeOrder;
        made._owner = area.Mm;
        made._areas = 1;
        area.PrivateData = made;
        return Errno.None;
    }

    /// <summary>A further area has a part of the mapping: a cut, a move, or a fork's child, which gets no share.</summary>
    public static void Opened(VmArea area)
    {
        if (area.PrivateData is not HugeReservation reservation)
            return;
        if (ReferenceEquals(reservation._owner, area.Mm))
            reservation._areas++;
        else
            area.PrivateData = null;
    }

    /// <summary>An area goes: what it was promised and did not use is given back.</summary>
    public static void Closed(HugetlbSystem system, VmArea area)
    {
        if (area.PrivateData is not HugeReservation reservation)
            return;
        Released(area, area.Range);
        area.PrivateData = null;
        if (--reservation._areas != 0)
            return;
        reservation._arrays.Free(reservation._used);
        system.Reservations.Free(reservation);
    }

    /// <summary>A part of an area goes.</summary>
    public static void Released(VmArea area, PageRange part)
    {
        if (area.PrivateData is not HugeReservation reservation)
            return;
        if (part == reservation._moved)
        {
            reservation._moved = default;
            return;
        }

        ulong unused = 0;
        ulong index = area.PageIndexOf(part.Start) >> FrameAllocator.HugeOrder;
        for (ulong i = part.Bytes >> PageSize.LargeShift; i > 0; i--, index++)
            unused += reservation.TryUse(index) ? 1UL : 0;
        if (unused != 0)
            reservation._pool.Unreserve(unused);
    }

    /// <summary>How many pages of <paramref name="area"/> are still promised; for memfsck.</summary>
    public static ulong CountPromises(VmArea area)
    {
        if (area.PrivateData is not HugeReservation reservation)
            return 0;
        ulong count = 0;
        ulong bit = (area.PageOffset >> FrameAllocator.HugeOrder) - reservation._first;
        for (ulong end = bit + (area.Bytes >> PageSize.LargeShift); bit < end && bit >> 6 < (ulong)reservation._used.Length; bit++)
            count += (reservation._used[(int)(bit >> 6)] >> (int)(bit & 63) & 1) == 0 ? 1UL : 0;
        return count;
    }

    /// <summary>A part was moved by <c>mremap</c>; when it is unmapped at its old place nothing is to be given back.</summary>
    public static void Moved(VmArea area, PageRange source)
    {
        if (area.PrivateData is HugeReservation reservation)
            reservation._moved = source;
    }

    /// <summary>Whether the page of the file with number <paramref name="index"/> is still promised; then it is no longer.</summary>
    public bool TryUse(ulong index)
    {
        ulong bit = index - _first;
        if (bit >> 6 >= (ulong)_used.Length)
            return false;
        ref ulong word = ref _used[(int)(bit >> 6)];
        ulong mask = 1UL << (int)(bit & 63);
        bool unused = (word & mask) == 0;
        word |= mask;
        return unused;
    }

    /// <summary>The page could not be taken after all.</summary>
    public void Unuse(ulong index) => _used[(int)((index - _first) >> 6)] &= ~(1UL << (int)((index - _first) & 63));
}
