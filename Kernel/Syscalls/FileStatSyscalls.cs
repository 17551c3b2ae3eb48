using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Questions about files: <c>stat lstat fstat newfstatat statx access faccessat faccessat2 statfs fstatfs</c>.</summary>
internal static unsafe class FileStatSyscalls
{
    private const uint AtSymlinkNoFollow = 0x100;
    private const uint AtEffectiveAccess = 0x200;
    private const uint AtNoAutomount = 0x800;
    private const uint AtEmptyPath = 0x1000;
    private const uint AtStatxSyncType = 0x6000;

    /// <summary><c>struct stat</c> of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserStat
    {
        public ulong Device;
        public ulong Inode;
        public ulong Links;
        public uint Mode;
        public uint Uid;
        public uint Gid;
        public uint Pad;
        public ulong Rdev;
        public ulong Size;
        public ulong BlockSize;
        public ulong Blocks;
        public long AccessSeconds;
        public ulong AccessNanoseconds;
        public long ModifySeconds;
        public ulong ModifyNanoseconds;
        public long ChangeSeconds;
        public ulong ChangeNanoseconds;
        public ulong Unused0;
        public ulong Unused1;
        public ulong Unused2;
    }

    /// <summary><c>struct statx_timestamp</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct StatxTime
    {
        public long Seconds;
        public uint Nanoseconds;
        public int Reserved;

        public static implicit operator StatxTime(FileTime time) => new() { Seconds = time.Seconds, Nanoseconds = time.Nanoseconds };
    }

    /// <summary><c>struct statx</c>, 256 bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserStatx
    {
        public uint Mask;
        public uint BlockSize;
        public ulong Attributes;
        public uint Links;
        public uint Uid;
        public uint Gid;
        public ushort Mode;
        public ushort Spare0;
        public ulong Inode;
        public ulong Size;
        public ulong Blocks;
        public ulong AttributesMask;
        public StatxTime AccessTime;
        public StatxTime BirthTime;
        public StatxTime ChangeTime;
        public StatxTime ModifyTime;
        public uint RdevMajor;
        public uint RdevMinor;
        public uint DeviceMajor;
        public uint DeviceMinor;
        public ulong MountNumber;
        public fixed ulong Spare[13];
    }

    /// <summary><c>struct statfs</c> of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserStatfs
    {
        public ulong Type;
        public ulong BlockSize;
        public ulong Blocks;
        public ulong BlocksFree;
        public ulong BlocksAvailable;
        public ulong Files;
        public ulong FilesFree;
        public ulong Identity;
        public ulong NameLength;
        public ulong FragmentSize;
        public ulong Flags;
        public fixed ulong Spare[4];
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(4, "stat"u8, &Stat);
        table.Add(5, "fstat"u8, &Fstat);
        table.Add(6, "lstat"u8, &Lstat);
        table.Add(21, "access"u8, &Access);
        table.Add(137, "statfs"u8, &Statfs);
        table.Add(138, "fstatfs"u8, &Fstatfs);
        table.Add(262, "newfstatat"u8, &NewFstatAt);
        table.Add(269, "faccessat"u8, &FaccessAt);
        table.Add(332, "statx"u8, &Statx);
        table.Add(439, "faccessat2"u8, &FaccessAt2);
    }

    /// <summary>man 2 stat.</summary>
    private static SysResult Stat(ref SyscallArguments a) => StatPath(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.Address1, WalkFlags.FollowLast);

    /// <summary>man 2 lstat.</summary>
    private static SysResult Lstat(ref SyscallArguments a) => StatPath(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.Address1, WalkFlags.None);

    /// <summary>man 2 fstat.</summary>
    private static SysResult Fstat(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetAnyFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        FileStat stat = Gather(file.Path);
        file.Put();
        return Put(stat, a.Address1);
    }

    /// <summary>man 2 fstatat.</summary>
    private static SysResult NewFstatAt(ref SyscallArguments a)
    {
        uint flags = a.UInt3;
        if ((flags & ~(AtSymlinkNoFollow | AtNoAutomount | AtEmptyPath)) != 0)
            return Errno.EINVAL;
        return StatPath(a.Task, a.Int0, a.Address1, a.Address2, ToWalk(flags));
    }

