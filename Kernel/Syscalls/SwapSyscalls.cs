using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Hal;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary><c>swapon swapoff</c>.</summary>
internal static unsafe class SwapSyscalls
{
    private const uint PriorityMask = 0x7fff, PriorityFlag = 0x8000, DiscardFlags = 0x70000;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(167, "swapon"u8, &SwapOn);
        table.Add(168, "swapoff"u8, &SwapOff);
    }

    /// <summary>man 2 swapon. Devices only: swap in a file of a file system is refused with EINVAL.</summary>
    private static SysResult SwapOn(ref SyscallArguments a)
    {
        if ((a.UInt1 & ~(PriorityMask | PriorityFlag | DiscardFlags)) != 0)
            return Errno.EINVAL;
        if (!a.Task.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        Errno error = FindDevice(ref a, out BlockDevice? device);
        if (error != Errno.None)
            return error;
        int priority = (a.UInt1 & PriorityFlag) != 0 ? (int)(a.UInt1 & PriorityMask) : -1;
        error = a.Task.System.Memory.Swap!.Start(device!, priority);
        if (error == Errno.None)
            Log.Info($"swap on {device!.Name}: {a.Task.System.Memory.SwapPages * 4} KiB in all");
        return error;
    }

    /// <summary>man 2 swapoff.</summary>
    private static SysResult SwapOff(ref SyscallArguments a)
    {
        if (!a.Task.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        Errno error = FindDevice(ref a, out BlockDevice? device);
        return error != Errno.None ? error : a.Task.System.Memory.Swap!.Stop(device!);
    }

    private static Errno FindDevice(ref SyscallArguments a, out BlockDevice? device)
    {
        device = null;
        Vfs vfs = a.Task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, a.Address0, out PathArgument path);
        if (error != Errno.None)
            return error;
        if (vfs.Find(a.Task, Vfs.AtWorkingDirectory, path.Path, WalkFlags.FollowLast).TryGet(out PathRef place, out error))
        {
            Inode? inode = place.Dentry.Inode;
            device = inode is not null && (inode.Mode & FileMode.TypeMask) == FileMode.BlockDevice ? vfs.Blocks.Find(inode.Rdev) : null;
            error = device is null ? Errno.EINVAL : Errno.None;
            place.Put();
        }

        path.Dispose();
        return error;
    }
}
