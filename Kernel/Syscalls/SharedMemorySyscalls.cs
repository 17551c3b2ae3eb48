using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Tmpfs;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>System V shared memory: <c>shmget shmat shmdt shmctl</c>; man 7 sysvipc.</summary>
internal static unsafe class SharedMemorySyscalls
{
    private const uint Create = 0x200;
    private const uint Exclusive = 0x400;
    private const uint HugePages = 0x800;
    private const uint NoReserve = 0x1000;

    private const uint AttachReadOnly = 0x1000;
    private const uint AttachRound = 0x2000;
    private const uint AttachRemap = 0x4000;
    private const uint AttachExecute = 0x8000;

    private enum Command
    {
        Remove = 0,
        Set = 1,
        Stat = 2,
        Info = 3,
        Lock = 11,
        Unlock = 12,
        SlotStat = 13,
        SegmentsInfo = 14,
        SlotStatAny = 15,
    }

    /// <summary><c>struct shmid64_ds</c> of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserSegment
    {
        public int Key;
        public uint Uid;
        public uint Gid;
        public uint CreatorUid;
        public uint CreatorGid;
        public uint Mode;
        public ushort Sequence;
        public ushort Pad;
        public uint Pad2;
        public ulong Unused1;
        public ulong Unused2;
        public ulong Bytes;
        public long AttachTime;
        public long DetachTime;
        public long ChangeTime;
        public int CreatorProcess;
        public int LastProcess;
        public ulong Attachments;
        public ulong Unused4;
        public ulong Unused5;
    }

    /// <summary><c>struct shminfo64</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserLimits
    {
        public ulong MaximumBytes;
        public ulong MinimumBytes;
        public ulong MaximumSegments;
        public ulong MaximumPerProcess;
        public ulong MaximumPages;
        public fixed ulong Unused[4];
    }

    /// <summary><c>struct shm_info</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserUsage
    {
        public int Segments;
        public int Pad;
        public ulong TotalPages;
        public ulong ResidentPages;
        public ulong SwappedPages;
        public ulong SwapAttempts;
        public ulong SwapSuccesses;
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(29, "shmget"u8, &Get);
        table.Add(30, "shmat"u8, &Attach);
        table.Add(31, "shmctl"u8, &Control);
        table.Add(67, "shmdt"u8, &Detach);
    }

    /// <summary>man 2 shmget.</summary>
    private static SysResult Get(ref SyscallArguments a)
    {
        SharedSegments segments = a.Task.Fs.Vfs.Segments;
        segments.Lock.Lock();
        SysResult result = Get(a.Task, segments, a.Int0, a.Arg1, a.UInt2);
        segments.Lock.Unlock();
        return result;
    }

    private static SysResult Get(Task task, SharedSegments segments, int key, ulong bytes, uint flags)
    {
        SharedSegment? segment = key == 0 ? null : segments.FindKey(key);
        if (segment is null)
        {
            if (key != 0 && (flags & Create) == 0)
                return Errno.ENOENT;
            bool isHuge = (flags & HugePages) != 0;
            Errno error = isHuge ? MayMakeHuge(task, flags) : Errno.None;
            if (error != Errno.None)
                return error;
            if (!segments.Make(task, key, bytes, flags, promise: (flags & NoReserve) == 0, isHuge).TryGet(out segment, out error))
                return error;
            return segment.Identifier;
        }
        if ((flags & (Create | Exclusive)) == (Create | Exclusive))
            return Errno.EEXIST;
        if (bytes > segment.Bytes)
            return Errno.EINVAL;
        return MayUse(task, segment, flags & 0x1FF) ? segment.Identifier : Errno.EACCES;
    }

    // Linux: can_do_hugetlb_shm.
    private static Errno MayMakeHuge(Task task, uint flags)
    {
        Errno error = HugePageSize.Check(flags, Errno.EINVAL);
        if (error != Errno.None)
            return error;
        Credentials who = task.Credentials;
        return who.Has(Capability.IpcLock) || who.IsInGroup(task.System.Memory.Hugetlb.Pool.SegmentGroup) ? Errno.None : Errno.EPERM;
    }

