using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary><c>swapon swapoff</c>.</summary>
internal static unsafe class SwapSyscalls
{
    /// <summary>Linux: <c>SWAP_FLAG_PREFER</c> with its mask; <c>SWAP_FLAG_DISCARD</c> and its two kinds, which our disks have no use for.</summary>
    private const uint PriorityMask = 0x7fff, PriorityFlag = 0x8000, DiscardFlags = 0x70000;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(167, "swapon"u8, &SwapOn);
        table.Add(168, "swapoff"u8, &SwapOff);
    }

    /// <summary>man 2 swapon: a disk, a partition, or a file of a disk's file system.</summary>
    private static SysResult SwapOn(ref SyscallArguments a)
    {
        if ((a.UInt1 & ~(PriorityMask | PriorityFlag | DiscardFlags)) != 0)
            return Errno.EINVAL;
        if (!a.Task.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        if (!Open(ref a).TryGet(out OpenFile file, out Errno error))
            return error;
        int priority = (a.UInt1 & PriorityFlag) != 0 ? (int)(a.UInt1 & PriorityMask) : -1;
        error = file.Inode.Links == 0 ? Errno.ENOENT : a.Task.System.Memory.Swap!.Start(file, priority);
        file.Put();
        if (error == Errno.None)
            Log.Info($"swap is {a.Task.System.Memory.SwapPages * 4} KiB in all");
        return error;
    }

    /// <summary>man 2 swapoff.</summary>
    private static SysResult SwapOff(ref SyscallArguments a)
    {
        if (!a.Task.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        if (!Open(ref a).TryGet(out OpenFile file, out Errno error))
            return error;
        error = a.Task.System.Memory.Swap!.Stop(file);
        file.Put();
        return error;
    }

    private static Result<OpenFile> Open(ref SyscallArguments a)
    {
        Vfs vfs = a.Task.Fs.Vfs;
        Errno error = PathArgument.Get(vfs, a.Address0, out PathArgument path);
        if (error != Errno.None)
            return error;
        Result<OpenFile> file = OpenOperation.Open(vfs, a.Task, Vfs.AtWorkingDirectory, path.Path, OpenFlags.ReadWrite | OpenFlags.LargeFile, 0, WalkFlags.None);
        path.Dispose();
        return file;
    }
}
