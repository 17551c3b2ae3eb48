using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Tmpfs;

/// <summary>All System V shared memory segments.</summary>
/// <remarks>Linux: <c>ipc_ids</c> of <c>ipc/shm.c</c>. A table by slot that grows; an identifier is slot + 32768 × sequence, so that a stale one is noticed.</remarks>
internal sealed class SharedSegments
{
    /// <summary>Linux: <c>IPCMNI</c>.</summary>
    public const int SlotsPerSequence = 32768;
    private const int FirstSlotCount = 64;

    /// <summary>Limits that <c>/proc/sys/kernel</c> changes: bytes of one segment, pages of all, segments. Linux: <c>SHMMAX</c>, <c>SHMALL</c>, <c>SHMMNI</c>.</summary>
    public ulong MaximumBytes = ulong.MaxValue - (1UL << 24);
    public ulong MaximumPages = ulong.MaxValue - (1UL << 24);
    public ulong Maximum = 4096;

    /// <summary>Pages of all segments. Linux: <c>shm_tot</c>.</summary>
    public ulong TotalPages { get; private set; }

    private readonly Vfs vfs;
    private readonly ObjectCache<SharedSegment> objects;
    private SharedSegment?[] slots;

    /// <summary>The table of boot, used again when all segments have gone.</summary>
    private readonly SharedSegment?[] firstSlots;
    private int sequence;

    /// <summary>The slot that was given last: the next one follows, so that an identifier is used again as late as can be.</summary>
    private int lastSlot = -1;

    /// <summary>Linux: <c>shm_ids.rwsem</c>.</summary>
    public Mutex Lock;

    public SharedSegments(Vfs vfs, PageCache cache)
    {
        this.vfs = vfs;
        objects = new ObjectCache<SharedSegment>(cache.Memory, "shmid_kernel"u8);
        slots = firstSlots = new SharedSegment?[FirstSlotCount];
        MapOperations = new SegmentMapOperations(cache);
    }

    public SegmentMapOperations MapOperations { get; }
    public int Count { get; private set; }

    /// <summary>Slots that may hold a segment.</summary>
    public int SlotCount => slots.Length;

    public SharedSegment? At(int slot) => (uint)slot < (uint)slots.Length ? slots[slot] : null;

    /// <summary>The segment of an identifier, or null. Holds <see cref="Lock"/>.</summary>
    public SharedSegment? Find(int identifier)
        => identifier >= 0 && At(identifier % SlotsPerSequence) is { } segment && segment.Identifier == identifier ? segment : null;

    /// <summary>The segment of a key, or null. Holds <see cref="Lock"/>. Segments are few: the table is looked through.</summary>
    public SharedSegment? FindKey(int key)
    {
        foreach (SharedSegment? segment in slots)
        {
            if (segment is not null && segment.Key == key && !segment.IsRemoved)
                return segment;
        }
        return null;
    }

    /// <summary>Makes a segment. Holds <see cref="Lock"/>.</summary>
    /// <param name="promise">Its memory counts as promised at once (no <c>SHM_NORESERVE</c>).</param>
    /// <param name="isHuge">Of huge pages of the pool (<c>SHM_HUGETLB</c>).</param>
    /// <returns>EINVAL for a size that is not allowed, ENOSPC when there are too many or too large ones, ENOMEM.</returns>
    public Result<SharedSegment> Make(TaskFiles who, int key, ulong bytes, uint mode, bool promise, bool isHuge = false)
    {
        if (bytes == 0 || bytes > MaximumBytes)
            return Errno.EINVAL;
        ulong pages = PageCount.FromBytesRoundedUp(bytes).Value;
        if (TotalPages + pages > MaximumPages)
            return Errno.ENOSPC;
        if (bytes > long.MaxValue)
            return Errno.ENOMEM;                             // more than a file can be
        if ((ulong)Count >= Maximum)
            return Errno.ENOSPC;
        int slot = NextSlot();
        if (slot >= slots.Length && !Grow())
            return Errno.ENOMEM;
        SharedSegment? segment = objects.Allocate();
        if (segment is null)
            return Errno.ENOMEM;
        Span<byte> name = stackalloc byte[16];
        var text = new TextWriter(name);
        text.Text("SYSV"u8);
        text.Hex((uint)key, 8);
        Credentials credentials = who.Credentials;
        ulong fileBytes = isHuge ? (bytes + PageSize.LargeBytes - 1) & ~(PageSize.LargeBytes - 1) : bytes;
        if (!(isHuge ? vfs.HugeFiles : vfs.Shmem).Open(text.Written, fileBytes, 0x1FF, credentials.EffectiveUid, credentials.EffectiveGid, promise).TryGet(out OpenFile file, out Errno error))
        {
            objects.Free(segment);
            return error;
        }
        segment.Table = this;
        segment.File = file;
        segment.Key = key;
        segment.Uid = segment.CreatorUid = credentials.EffectiveUid;
        segment.Gid = segment.CreatorGid = credentials.EffectiveGid;
        segment.Mode = mode & 0x1FF;
        segment.Bytes = bytes;
        segment.ChangeTime = vfs.Now.Seconds;
        segment.CreatorProcess = who.ProcessNumber;
        if (slot <= lastSlot)
            sequence = (sequence + 1) % (int.MaxValue / SlotsPerSequence);
        lastSlot = slot;
        segment.Identifier = slot + SlotsPerSequence * sequence;
        ((TmpfsInode)file.Inode).Segment = segment;
        slots[slot] = segment;
        Count++;
        TotalPages += pages;
        return segment;
    }

    /// <summary>Frees a removed segment that nobody maps or holds.</summary>
    internal void FreeIfUnused(SharedSegment segment)
    {
        if (!segment.IsRemoved || segment.Attachments > 0 || segment.Holders > 0)
            return;
        slots[segment.Identifier % SlotsPerSequence] = null;
        TotalPages -= segment.Pages;
        if (--Count == 0 && !ReferenceEquals(slots, firstSlots))
        {
            vfs.Arrays.Free(slots);
            slots = firstSlots;
        }

        OpenFile file = segment.File;
        ((TmpfsInode)file.Inode).Segment = null;
        objects.Free(segment);
        file.Put();
    }

    /// <summary>The free slot after the last one that was given, in a ring with room for half as many again. Linux: <c>ipc_idr_alloc</c>.</summary>
    private int NextSlot()
    {
        int ring = Math.Min(Math.Max(Count * 3 / 2, FirstSlotCount), SlotsPerSequence);
        for (int slot = lastSlot + 1; slot < ring; slot++)
        {
            if (At(slot) is null)
                return slot;
        }
        int first = 0;
        while (At(first) is not null)
            first++;
        return first;
    }

    private bool Grow()
    {
        SharedSegment?[]? larger = vfs.Arrays.Allocate<SharedSegment?>(slots.Length * 2);
        if (larger is null)
            return false;
        for (int i = 0; i < slots.Length; i++)
            larger[i] = slots[i];
        // The first table lives from boot; only later ones are given back.
        if (!ReferenceEquals(slots, firstSlots))
            vfs.Arrays.Free(slots);
        else
            new Span<SharedSegment?>(firstSlots).Clear();
        slots = larger;
        return true;
    }
}
