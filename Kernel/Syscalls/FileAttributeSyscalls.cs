using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>
/// Attributes: <c>chmod fchmod fchmodat fchmodat2 chown lchown fchown fchownat utime utimes futimesat utimensat umask truncate ftruncate fallocate</c>.
/// </summary>
internal static unsafe class FileAttributeSyscalls
{
    private const uint AtSymlinkNoFollow = 0x100;
    private const uint AtEmptyPath = 0x1000;
    private const long TimeNow = 0x3FFF_FFFF;
    private const long TimeOmit = 0x3FFF_FFFE;

    private struct UserTime
    {
        public long Seconds;
        public long Fraction;
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(76, "truncate"u8, &Truncate);
        table.Add(77, "ftruncate"u8, &Ftruncate);
        table.Add(90, "chmod"u8, &Chmod);
        table.Add(91, "fchmod"u8, &Fchmod);
        table.Add(92, "chown"u8, &Chown);
        table.Add(93, "fchown"u8, &Fchown);
        table.Add(94, "lchown"u8, &Lchown);
        table.Add(95, "umask"u8, &Umask);
        table.Add(132, "utime"u8, &Utime);
        table.Add(235, "utimes"u8, &Utimes);
        table.Add(260, "fchownat"u8, &FchownAt);
        table.Add(261, "futimesat"u8, &FutimesAt);
        table.Add(268, "fchmodat"u8, &FchmodAt);
        table.Add(280, "utimensat"u8, &UtimensAt);
        table.Add(285, "fallocate"u8, &Fallocate);
        table.Add(452, "fchmodat2"u8, &FchmodAt2);
    }

    /// <summary>man 2 umask.</summary>
    private static SysResult Umask(ref SyscallArguments a)
    {
        uint old = a.Task.Fs.Umask;
        a.Task.Fs.Umask = a.UInt0 & 0x1FF;
        return old;
    }

    /// <summary>man 2 chmod.</summary>
    private static SysResult Chmod(ref SyscallArguments a) => ChangeMode(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.UInt1, WalkFlags.FollowLast);

    /// <summary>man 2 fchmodat, the call without flags.</summary>
    private static SysResult FchmodAt(ref SyscallArguments a) => ChangeMode(a.Task, a.Int0, a.Address1, a.UInt2, WalkFlags.FollowLast);

    /// <summary>man 2 fchmodat2.</summary>
    private static SysResult FchmodAt2(ref SyscallArguments a)
        => (a.UInt3 & ~(AtSymlinkNoFollow | AtEmptyPath)) != 0 ? Errno.EINVAL : ChangeMode(a.Task, a.Int0, a.Address1, a.UInt2, ToWalk(a.UInt3));

    /// <summary>man 2 fchmod.</summary>
    private static SysResult Fchmod(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = AttributeOperations.ChangeMode(a.Task, file.Path, a.UInt1);
        file.Put();
        return error;
    }

    /// <summary>man 2 chown.</summary>
    private static SysResult Chown(ref SyscallArguments a)
        => ChangeOwner(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.UInt1, a.UInt2, WalkFlags.FollowLast);

    /// <summary>man 2 lchown.</summary>
    private static SysResult Lchown(ref SyscallArguments a)
        => ChangeOwner(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.UInt1, a.UInt2, WalkFlags.None);

    /// <summary>man 2 fchownat.</summary>
    private static SysResult FchownAt(ref SyscallArguments a)
        => (a.UInt4 & ~(AtSymlinkNoFollow | AtEmptyPath)) != 0
            ? Errno.EINVAL
            : ChangeOwner(a.Task, a.Int0, a.Address1, a.UInt2, a.UInt3, ToWalk(a.UInt4));

    /// <summary>man 2 fchown.</summary>
    private static SysResult Fchown(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = AttributeOperations.ChangeOwner(a.Task, file.Path, a.UInt1, a.UInt2);
        file.Put();
        return error;
    }

    /// <summary>man 2 utime: whole seconds; no pointer means now.</summary>
    private static SysResult Utime(ref SyscallArguments a)
    {
        AttributeChange change = Now();
        if (!a.Address1.IsZero)
        {
            Errno error = UserCopy.Get(a.Address1, out UserTime times);          // actime, modtime
            if (error != Errno.None)
                return error;
            change.Valid |= Attributes.AccessTimeGiven | Attributes.ModifyTimeGiven;
            change.AccessTime = new FileTime(times.Seconds, 0);
            change.ModifyTime = new FileTime(times.Fraction, 0);
        }
        return ChangeTimes(a.Task, Vfs.AtWorkingDirectory, a.Address0, change, WalkFlags.FollowLast);
    }