    /// <summary>man 2 statx.</summary>
    private static SysResult Statx(ref SyscallArguments a)
    {
        const uint Reserved = 0x8000_0000;
        const uint Basic = 0x7FF;
        const uint Birth = 0x800;
        const uint MountNumber = 0x1000;
        uint flags = a.UInt2;
        if ((a.UInt3 & Reserved) != 0)
            return Errno.EINVAL;
        if ((flags & AtStatxSyncType) == AtStatxSyncType)
            return Errno.EINVAL;
        if ((flags & ~(AtSymlinkNoFollow | AtNoAutomount | AtEmptyPath | AtStatxSyncType)) != 0)
            return Errno.EINVAL;
        if (!Find(a.Task, a.Int0, a.Address1, ToWalk(flags)).TryGet(out FileStat stat, out Errno error))
            return error;
        UserStatx user = default;
        user.Mask = Basic | (a.UInt3 & Birth) | MountNumber;
        user.BlockSize = stat.BlockSize;
        user.Attributes = stat.Attributes;
        user.AttributesMask = stat.AttributesMask;
        user.Links = stat.Links;
        user.Uid = stat.Uid;
        user.Gid = stat.Gid;
        user.Mode = (ushort)stat.Mode;
        user.Inode = stat.InodeNumber;
        user.Size = stat.Size;
        user.Blocks = stat.Blocks;
        user.AccessTime = stat.AccessTime;
        if ((a.UInt3 & Birth) != 0)
            user.BirthTime = stat.BirthTime;
        user.ChangeTime = stat.ChangeTime;
        user.ModifyTime = stat.ModifyTime;
        user.RdevMajor = DeviceNumber.Major(stat.Rdev);
        user.RdevMinor = DeviceNumber.Minor(stat.Rdev);
        user.DeviceMajor = DeviceNumber.Major(stat.Device);
        user.DeviceMinor = DeviceNumber.Minor(stat.Device);
        user.MountNumber = stat.MountNumber;
        return UserCopy.Put(a.Address4, user);
    }

    /// <summary>man 2 access: asks with the real user, not the effective one.</summary>
    private static SysResult Access(ref SyscallArguments a) => CheckAccess(a.Task, Vfs.AtWorkingDirectory, a.Address0, a.UInt1, 0);

    /// <summary>The call without flags.</summary>
    private static SysResult FaccessAt(ref SyscallArguments a) => CheckAccess(a.Task, a.Int0, a.Address1, a.UInt2, 0);

    /// <summary>man 2 faccessat2.</summary>
    private static SysResult FaccessAt2(ref SyscallArguments a)
        => (a.UInt3 & ~(AtEffectiveAccess | AtSymlinkNoFollow | AtEmptyPath)) != 0
            ? Errno.EINVAL
            : CheckAccess(a.Task, a.Int0, a.Address1, a.UInt2, a.UInt3);

