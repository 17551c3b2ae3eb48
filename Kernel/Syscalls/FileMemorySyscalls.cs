using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Tmpfs;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Files that are memory only: <c>memfd_create</c>. And what is refused by design: file handles.</summary>
internal static unsafe class FileMemorySyscalls
{
    /// <summary>Linux: <c>MFD_*</c>.</summary>
    [Flags]
    private enum MemoryFileFlags : uint
    {
        CloseOnExec = 1,
        AllowSealing = 2,
        HugePages = 4,
        NoExecuteSeal = 8,
        Execute = 16,
    }

    /// <summary>Linux: <c>MFD_NAME_MAX_LEN</c>: NAME_MAX less the prefix.</summary>
    private const int NameMaximum = 249;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(303, "name_to_handle_at"u8, &NoHandles);
        table.Add(304, "open_by_handle_at"u8, &NoHandles);
        table.Add(319, "memfd_create"u8, &MemfdCreate);
    }

    /// <summary>man 2 memfd_create.</summary>
    private static SysResult MemfdCreate(ref SyscallArguments a)
    {
        var flags = (MemoryFileFlags)a.UInt1;
        const MemoryFileFlags known = MemoryFileFlags.CloseOnExec | MemoryFileFlags.AllowSealing | MemoryFileFlags.HugePages;
        bool isHuge = (flags & MemoryFileFlags.HugePages) != 0;
        var sizeBits = (MemoryFileFlags)(isHuge ? HugePageSize.Mask << HugePageSize.Shift : 0);
        if ((flags & ~(known | sizeBits)) != 0)
            return Errno.EINVAL;
        ReadOnlySpan<byte> prefix = "memfd:"u8;
        Span<byte> name = stackalloc byte[6 + NameMaximum + 1];
        prefix.CopyTo(name);
        if (!UserCopy.StringFromUser(name[prefix.Length..], a.Address0).TryGet(out int length, out Errno error))
            return error == Errno.ENAMETOOLONG ? Errno.EINVAL : error;

        Task task = a.Task;
        CloseOnExec onExec = (flags & MemoryFileFlags.CloseOnExec) != 0 ? CloseOnExec.Yes : CloseOnExec.No;
        if (!task.Files.Reserve(task, onExec).TryGet(out int fd, out error))
            return error;
        ReadOnlySpan<byte> whole = name[..(prefix.Length + length)];
        Credentials who = task.Credentials;
        Vfs vfs = task.Fs.Vfs;
        error = isHuge ? HugePageSize.Check((uint)flags, Errno.ENODEV) : Errno.None;
        if (error != Errno.None)
        {
            task.Files.Unreserve(fd);
            return error;
        }
        if (!(isHuge ? vfs.HugeFiles : vfs.Shmem).Open(whole, 0, 0x1FF, who.FileUid, who.FileGid).TryGet(out OpenFile file, out error))
        {
            task.Files.Unreserve(fd);
            return error;
        }
        if ((flags & MemoryFileFlags.AllowSealing) != 0)
            ((TmpfsInode)file.Inode).Seals = FileSeals.None;
        task.Files.Install(fd, file);
        return fd;
    }

    /// <summary>man 2 open_by_handle_at: no file system here gives out handles.</summary>
    private static SysResult NoHandles(ref SyscallArguments a) => Errno.EOPNOTSUPP;
}