    /// <summary>man 2 utimes.</summary>
    private static SysResult Utimes(ref SyscallArguments a) => UtimesAt(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.Address1);

    /// <summary>man 2 futimesat.</summary>
    private static SysResult FutimesAt(ref SyscallArguments a) => UtimesAt(a.Task, a.Int0, a.Address1, a.Address2);

    /// <summary>man 2 utimensat.</summary>
    private static SysResult UtimensAt(ref SyscallArguments a)
    {
        AttributeChange change = Now();
        if (!a.Address2.IsZero)
        {
            Errno error = UserCopy.Get(a.Address2, out UserTime access);
            if (error != Errno.None)
                return error;
            error = UserCopy.Get(a.Address2 + 16, out UserTime modify);
            if (error != Errno.None)
                return error;
            if (access.Fraction == TimeOmit && modify.Fraction == TimeOmit)
                return SysResult.Success;                    // nothing to do; not even the path is looked at
            if (!TakeTime(access, ref change, Attributes.AccessTime, Attributes.AccessTimeGiven, ref change.AccessTime)
                || !TakeTime(modify, ref change, Attributes.ModifyTime, Attributes.ModifyTimeGiven, ref change.ModifyTime))
                return Errno.EINVAL;
        }
        if (a.Address1.IsZero)
        {
            // No path: the descriptor itself, which must not be AT_FDCWD.
            if (a.Int0 == Vfs.AtWorkingDirectory)
                return Errno.EFAULT;
            if (a.UInt3 != 0)
                return Errno.EINVAL;
            OpenFile? file = a.Task.Files.GetFile(a.Int0);
            if (file is null)
                return Errno.EBADF;
            Errno error = AttributeOperations.ChangeTimes(a.Task, file.Path, change);
            file.Put();
            return error;
        }
        return (a.UInt3 & ~(AtSymlinkNoFollow | AtEmptyPath)) != 0
            ? Errno.EINVAL
            : ChangeTimes(a.Task, a.Int0, a.Address1, change, ToWalk(a.UInt3));
    }

    /// <summary>man 2 truncate.</summary>
    private static SysResult Truncate(ref SyscallArguments a)
    {
        if ((long)a.Arg1 < 0)
            return Errno.EINVAL;
        if (!Find(a.Task, Vfs.AtWorkingDirectory, a.Address0, WalkFlags.FollowLast).TryGet(out PathRef place, out Errno error))
            return error;
        error = AttributeOperations.Truncate(a.Task, place, (long)a.Arg1);
        place.Put();
        return error;
    }

    /// <summary>man 2 ftruncate.</summary>
    private static SysResult Ftruncate(ref SyscallArguments a)
    {
        if ((long)a.Arg1 < 0)
            return Errno.EINVAL;
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = file.Inode.IsRegular && file.CanWrite
            ? AttributeOperations.TruncateOpened(a.Task, file, a.Arg1)
            : Errno.EINVAL;
        file.Put();
        return error;
    }

    /// <summary>man 2 fallocate.</summary>
    private static SysResult Fallocate(ref SyscallArguments a)
    {
        const FallocateMode Known = FallocateMode.KeepSize | FallocateMode.PunchHole | FallocateMode.CollapseRange | FallocateMode.ZeroRange
            | FallocateMode.InsertRange | FallocateMode.UnshareRange;
        OpenFile? file = a.Task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        Errno error = CheckFallocate(a.Task, file, (FallocateMode)a.UInt1, (long)a.Arg2, (long)a.Arg3, Known);
        if (error == Errno.None)
            error = file.Allocate(a.Task, (FallocateMode)a.UInt1, a.Arg2, a.Arg3);
        file.Put();
        return error;
    }