    /// <summary>man 2 statfs.</summary>
    private static SysResult Statfs(ref SyscallArguments a)
    {
        Vfs vfs = a.Task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, a.Address0, out PathArgument path);
        if (error != Errno.None)
            return error;
        UserStatfs user = default;
        if (vfs.Find(a.Task, Vfs.AtWorkingDirectory, path.Path, WalkFlags.FollowLast).TryGet(out PathRef place, out error))
        {
            user = GatherFileSystem(place.Mount);
            place.Put();
        }
        path.Dispose();
        return error == Errno.None ? UserCopy.Put(a.Address1, user) : error;
    }

    /// <summary>man 2 fstatfs.</summary>
    private static SysResult Fstatfs(ref SyscallArguments a)
    {
        OpenFile? file = a.Task.Files.GetAnyFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        UserStatfs user = GatherFileSystem(file.Path.Mount);
        file.Put();
        return UserCopy.Put(a.Address1, user);
    }

    private static WalkFlags ToWalk(uint flags)
        => ((flags & AtSymlinkNoFollow) == 0 ? WalkFlags.FollowLast : 0) | ((flags & AtEmptyPath) != 0 ? WalkFlags.EmptyPath : 0);

    private static SysResult StatPath(Task task, int directory, VirtAddr path, VirtAddr to, WalkFlags walk)
        => Find(task, directory, path, walk).TryGet(out FileStat stat, out Errno error) ? Put(stat, to) : error;

    private static Result<FileStat> Find(Task task, int directory, VirtAddr address, WalkFlags walk)
    {
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, address, out PathArgument path);
        if (error != Errno.None)
            return error;
        FileStat stat = default;
        if (vfs.Find(task, directory, path.Path, walk).TryGet(out PathRef place, out error))
        {
            stat = Gather(place);
            place.Put();
        }
        path.Dispose();
        return error == Errno.None ? stat : error;
    }

    private static FileStat Gather(in PathRef place)
    {
        const ulong MountRoot = 0x2000;
        FileStat stat = default;
        place.Dentry.Inode!.GetAttributes(ref stat);
        stat.MountNumber = (ulong)place.Mount.Number;
        stat.AttributesMask |= MountRoot;
        if (ReferenceEquals(place.Dentry, place.Mount.Root))
            stat.Attributes |= MountRoot;
        return stat;
    }

    private static Errno Put(in FileStat stat, VirtAddr to)
    {
        UserStat user = default;
        user.Device = stat.Device;
        user.Inode = stat.InodeNumber;
        user.Links = stat.Links;
        user.Mode = stat.Mode;
        user.Uid = stat.Uid;
        user.Gid = stat.Gid;
        user.Rdev = stat.Rdev;
        user.Size = stat.Size;
        user.BlockSize = stat.BlockSize;
        user.Blocks = stat.Blocks;
        user.AccessSeconds = stat.AccessTime.Seconds;
        user.AccessNanoseconds = stat.AccessTime.Nanoseconds;
        user.ModifySeconds = stat.ModifyTime.Seconds;
        user.ModifyNanoseconds = stat.ModifyTime.Nanoseconds;
        user.ChangeSeconds = stat.ChangeTime.Seconds;
        user.ChangeNanoseconds = stat.ChangeTime.Nanoseconds;
        return UserCopy.Put(to, user);
    }

    private static UserStatfs GatherFileSystem(Mount mount)
    {
        const ulong Valid = 0x20;
        FileSystemStat stat = default;
        stat.NameLength = Vfs.NameMaximum;
        stat.BlockSize = mount.Superblock.BlockSize;
        stat.Identity = mount.Superblock.Device;
        mount.Superblock.GetStatistics(ref stat);
        UserStatfs user = default;
        user.Type = stat.Type;
        user.BlockSize = user.FragmentSize = stat.BlockSize;
        user.Blocks = stat.Blocks;
        user.BlocksFree = stat.BlocksFree;
        user.BlocksAvailable = stat.BlocksAvailable;
        user.Files = stat.Files;
        user.FilesFree = stat.FilesFree;
        user.Identity = stat.Identity;
        user.NameLength = stat.NameLength;
        user.Flags = Valid | ToStatfsFlags(mount);
        return user;
    }

    // ST_RDONLY 1, NOSUID 2, NODEV 4, NOEXEC 8, NOATIME 1024, NODIRATIME 2048, RELATIME 4096.
    private static ulong ToStatfsFlags(Mount mount)
    {
        const MountFlags Same = MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.NoExecute | MountFlags.NoAccessTime | MountFlags.NoDirectoryAccessTime;
        ulong flags = (ulong)(mount.Flags & Same) | (mount.IsReadOnly ? 1UL : 0);
        return (mount.Flags & MountFlags.NoAccessTime) == 0 ? flags | 4096 : flags;
    }

    // Linux: do_faccessat. The real user's rights are asked for by becoming him for the length of the walk.
    private static SysResult CheckAccess(Task task, int directory, VirtAddr address, uint mode, uint flags)
    {
        if ((mode & ~7u) != 0)
            return Errno.EINVAL;
        Vfs vfs = task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, address, out PathArgument path);
        if (error != Errno.None)
            return error;
        Credentials who = task.Credentials;
        uint uid = who.FileUid;
        uint gid = who.FileGid;
        ulong capabilities = who.EffectiveCapabilities;
        if ((flags & AtEffectiveAccess) == 0)
        {
            who.FileUid = who.Uid;
            who.FileGid = who.Gid;
            who.EffectiveCapabilities = who.Uid == 0 ? who.PermittedCapabilities : 0;
        }
        if (vfs.Find(task, directory, path.Path, ToWalk(flags)).TryGet(out PathRef place, out error))
        {
            error = CheckPlace(task, place, (FileAccess)mode);
            place.Put();
        }
        who.FileUid = uid;
        who.FileGid = gid;
        who.EffectiveCapabilities = capabilities;
        path.Dispose();
        return error;
    }

    private static Errno CheckPlace(Task task, in PathRef place, FileAccess wanted)
    {
        Inode inode = place.Dentry.Inode!;
        if ((wanted & FileAccess.Execute) != 0 && inode.IsRegular && (place.Mount.Flags & MountFlags.NoExecute) != 0)
            return Errno.EACCES;
        return Permission.Check(task, place, wanted);
    }
}