    /// <summary>man 2 shmat.</summary>
    private static SysResult Attach(ref SyscallArguments a)
    {
        Task task = a.Task;
        uint flags = a.UInt2;
        VirtAddr address = a.Address1;
        if (a.Int0 < 0)
            return Errno.EINVAL;
        if (!address.IsPageAligned)
        {
            if ((flags & AttachRound) == 0)
                return Errno.EINVAL;
            address = address.PageDown();
            if (address.IsZero && (flags & AttachRemap) != 0)
                return Errno.EINVAL;
        }
        else if (address.IsZero && (flags & AttachRemap) != 0)
        {
            return Errno.EINVAL;
        }
        SharedSegments segments = task.Fs.Vfs.Segments;
        segments.Lock.Lock();
        SharedSegment? segment = segments.Find(a.Int0);
        Errno error = Errno.None;
        if (segment is null)
            error = Errno.EINVAL;
        else if (!MayUse(task, segment, ((flags & AttachReadOnly) != 0 ? 0x124u : 0x1B6u) | ((flags & AttachExecute) != 0 ? 0x49u : 0)))
            error = Errno.EACCES;
        if (error == Errno.None)
            segment!.Holders++;
        segments.Lock.Unlock();
        if (error != Errno.None)
            return error;

        Result<VirtAddr> mapped = Map(task, segment!, address, isFixed: !a.Address1.IsZero, flags);
        segments.Lock.Lock();
        segment!.Holders--;
        segments.FreeIfUnused(segment);
        segments.Lock.Unlock();
        return mapped;
    }