    // Linux: the head of vfs_fallocate, in its order.
    private static Errno CheckFallocate(Task task, OpenFile file, FallocateMode mode, long offset, long length, FallocateMode known)
    {
        if (offset < 0 || length <= 0)
            return Errno.EINVAL;
        if ((mode & ~known) != 0)
            return Errno.EOPNOTSUPP;
        if ((mode & (FallocateMode.PunchHole | FallocateMode.ZeroRange)) == (FallocateMode.PunchHole | FallocateMode.ZeroRange))
            return Errno.EOPNOTSUPP;
        if ((mode & FallocateMode.PunchHole) != 0 && (mode & FallocateMode.KeepSize) == 0)
            return Errno.EOPNOTSUPP;
        if ((mode & FallocateMode.CollapseRange) != 0 && mode != FallocateMode.CollapseRange)
            return Errno.EINVAL;
        if ((mode & FallocateMode.InsertRange) != 0 && mode != FallocateMode.InsertRange)
            return Errno.EINVAL;
        if ((mode & FallocateMode.UnshareRange) != 0 && (mode & ~(FallocateMode.UnshareRange | FallocateMode.KeepSize)) != 0)
            return Errno.EINVAL;
        if (!file.CanWrite)
            return Errno.EBADF;
        if (file.Inode.IsSwapFile)
            return Errno.ETXTBSY;
        switch (file.Inode.Mode & FileMode.TypeMask)
        {
            case FileMode.Fifo:
                return Errno.ESPIPE;
            case FileMode.Directory:
                return Errno.EISDIR;
            case FileMode.Regular:
            case FileMode.BlockDevice:
                break;
            default:
                return Errno.ENODEV;
        }
        if (length > long.MaxValue - offset || (ulong)(offset + length) > file.Inode.Superblock.MaximumSize)
            return Errno.EFBIG;
        return Errno.None;
    }

    private static WalkFlags ToWalk(uint flags)
        => ((flags & AtSymlinkNoFollow) == 0 ? WalkFlags.FollowLast : 0) | ((flags & AtEmptyPath) != 0 ? WalkFlags.EmptyPath : 0);

    private static AttributeChange Now() => new() { Valid = Attributes.AccessTime | Attributes.ModifyTime };

    private static bool TakeTime(in UserTime time, ref AttributeChange change, Attributes which, Attributes given, ref FileTime to)
    {
        if (time.Fraction == TimeNow)
            return true;
        if (time.Fraction == TimeOmit)
        {
            change.Valid &= ~which;
            return true;
        }
        if (time.Fraction is < 0 or > 999_999_999)
            return false;
        change.Valid |= given;
        to = new FileTime(time.Seconds, (uint)time.Fraction);
        return true;
    }

    private static SysResult UtimesAt(Task task, int directory, VirtAddr path, VirtAddr timesAt)
    {
        AttributeChange change = Now();
        if (!timesAt.IsZero)
        {
            Errno error = UserCopy.Get(timesAt, out UserTime access);
            if (error != Errno.None)
                return error;
            error = UserCopy.Get(timesAt + 16, out UserTime modify);
            if (error != Errno.None)
                return error;
            if (access.Fraction is < 0 or > 999_999 || modify.Fraction is < 0 or > 999_999)
                return Errno.EINVAL;
            change.Valid |= Attributes.AccessTimeGiven | Attributes.ModifyTimeGiven;
            change.AccessTime = new FileTime(access.Seconds, (uint)access.Fraction * 1000);
            change.ModifyTime = new FileTime(modify.Seconds, (uint)modify.Fraction * 1000);
        }
        return ChangeTimes(task, directory, path, change, WalkFlags.FollowLast);
    }

    private static SysResult ChangeMode(Task task, int directory, VirtAddr address, uint mode, WalkFlags walk)
    {
        if (!Find(task, directory, address, walk).TryGet(out PathRef place, out Errno error))
            return error;
        error = AttributeOperations.ChangeMode(task, place, mode);
        place.Put();
        return error;
    }

    private static SysResult ChangeOwner(Task task, int directory, VirtAddr address, uint uid, uint gid, WalkFlags walk)
    {
        if (!Find(task, directory, address, walk).TryGet(out PathRef place, out Errno error))
            return error;
        error = AttributeOperations.ChangeOwner(task, place, uid, gid);
        place.Put();
        return error;
    }

    private static SysResult ChangeTimes(Task task, int directory, VirtAddr address, in AttributeChange change, WalkFlags walk)
    {
        if (!Find(task, directory, address, walk).TryGet(out PathRef place, out Errno error))
            return error;
        error = AttributeOperations.ChangeTimes(task, place, change);
        place.Put();
        return error;
    }

    private static Result<PathRef> Find(Task task, int directory, VirtAddr address, WalkFlags walk)
    {
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, address, out PathArgument path);
        if (error != Errno.None)
            return error;
        Result<PathRef> result = vfs.Find(task, directory, path.Path, walk);
        path.Dispose();
        return result;
    }
}
