using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>The system calls about the caller's own address space: arguments in, <c>Memory/Virtual</c> does the work.</summary>
internal static unsafe class MemorySyscalls
{
    private const uint ReadImpliesExec = 0x0400000;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(9, "mmap"u8, &Mmap);
        table.Add(10, "mprotect"u8, &Mprotect);
        table.Add(11, "munmap"u8, &Munmap);
        table.Add(12, "brk"u8, &Brk);
        table.Add(25, "mremap"u8, &Mremap);
        table.Add(26, "msync"u8, &Msync);
        table.Add(27, "mincore"u8, &Mincore);
        table.Add(28, "madvise"u8, &Madvise);
        table.Add(149, "mlock"u8, &Mlock);
        table.Add(150, "munlock"u8, &Munlock);
        table.Add(151, "mlockall"u8, &MlockAll);
        table.Add(152, "munlockall"u8, &MunlockAll);
        table.Add(216, "remap_file_pages"u8, &RemapFilePages);
        table.Add(323, "userfaultfd"u8, &Userfaultfd);
        table.Add(325, "mlock2"u8, &Mlock2);
        table.Add(329, "pkey_mprotect"u8, &PkeyMprotect);
        table.Add(330, "pkey_alloc"u8, &PkeyAlloc);
        table.Add(331, "pkey_free"u8, &PkeyFree);
    }

    /// <summary>The caller's address space; a task that makes a system call has one.</summary>
    private static MmStruct MmOf(ref SyscallArguments a) => a.Task.Mm!;

    private static SysResult Mmap(ref SyscallArguments a)
    {
        if ((a.Arg5 & PageSize.Mask) != 0)
            return Errno.EINVAL;
        var flags = (MapFlags)a.Arg3;
        var request = new MmapRequest
        {
            Address = a.Address0,
            Length = a.Arg1,
            Protection = ProtectionOf(a.Task.Personality, a.Arg2),
            Flags = flags,
            PageOffset = a.Arg5 >> PageSize.Shift,
        };

        if ((flags & MapFlags.Anonymous) == 0)
        {
            if (a.Task.Files.GetFile(a.Int4) is not { } file)
                return Errno.EBADF;
            SysResult result = Errno.EINVAL;
            if (file.IsHuge)
                request.Length = RoundToHuge(request.Length);
            if (file.IsHuge || (flags & MapFlags.HugeTlb) == 0)
                result = MapAndPopulate(MmOf(ref a), ref request, file);
            file.Put();
            return result;
        }

        if ((flags & MapFlags.HugeTlb) != 0)
            return MapAnonymousHuge(ref a, ref request);
        return MapAndPopulate(MmOf(ref a), ref request, null);
    }

    private static ulong RoundToHuge(ulong bytes) => (bytes + PageSize.LargeBytes - 1) & ~(PageSize.LargeBytes - 1);

    /// <summary>Memory from the pool of huge pages: a nameless file of them is mapped.</summary>
    private static SysResult MapAnonymousHuge(ref SyscallArguments a, ref MmapRequest request)
    {
        Errno size = HugePageSize.Check((uint)request.Flags, Errno.EINVAL);
        if (size != Errno.None)
            return size;
        request.Length = RoundToHuge(request.Length);
        Credentials who = a.Task.Credentials;
        if (!a.Task.Fs.Vfs.HugeFiles.Open("anon_hugepage"u8, request.Length, 0x1FF, who.FileUid, who.FileGid).TryGet(out OpenFile file, out Errno error))
            return error == Errno.EINVAL ? Errno.ENOMEM : error;
        SysResult result = MapAndPopulate(MmOf(ref a), ref request, file);
        file.Put();
        return result;
    }

    private static SysResult MapAndPopulate(MmStruct mm, ref MmapRequest request, MappableFile? file)
    {
        request.File = file;
        if (mm.MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Result<VirtAddr> result = mm.DoMmap(request, out ulong populate);
        mm.MmapLock.WriteUnlock();
        UserfaultContext.TellAll();
        if (populate != 0)
            mm.Populate(new PageRange(result.Value, result.Value + populate));
        return result;
    }

    /// <summary>Old programs whose stack is executable expect all that they can read to be.</summary>
    private static Protection ProtectionOf(uint personality, ulong argument)
    {
        var protection = (Protection)argument;
        return (personality & ReadImpliesExec) != 0 && (protection & Protection.Read) != 0 ? protection | Protection.Execute : protection;
    }

    private static SysResult Munmap(ref SyscallArguments a)
    {
        MmStruct mm = MmOf(ref a);
        VirtAddr start = a.Address0;
        if (!start.IsPageAligned || start > mm.TaskSize || a.Arg1 > mm.TaskSize - start)
            return Errno.EINVAL;
        ulong bytes = (a.Arg1 + PageSize.Mask) & ~PageSize.Mask;
        if (bytes == 0)
            return Errno.EINVAL;
        if (mm.MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Errno error = mm.DoMunmap(new PageRange(start, start + bytes));
        mm.MmapLock.WriteUnlock();
        UserfaultContext.TellAll();
        return error;
    }

    private static SysResult Brk(ref SyscallArguments a)
    {
        MmStruct mm = MmOf(ref a);
        if (mm.MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        VirtAddr end = mm.DoBrk(a.Address0, out PageRange populate);
        mm.MmapLock.WriteUnlock();
        UserfaultContext.TellAll();
        if (!populate.IsEmpty)
            mm.Populate(populate);
        return end;
    }

    private static SysResult Mprotect(ref SyscallArguments a)
        => MmOf(ref a).Mprotect(a.Address0, a.Arg1, ProtectionOf(a.Task.Personality, a.Arg2));

    private static SysResult PkeyMprotect(ref SyscallArguments a)
        => MmOf(ref a).Mprotect(a.Address0, a.Arg1, ProtectionOf(a.Task.Personality, a.Arg2), a.Int3);

    private static SysResult PkeyAlloc(ref SyscallArguments a)
    {
        const ulong knownRights = 3;
        if (a.Arg0 != 0 || (a.Arg1 & ~knownRights) != 0)
            return Errno.EINVAL;
        MmStruct mm = MmOf(ref a);
        mm.MmapLock.WriteLock();
        Result<int> result = mm.AllocateKey();
        if (result.IsOk)
            ProtectionKeys.SetRights(result.Value, (uint)a.Arg1);
        mm.MmapLock.WriteUnlock();
        return result;
    }

    private static SysResult PkeyFree(ref SyscallArguments a)
    {
        MmStruct mm = MmOf(ref a);
        mm.MmapLock.WriteLock();
        Errno error = mm.FreeKey(a.Int0);
        mm.MmapLock.WriteUnlock();
        return error;
    }

    private static SysResult Mremap(ref SyscallArguments a)
    {
        MmStruct mm = MmOf(ref a);
        Result<VirtAddr> result = mm.Mremap(a.Address0, a.Arg1, a.Arg2, (RemapFlags)a.Arg3, a.Address4, out PageRange populate);
        if (result.IsOk && !populate.IsEmpty)
            mm.Populate(populate);
        return result;
    }

    private static SysResult Msync(ref SyscallArguments a) => MmOf(ref a).Msync(a.Address0, a.Arg1, (SyncFlags)a.UInt2);

    private static SysResult Madvise(ref SyscallArguments a) => MmOf(ref a).Madvise(a.Address0, a.Arg1, (MemoryAdvice)a.Int2);

    private static SysResult Mincore(ref SyscallArguments a)
    {
        VirtAddr start = a.Address0;
        VirtAddr vector = a.Address2;
        if (!start.IsPageAligned)
            return Errno.EINVAL;
        if (!UserSpace.Contains(start, a.Arg1))
            return Errno.ENOMEM;
        ulong pages = PageCount.FromBytesRoundedUp(a.Arg1).Value;
        if (!UserSpace.Contains(vector, pages))
            return Errno.EFAULT;

        MmStruct mm = MmOf(ref a);
        Span<byte> some = stackalloc byte[256];
        while (pages > 0)
        {
            mm.MmapLock.ReadLock();
            Result<int> result = mm.Mincore(start, some.Slice(0, pages < 256 ? (int)pages : 256));
            mm.MmapLock.ReadUnlock();
            if (!result.TryGet(out int done, out Errno error))
                return error;
            if (UserCopy.CopyToUser(vector, some.Slice(0, done)) != Errno.None)
                return Errno.EFAULT;
            vector += (ulong)done;
            start += (ulong)done << PageSize.Shift;
            pages -= (ulong)done;
        }

        return SysResult.Success;
    }

    private static SysResult Mlock(ref SyscallArguments a) => MmOf(ref a).Mlock(a.Address0, a.Arg1, onFault: false);

    private static SysResult Mlock2(ref SyscallArguments a)
        => (a.UInt2 & ~1u) != 0 ? Errno.EINVAL : MmOf(ref a).Mlock(a.Address0, a.Arg1, onFault: (a.UInt2 & 1) != 0);

    private static SysResult Munlock(ref SyscallArguments a) => MmOf(ref a).Munlock(a.Address0, a.Arg1);

    private static SysResult MlockAll(ref SyscallArguments a) => MmOf(ref a).MlockAll((LockAllFlags)a.UInt0);

    private static SysResult MunlockAll(ref SyscallArguments a) => MmOf(ref a).MunlockAll();

    /// <summary>man 2 userfaultfd. As with Linux's default, faults inside system calls are only for the privileged.</summary>
    private static SysResult Userfaultfd(ref SyscallArguments a)
    {
        const uint userModeOnly = 1;
        Task task = a.Task;
        bool allowed = (a.UInt0 & userModeOnly) != 0 || task.Credentials.Has(Capability.SysPtrace) || task.System.Memory.UnprivilegedUserfaults;
        return allowed ? NanoVm.Files.Userfault.UserfaultDeviceFile.Descriptor(task.Fs.Vfs.Io, task, a.UInt0) : Errno.EPERM;
    }

    private static SysResult RemapFilePages(ref SyscallArguments a)
    {
        MmStruct mm = MmOf(ref a);
        if (a.Arg2 != 0)
            return Errno.EINVAL;
        if (mm.MmapLock.WriteLockKillable() != Errno.None)
            return Errno.EINTR;
        Result<VirtAddr> result = mm.RemapFilePages(a.Address0, a.Arg1, a.Arg3, (MapFlags)a.Arg4, out ulong populate);
        mm.MmapLock.WriteUnlock();
        UserfaultContext.TakeBackAfter(null);       // Linux tells watchers nothing of this old call
        if (!result.IsOk)
            return result.Error;
        if (populate != 0)
            mm.Populate(new PageRange(result.Value, result.Value + populate));
        return SysResult.Success;
    }
}