    private static Result<VirtAddr> Map(Task task, SharedSegment segment, VirtAddr address, bool isFixed, uint flags)
    {
        MmStruct mm = task.Mm!;
        Protection protection = Protection.Read;
        if ((flags & AttachReadOnly) == 0)
            protection |= Protection.Write;
        if ((flags & AttachExecute) != 0)
            protection |= Protection.Execute;
        var request = new MmapRequest
        {
            File = segment.File,
            Address = address,
            Length = segment.File.IsHuge ? segment.File.Inode.Size : segment.Bytes,
            Protection = protection,
            Withheld = (flags & AttachReadOnly) != 0 ? Access.Write : Access.None,
            Flags = MapFlags.Shared | (isFixed ? MapFlags.Fixed : 0),
        };
        if (mm.MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Result<VirtAddr> result;
        ulong populate = 0;
        if (!address.IsZero && (flags & AttachRemap) == 0
            && PageRange.TryCreate(address, segment.Bytes, out PageRange wanted) && mm.FindVmaIntersection(wanted) is not null)
            result = Errno.EINVAL;
        else
            result = mm.DoMmap(request, out populate);
        mm.MmapLock.WriteUnlock();
        UserfaultContext.TakeBackAfter(null);       // Linux tells watchers nothing of segments that come and go
        // After mlockall(MCL_FUTURE).
        if (populate != 0)
            mm.Populate(new PageRange(result.Value, result.Value + populate));
        return result;
    }

    /// <summary>man 2 shmdt: all that the attachment at this address has left.</summary>
    private static SysResult Detach(ref SyscallArguments a)
    {
        VirtAddr start = a.Address0;
        if (!start.IsPageAligned)
            return Errno.EINVAL;
        MmStruct mm = a.Task.Mm!;
        if (mm.MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        SysResult result = Errno.EINVAL;
        VmArea? area = mm.FindVma(start);
        // The first area that belongs to an attachment which began at this address.
        while (area is not null && !IsPartOf(area, start, null))
            area = area.Next;
        if (area is not null)
        {
            SharedSegment segment = SegmentMapOperations.SegmentOf(area)!;
            VirtAddr end = (start + segment.Bytes).PageUp();
            while (area is not null && area.Start < end)
            {
                VmArea? next = area.Next;
                VirtAddr areaStart = area.Start;
                if (IsPartOf(area, start, segment))
                {
                    Errno error = mm.DoMunmap(area.Range);
                    if (error != Errno.None)
                    {
                        result = error;
                        break;
                    }
                    result = SysResult.Success;
                    next = mm.FindVma(areaStart);
                }
                area = next;
            }
        }
        mm.MmapLock.WriteUnlock();
        UserfaultContext.TakeBackAfter(null);
        return result;
    }

    private static bool IsPartOf(VmArea area, VirtAddr start, SharedSegment? wanted)
        => area.Start >= start && area.Start - start == area.PageOffset << PageSize.Shift
            && area.Operations is SegmentMapOperations or HugeSegmentMapOperations && SegmentMapOperations.SegmentOf(area) is { } segment
            && (wanted is null || ReferenceEquals(segment, wanted));

    /// <summary>man 2 shmctl.</summary>
    private static SysResult Control(ref SyscallArguments a)
    {
        SharedSegments segments = a.Task.Fs.Vfs.Segments;
        var command = (Command)a.Int1;
        if (a.Int1 < 0 || a.Int0 < 0)
            return Errno.EINVAL;
        switch (command)
        {
            case Command.Info:
                return PutLimits(segments, a.Address2);
            case Command.SegmentsInfo:
                return PutUsage(segments, a.Address2);
            case Command.Remove or Command.Set or Command.Stat or Command.Lock or Command.Unlock or Command.SlotStat or Command.SlotStatAny:
                break;
            default:
                return Errno.EINVAL;
        }
        UserSegment user = default;
        if (command == Command.Set)
        {
            Errno error = UserCopy.Get(a.Address2, out user);
            if (error != Errno.None)
                return error;
        }
        segments.Lock.Lock();
        SharedSegment? segment = command is Command.SlotStat or Command.SlotStatAny ? segments.At(a.Int0 % SharedSegments.SlotsPerSequence) : segments.Find(a.Int0);
        SysResult result = segment is null ? Errno.EINVAL : Control(a.Task, segments, segment, command, ref user);
        segments.Lock.Unlock();
        if (!result.IsError && command is Command.Stat or Command.SlotStat or Command.SlotStatAny)
        {
            Errno error = result.IsError ? Errno.None : UserCopy.Put(a.Address2, user);
            if (error != Errno.None)
                return error;
        }
        return result;
    }

    private static SysResult Control(Task task, SharedSegments segments, SharedSegment segment, Command command, ref UserSegment user)
    {
        switch (command)
        {
            case Command.Stat or Command.SlotStat:
                if (!MayUse(task, segment, 0x124))
                    return Errno.EACCES;
                Fill(segment, out user);
                return command == Command.Stat ? 0 : segment.Identifier;
            case Command.SlotStatAny:
                Fill(segment, out user);
                return segment.Identifier;
            case Command.Lock or Command.Unlock:
                return SetLocked(task, segments, segment, command == Command.Lock);
        }
        if (!IsOwner(task, segment, Capability.SysAdmin))
            return Errno.EPERM;
        if (command == Command.Set)
        {
            if (user.Uid == uint.MaxValue || user.Gid == uint.MaxValue)
                return Errno.EINVAL;
            segment.Uid = user.Uid;
            segment.Gid = user.Gid;
            segment.Mode = user.Mode & 0x1FF;
            segment.ChangeTime = task.Fs.Vfs.Now.Seconds;
            return SysResult.Success;
        }
        segment.IsRemoved = true;
        segment.Key = 0;
        segments.FreeIfUnused(segment);
        return SysResult.Success;
    }

    // Linux: shmctl_do_lock, user_shm_lock. The pages stay in memory; they are not brought in.
    private static SysResult SetLocked(Task task, SharedSegments segments, SharedSegment segment, bool locked)
    {
        ulong limit = task.Limits.Soft(Resource.LockedMemory);
        bool mayAll = task.Credentials.Has(Capability.IpcLock);
        if (!mayAll && (!IsOwner(task, segment, Capability.IpcLock) || (locked && limit == 0)))
            return Errno.EPERM;
        if (locked == segment.IsLocked)
            return SysResult.Success;
        uint user = task.Credentials.Uid;
        if (locked && !mayAll && limit != ResourceLimits.Infinity && PagesLockedBy(segments, user) + segment.Pages > limit >> PageSize.Shift)
            return Errno.ENOMEM;
        segment.IsLocked = locked;
        segment.LockedBy = user;
        segment.File.Mapping!.IsUnevictable = locked;
        return SysResult.Success;
    }

    private static ulong PagesLockedBy(SharedSegments segments, uint user)
    {
        ulong pages = 0;
        for (int slot = 0; slot < segments.SlotCount; slot++)
        {
            if (segments.At(slot) is { IsLocked: true } segment && segment.LockedBy == user)
                pages += segment.Pages;
        }

        return pages;
    }

    private static void Fill(SharedSegment segment, out UserSegment user)
    {
        user = default;
        user.Key = segment.Key;
        user.Uid = segment.Uid;
        user.Gid = segment.Gid;
        user.CreatorUid = segment.CreatorUid;
        user.CreatorGid = segment.CreatorGid;
        user.Mode = segment.ShownMode;
        user.Sequence = (ushort)(segment.Identifier >> 15);
        user.Bytes = segment.Bytes;
        user.AttachTime = segment.AttachTime;
        user.DetachTime = segment.DetachTime;
        user.ChangeTime = segment.ChangeTime;
        user.CreatorProcess = segment.CreatorProcess;
        user.LastProcess = segment.LastProcess;
        user.Attachments = (ulong)segment.Attachments;
    }

    private static SysResult PutLimits(SharedSegments segments, VirtAddr to)
    {
        var limits = new UserLimits
        {
            MaximumBytes = segments.MaximumBytes,
            MinimumBytes = 1,
            MaximumSegments = segments.Maximum,
            MaximumPerProcess = segments.Maximum,
            MaximumPages = segments.MaximumPages,
        };
        Errno error = UserCopy.Put(to, limits);
        return error == Errno.None ? HighestSlot(segments) : error;
    }

    private static SysResult PutUsage(SharedSegments segments, VirtAddr to)
    {
        UserUsage usage = default;
        segments.Lock.Lock();
        usage.Segments = segments.Count;
        usage.TotalPages = segments.TotalPages;
        for (int slot = 0; slot < segments.SlotCount; slot++)
        {
            if (segments.At(slot) is not { } segment)
                continue;
            usage.ResidentPages += segment.File.Mapping!.PageTotal;
            usage.SwappedPages += segment.File.Mapping!.SwappedPages;
        }
        int highest = HighestSlot(segments);
        segments.Lock.Unlock();
        Errno error = UserCopy.Put(to, usage);
        return error == Errno.None ? highest : error;
    }

    private static int HighestSlot(SharedSegments segments)
    {
        for (int slot = segments.SlotCount - 1; slot > 0; slot--)
        {
            if (segments.At(slot) is not null)
                return slot;
        }
        return 0;
    }

    // Linux: ipcperms. "wanted" has the bits asked for in all three places.
    private static bool MayUse(Task task, SharedSegment segment, uint wanted)
    {
        Credentials who = task.Credentials;
        uint need = ((wanted >> 6) | (wanted >> 3) | wanted) & 7;
        uint have = segment.Mode;
        if (who.EffectiveUid == segment.Uid || who.EffectiveUid == segment.CreatorUid)
            have >>= 6;
        else if (who.IsInEffectiveGroup(segment.Gid) || who.IsInEffectiveGroup(segment.CreatorGid))
            have >>= 3;
        return (need & ~have) == 0 || who.Has(Capability.IpcOwner);
    }

    private static bool IsOwner(Task task, SharedSegment segment, Capability otherwise)
        => task.Credentials.EffectiveUid == segment.Uid || task.Credentials.EffectiveUid == segment.CreatorUid || task.Credentials.Has(otherwise);
}
