using System;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>What makes two user addresses the same futex.</summary>
/// <remarks>
/// Linux: <c>union futex_key</c>. Private memory: the address space and the address. Shared memory: the file's page cache and the place
/// in it, whatever address each process sees it at. Only compared, never followed: the objects may go while a key names them, and a wrong
/// match then is no more than a wake-up without reason, which every user of futexes must stand.
/// </remarks>
internal readonly struct FutexKey : IEquatable<FutexKey>
{
    private const ulong KindPrivate = 0, KindSharedAnonymous = 1, KindFile = 2;

    private readonly ulong _owner;
    private readonly ulong _place;
    private readonly ulong _kind;

    private FutexKey(ulong owner, ulong place, ulong kind)
    {
        _owner = owner;
        _place = place;
        _kind = kind;
    }

    public bool Equals(FutexKey other) => _owner == other._owner && _place == other._place && _kind == other._kind;

    public override bool Equals(object? other) => other is FutexKey key && Equals(key);

    public override int GetHashCode() => (int)Hash;

    /// <summary>Well mixed in its upper bits.</summary>
    public ulong Hash => (_owner ^ (_place * 0x9e37_79b9_7f4a_7c15)) * 0xff51_afd7_ed55_8ccd;

    /// <summary>Finds the key of a futex word of the calling task.</summary>
    /// <param name="isPrivate">FUTEX_PRIVATE_FLAG: the caller promises that no other address space has it.</param>
    /// <returns><see cref="Errno.EINVAL"/> when not aligned; <see cref="Errno.EFAULT"/> when nothing can be there.</returns>
    /// <remarks>Linux: <c>get_futex_key</c>. Takes the mm's lock for reading unless private. May sleep.</remarks>
    public static unsafe Errno Of(Task task, VirtAddr address, bool isPrivate, out FutexKey key)
    {
        key = default;
        if ((address.Value & 3) != 0)
            return Errno.EINVAL;
        if (!UserSpace.Contains(address, sizeof(uint)) || task.Mm is not { } mm)
            return Errno.EFAULT;
        ulong self = (ulong)ObjectFactory.AddressOf(mm);
        if (isPrivate)
        {
            key = new FutexKey(self, address.Value, KindPrivate);
            return Errno.None;
        }

        // The page must be there, so that a hole in an address space is an error and not a sleep for ever.
        if (UserCopy.Get(address, out uint _) != Errno.None)
            return Errno.EFAULT;
        mm.MmapLock.ReadLock();
        VmArea? area = mm.FindVmaIntersection(new PageRange(address.PageDown(), address.PageDown() + PageSize.Bytes));
        Errno error = Errno.None;
        if (area is null)
            error = Errno.EFAULT;
        else if ((area.Flags & VmFlags.Shared) != 0 && area.File?.Mapping is { } mapping)
            key = new FutexKey((ulong)ObjectFactory.AddressOf(mapping), (area.PageIndexOf(address) << PageSize.Shift) + address.PageOffset, KindFile);
        else
            key = new FutexKey(self, address.Value, KindSharedAnonymous);
        mm.MmapLock.ReadUnlock();
        return error;
    }
}
