using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>The tree of mounts: <c>mount umount2 pivot_root</c>.</summary>
internal static unsafe class FileMountSyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(155, "pivot_root"u8, &PivotRoot);
        table.Add(165, "mount"u8, &MountCall);
        table.Add(166, "umount2"u8, &Umount2);
    }

    /// <summary>man 2 mount.</summary>
    private static SysResult MountCall(ref SyscallArguments a)
    {
        Vfs vfs = a.Task.Fs.Vfs;
        PathArgument source = default;
        PathArgument type = default;
        PathArgument options = default;
        Errno error = Optional(vfs, a.Address2, out type);
        if (error == Errno.None)
            error = Optional(vfs, a.Address0, out source);
        if (error == Errno.None)
            error = Options(vfs, a.Address4, out options);
        if (error == Errno.None)
        {
            error = PathArgument.Get(vfs, a.Address1, out PathArgument target);
            if (error == Errno.None)
                error = MountAt(vfs, a.Task, target.Path, source.Path, type.Path, !a.Address2.IsZero, a.Arg3, options.Path);
            target.Dispose();
        }
        options.Dispose();
        source.Dispose();
        type.Dispose();
        return error;
    }

    /// <summary>man 2 umount.</summary>
    private static SysResult Umount2(ref SyscallArguments a)
    {
        var flags = (UnmountFlags)a.UInt1;
        if ((flags & ~UnmountFlags.Known) != 0)
            return Errno.EINVAL;
        Vfs vfs = a.Task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, a.Address0, out PathArgument path);
        if (error != Errno.None)
            return error;
        WalkFlags walk = (flags & UnmountFlags.NoFollow) == 0 ? WalkFlags.FollowLast : 0;
        if (vfs.Find(a.Task, Vfs.AtWorkingDirectory, path.Path, walk).TryGet(out PathRef place, out error))
        {
            error = a.Task.Credentials.Has(Capability.SysAdmin) ? MountOperations.Unmount(vfs, place, flags) : Errno.EPERM;
            place.Put();
        }
        path.Dispose();
        return error;
    }

    /// <summary>man 2 pivot_root.</summary>
    private static SysResult PivotRoot(ref SyscallArguments a)
    {
        if (!a.Task.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        Vfs vfs = a.Task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, a.Address0, out PathArgument newPath);
        if (error != Errno.None)
            return error;
        error = PathArgument.Get(vfs, a.Address1, out PathArgument oldPath);
        if (error == Errno.None
            && vfs.Find(a.Task, Vfs.AtWorkingDirectory, newPath.Path, WalkFlags.FollowLast | WalkFlags.Directory).TryGet(out PathRef newRoot, out error))
        {
            if (vfs.Find(a.Task, Vfs.AtWorkingDirectory, oldPath.Path, WalkFlags.FollowLast | WalkFlags.Directory).TryGet(out PathRef putOld, out error))
            {
                error = MountOperations.PivotRoot(vfs, a.Task, newRoot, putOld);
                putOld.Put();
            }
            newRoot.Put();
        }
        oldPath.Dispose();
        newPath.Dispose();
        return error;
    }

    private static Errno MountAt(
        Vfs vfs, Task task, ReadOnlySpan<byte> target, ReadOnlySpan<byte> source, ReadOnlySpan<byte> type, bool hasType, ulong rawFlags,
        ReadOnlySpan<byte> options)
    {
        // Very old programs put a magic number into the upper half.
        if ((rawFlags & 0xFFFF_0000) == 0xC0ED_0000)
            rawFlags &= 0xFFFF;
        var flags = (MountFlags)rawFlags;
        if (!vfs.Find(task, Vfs.AtWorkingDirectory, target, WalkFlags.FollowLast).TryGet(out PathRef point, out Errno error))
            return error;
        if (!task.Credentials.Has(Capability.SysAdmin))
            error = Errno.EPERM;
        else if ((flags & MountFlags.Remount) != 0)
            error = MountOperations.Remount(vfs, point, flags, options);
        else if ((flags & (MountFlags.Bind | MountFlags.Move)) != 0)
            error = BindOrMove(vfs, task, source, point, flags);
        else if ((flags & MountFlags.Propagation) != 0)
            error = SetPropagation(point, flags);
        else if (!hasType)
            error = Errno.EINVAL;
        else
            error = MountOperations.MountNew(vfs, task, point, type, source, flags, options);
        point.Put();
        return error;
    }

    private static Errno BindOrMove(Vfs vfs, Task task, ReadOnlySpan<byte> source, in PathRef point, MountFlags flags)
    {
        if (source.IsEmpty)
            return Errno.EINVAL;
        if (!vfs.Find(task, Vfs.AtWorkingDirectory, source, WalkFlags.FollowLast).TryGet(out PathRef from, out Errno error))
            return error;
        error = (flags & MountFlags.Bind) != 0
            ? MountOperations.Bind(vfs, from, point, (flags & MountFlags.Recursive) != 0)
            : MountOperations.Move(vfs, from, point);
        from.Put();
        return error;
    }

    // Exactly one of the four, with MS_REC and MS_SILENT at most. Every mount is private here: nothing has to change.
    private static Errno SetPropagation(in PathRef point, MountFlags flags)
    {
        MountFlags kind = flags & ~(MountFlags.Recursive | MountFlags.Silent);
        if ((kind & ~MountFlags.Propagation) != 0 || (kind & (kind - 1)) != 0)
            return Errno.EINVAL;
        return ReferenceEquals(point.Dentry, point.Mount.Root) ? Errno.None : Errno.EINVAL;
    }

    private static Errno Optional(Vfs vfs, VirtAddr address, out PathArgument argument)
    {
        argument = default;
        return address.IsZero ? Errno.None : PathArgument.Get(vfs, address, out argument);
    }

    // Options are a page of anything; a text without an end is cut there.
    private static Errno Options(Vfs vfs, VirtAddr address, out PathArgument argument)
    {
        Errno error = Optional(vfs, address, out argument);
        return error == Errno.ENAMETOOLONG ? Errno.EINVAL : error;
    }
}
