using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Memory of another process: <c>process_vm_readv process_vm_writev process_madvise</c>.</summary>
/// <remarks>Linux: <c>process_vm_rw_core</c>. The bytes pass through a small buffer, so that never two address spaces are locked at once.</remarks>
internal static unsafe class ProcessVmSyscalls
{
    private const int BufferBytes = 2048;

    // What Linux brings in at a time: as many pages as pointers fit into two.
    private const ulong ReachBytes = 1024 * PageSize.Bytes;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(310, "process_vm_readv"u8, &ReadV);
        table.Add(311, "process_vm_writev"u8, &WriteV);
        table.Add(440, "process_madvise"u8, &Advise);
    }

    private static SysResult ReadV(ref SyscallArguments a) => Transfer(ref a, write: false);

    private static SysResult WriteV(ref SyscallArguments a) => Transfer(ref a, write: true);

    /// <summary>man 2 process_vm_readv.</summary>
    private static SysResult Transfer(ref SyscallArguments a, bool write)
    {
        if (a.Arg5 != 0)
            return Errno.EINVAL;
        Task task = a.Task;
        Vfs vfs = task.System.Vfs;
        Errno error = IoVectorArgument.Get(vfs, a.Address1, a.Arg2, out IoVectorArgument local);
        SysResult result = error != Errno.None ? error : WithLocal(ref a, vfs, local.Vectors, write);
        local.Dispose();
        return result;
    }

    /// <summary>man 2 process_madvise: advice about the memory of the process behind a pidfd.</summary>
    private static SysResult Advise(ref SyscallArguments a)
    {
        if (a.UInt4 != 0)
            return Errno.EINVAL;
        Task task = a.Task;
        Errno error = IoVectorArgument.Get(task.System.Vfs, a.Address1, a.Arg2, out IoVectorArgument ranges);
        SysResult result = error;
        if (error == Errno.None)
        {
            error = IovIter.TryFromUser(ranges.Vectors, out _);
            result = error != Errno.None ? error : AdviseRanges(task, a.Int0, (MemoryAdvice)a.Int3, ranges.Vectors);
        }
        ranges.Dispose();
        return result;
    }

    /// <returns>The bytes of the ranges before the first that refused; its error when that was the first of all.</returns>
    private static SysResult AdviseRanges(Task task, int pidFd, MemoryAdvice advice, scoped Span<IoVec> ranges)
    {
        if (!PidFd.EntryOf(task, pidFd, out _).TryGet(out PidEntry entry, out Errno error))
            return error;
        SysResult result;
        // Only what cannot change what the other program reads.
        if (entry.Process is null)
            result = Errno.ESRCH;
        else if (advice is not (MemoryAdvice.Cold or MemoryAdvice.PageOut or MemoryAdvice.WillNeed or MemoryAdvice.Collapse))
            result = Errno.EINVAL;
        else if (!FindMm(task, entry.Number, Errno.EACCES).TryGet(out MmStruct mm, out error))
            result = error;
        else
            result = AdviseRanges(task, mm, advice, ranges);
        entry.Put();
        return result;
    }

    private static SysResult AdviseRanges(Task task, MmStruct mm, MemoryAdvice advice, scoped Span<IoVec> ranges)
    {
        Errno error = task.Credentials.Has(Capability.SysNice) ? Errno.None : Errno.EPERM;
        ulong total = 0;
        for (int i = 0; i < ranges.Length && error == Errno.None; i++)
        {
            if (ranges[i].Length == 0)
                continue;
            error = mm.Madvise(new VirtAddr(ranges[i].Base), ranges[i].Length, advice);
            if (error == Errno.None)
                total += ranges[i].Length;
        }
        mm.Put();
        return total != 0 ? total : error;
    }

    private static SysResult WithLocal(ref SyscallArguments a, Vfs vfs, scoped Span<IoVec> vectors, bool write)
    {
        Errno error = IovIter.TryFromUser(vectors, out IovIter iter);
        if (error != Errno.None || iter.Remaining == 0)
            return error;
        error = IoVectorArgument.Get(vfs, a.Address3, a.Arg4, out IoVectorArgument remote);
        SysResult result = error != Errno.None ? error : WithTarget(a.Task, a.Int0, ref iter, remote.Vectors, write);
        remote.Dispose();
        return result;
    }

    private static SysResult WithTarget(Task task, int pid, ref IovIter local, scoped Span<IoVec> remote, bool write)
    {
        ulong total = 0;
        foreach (ref IoVec piece in remote)
        {
            if ((long)piece.Length < 0)
                return Errno.EINVAL;
            total |= piece.Length;
        }

        if (total == 0)
            return SysResult.Success;
        if (!FindMm(task, pid, Errno.EPERM).TryGet(out MmStruct mm, out Errno error))
            return error;
        SysResult result = Copy(mm, ref local, remote, write);
        mm.Put();
        return result;
    }

    /// <summary>The address space of the process, with a user reference; it has to let itself be inspected.</summary>
    private static Result<MmStruct> FindMm(Task task, int pid, Errno refused)
    {
        using (task.System.TaskLock.Acquire())
        {
            Task? target = task.System.Pids.FindTask(pid);
            if (target is null)
                return Errno.ESRCH;
            if (target.Mm is not { } mm || !mm.TryGet())
                return Errno.ESRCH;
            if (TaskAccess.MayInspect(task, target))
                return mm;
            mm.Put();           // never the last: the target still holds one
            return refused;
        }
    }

    private static SysResult Copy(MmStruct mm, ref IovIter local, scoped Span<IoVec> remote, bool write)
    {
        Span<byte> buffer = stackalloc byte[BufferBytes];
        ulong total = 0;                    // not local.Done: bytes that were taken from here may have found no place there
        for (int i = 0; i < remote.Length; i++)
        {
            ulong at = remote[i].Base;
            ulong left = remote[i].Length;
            ulong reached = 0;
            while (left > 0 && local.Remaining > 0)
            {
                // As in Linux all pages of the other side come first: they have been brought in when this side then cannot be copied.
                if (reached == 0)
                {
                    reached = Math.Min(left, ReachBytes - (at & PageSize.Mask));
                    reached = mm.ReachRemote(new VirtAddr(at), reached, write);
                    if (reached == 0)
                        return total == 0 ? Errno.EFAULT : total;
                }
                ulong part = left < BufferBytes ? left : BufferBytes;
                part = Math.Min(part, Math.Min(reached, local.Remaining));
                Span<byte> piece = buffer[..(int)part];
                ulong done = write ? WritePart(mm, at, ref local, piece, out bool complete) : ReadPart(mm, at, ref local, piece, out complete);
                at += done;
                left -= done;
                total += done;
                reached -= done;
                if (!complete)
                    return total == 0 ? Errno.EFAULT : total;
            }
        }

        return total;
    }

    private static ulong ReadPart(MmStruct mm, ulong at, ref IovIter local, scoped Span<byte> piece, out bool complete)
    {
        ulong got = mm.AccessRemote(new VirtAddr(at), piece, write: false);
        Errno error = local.CopyToIter(piece[..(int)got], out int copied);
        complete = error == Errno.None && got == (ulong)piece.Length;
        return (ulong)copied;
    }

    private static ulong WritePart(MmStruct mm, ulong at, ref IovIter local, scoped Span<byte> piece, out bool complete)
    {
        Errno error = local.CopyFromIter(piece, out int copied);
        ulong put = mm.AccessRemote(new VirtAddr(at), piece[..copied], write: true);
        complete = error == Errno.None && put == (ulong)piece.Length;
        return put;
    }
}
