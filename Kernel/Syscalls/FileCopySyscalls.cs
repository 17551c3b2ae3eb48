using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Pipes;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Copies inside the kernel: <c>sendfile copy_file_range splice tee vmsplice</c>.</summary>
internal static unsafe class FileCopySyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(40, "sendfile"u8, &Sendfile);
        table.Add(275, "splice"u8, &Splice);
        table.Add(276, "tee"u8, &Tee);
        table.Add(278, "vmsplice"u8, &Vmsplice);
        table.Add(326, "copy_file_range"u8, &CopyFileRange);
    }

    /// <summary>man 2 sendfile.</summary>
    private static SysResult Sendfile(ref SyscallArguments a)
    {
        Task task = a.Task;
        OpenFile? from = task.Files.GetFile(a.Int1);
        OpenFile? to = task.Files.GetFile(a.Int0);
        SysResult result = from is null || to is null ? Errno.EBADF : Sendfile(task, from, to, a.Address2, a.Arg3);
        to?.Put();
        from?.Put();
        return result;
    }

    private static SysResult Sendfile(Task task, OpenFile from, OpenFile to, VirtAddr offsetAt, ulong count)
    {
        long position = 0;
        if (!offsetAt.IsZero)
        {
            Errno copied = UserCopy.Get(offsetAt, out position);
            if (copied != Errno.None)
                return copied;
        }
        if (!from.CanRead || !to.CanWrite)
            return Errno.EBADF;
        if (!offsetAt.IsZero && (from.Modes & OpenModes.Positional) == 0)
            return Errno.ESPIPE;
        if (position < 0 || from.Inode.IsDirectory || (to.Flags & OpenFlags.Append) != 0)
            return Errno.EINVAL;
        // A source that cannot take bytes back would lose what the target does not accept.
        if ((from.Modes & OpenModes.Positional) == 0)
            return Errno.EINVAL;
        Result<long> result = Transfer(task, from, ref position, offsetAt.IsZero, to, 0, useOwnTarget: true, out _, Math.Min(count, IovIter.Maximum));
        if (result.IsOk && !offsetAt.IsZero)
        {
            Errno error = UserCopy.Put(offsetAt, position);
            if (error != Errno.None)
                return error;
        }
        return result;
    }

    /// <summary>man 2 copy_file_range.</summary>
    private static SysResult CopyFileRange(ref SyscallArguments a)
    {
        Task task = a.Task;
        OpenFile? from = task.Files.GetFile(a.Int0);
        OpenFile? to = task.Files.GetFile(a.Int2);
        SysResult result = from is null || to is null ? Errno.EBADF : CopyFileRange(task, from, a.Address1, to, a.Address3, a.Arg4, a.UInt5);
        to?.Put();
        from?.Put();
        return result;
    }

    private static SysResult CopyFileRange(Task task, OpenFile from, VirtAddr fromAt, OpenFile to, VirtAddr toAt, ulong count, uint flags)
    {
        long fromPosition = from.Position;
        long toPosition = to.Position;
        if (!fromAt.IsZero && UserCopy.Get(fromAt, out fromPosition) != Errno.None)
            return Errno.EFAULT;
        if (!toAt.IsZero && UserCopy.Get(toAt, out toPosition) != Errno.None)
            return Errno.EFAULT;
        if (flags != 0)
            return Errno.EINVAL;
        if (from.Inode.IsDirectory || to.Inode.IsDirectory)
            return Errno.EISDIR;
        if (!from.Inode.IsRegular || !to.Inode.IsRegular)
            return Errno.EINVAL;
        if (!from.CanRead || !to.CanWrite || (to.Flags & OpenFlags.Append) != 0)
            return Errno.EBADF;
        if (fromPosition < 0 || toPosition < 0)
            return Errno.EINVAL;
        if (count > long.MaxValue || (ulong)fromPosition + count > long.MaxValue || (ulong)toPosition + count > long.MaxValue)
            return Errno.EOVERFLOW;
        if ((ulong)fromPosition >= from.Inode.Size)
            return 0L;
        count = Math.Min(count, from.Inode.Size - (ulong)fromPosition);
        if (ReferenceEquals(from.Inode, to.Inode) && (ulong)toPosition + count > (ulong)fromPosition && (ulong)fromPosition + count > (ulong)toPosition)
            return Errno.EINVAL;
        Result<long> result = Transfer(task, from, ref fromPosition, fromAt.IsZero, to, toPosition, toAt.IsZero, out toPosition, Math.Min(count, IovIter.Maximum));
        if (!result.IsOk)
            return result;
        if (!fromAt.IsZero && UserCopy.Put(fromAt, fromPosition) != Errno.None)
            return Errno.EFAULT;
        if (!toAt.IsZero && UserCopy.Put(toAt, toPosition) != Errno.None)
            return Errno.EFAULT;
        return result;
    }

    private const uint SpliceNonBlock = 2, SpliceKnown = 0xF;

    /// <summary>man 2 splice: one side at least must be a pipe.</summary>
    private static SysResult Splice(ref SyscallArguments a)
    {
        if (a.Arg4 == 0)
            return 0L;
        if ((a.UInt5 & ~SpliceKnown) != 0)
            return Errno.EINVAL;
        Task task = a.Task;
        OpenFile? from = task.Files.GetFile(a.Int0);
        OpenFile? to = task.Files.GetFile(a.Int2);
        SysResult result = from is null || to is null ? Errno.EBADF
            : Splice(task, from, a.Address1, to, a.Address3, Math.Min(a.Arg4, IovIter.Maximum), (a.UInt5 & SpliceNonBlock) != 0);
        to?.Put();
        from?.Put();
        return result;
    }

    private static SysResult Splice(Task task, OpenFile from, VirtAddr fromAt, OpenFile to, VirtAddr toAt, ulong count, bool nonBlocking)
    {
        if (!from.CanRead || !to.CanWrite)
            return Errno.EBADF;
        var fromPipe = from as PipeFile;
        var toPipe = to as PipeFile;
        if ((fromPipe is not null && !fromAt.IsZero) || (toPipe is not null && !toAt.IsZero))
            return Errno.ESPIPE;
        if (fromPipe is not null && toPipe is not null)
            return PipeSplice.Between(task, fromPipe, toPipe, count, nonBlocking, duplicate: false);
        if (fromPipe is null && toPipe is null)
            return Errno.EINVAL;

        VirtAddr at = fromPipe is null ? fromAt : toAt;
        OpenFile file = fromPipe is null ? from : to;
        if (!at.IsZero && (file.Modes & OpenModes.Positional) == 0)
            return Errno.EINVAL;
        if (toPipe is not null && (file.Modes & OpenModes.Positional) == 0)
            return Errno.EINVAL;                            // only files that can be read twice: what does not fit stays in them
        if (fromPipe is not null && (to.Flags & OpenFlags.Append) != 0)
            return Errno.EINVAL;
        long position = 0;
        if (!at.IsZero && UserCopy.Get(at, out position) != Errno.None)
            return Errno.EFAULT;
        if (position < 0)
            return Errno.EINVAL;

        bool locked = at.IsZero && FileTransfer.LockPosition(file);
        if (at.IsZero)
            position = file.Position;
        Result<long> result = fromPipe is not null
            ? PipeSplice.ToFile(task, fromPipe, to, ref position, count, nonBlocking)
            : PipeSplice.FromFile(task, from, ref position, toPipe!, count, nonBlocking);
        if (at.IsZero && result.IsOk)
            file.Position = position;
        if (locked)
            file.PositionLock.Unlock();
        if (result.IsOk && !at.IsZero && UserCopy.Put(at, position) != Errno.None)
            return Errno.EFAULT;
        return result;
    }

    /// <summary>man 2 tee: copies between pipes and takes nothing out.</summary>
    private static SysResult Tee(ref SyscallArguments a)
    {
        if ((a.UInt3 & ~SpliceKnown) != 0)
            return Errno.EINVAL;
        if (a.Arg2 == 0)
            return 0L;
        Task task = a.Task;
        OpenFile? from = task.Files.GetFile(a.Int0);
        OpenFile? to = task.Files.GetFile(a.Int1);
        SysResult result;
        if (from is null || to is null || !from.CanRead || !to.CanWrite)
            result = Errno.EBADF;
        else if (from is PipeFile source && to is PipeFile target)
            result = PipeSplice.Between(task, source, target, a.Arg2, (a.UInt3 & SpliceNonBlock) != 0, duplicate: true);
        else
            result = Errno.EINVAL;
        to?.Put();
        from?.Put();
        return result;
    }

    /// <summary>man 2 vmsplice: memory to a pipe, or out of it. Pages are copied, never shared with the program.</summary>
    private static SysResult Vmsplice(ref SyscallArguments a)
    {
        if ((a.UInt3 & ~SpliceKnown) != 0)
            return Errno.EINVAL;
        Task task = a.Task;
        OpenFile? file = task.Files.GetFile(a.Int0);
        if (file is null)
            return Errno.EBADF;
        SysResult result = file is PipeFile pipe ? Vmsplice(task, pipe, a.Address1, a.Arg2, (a.UInt3 & SpliceNonBlock) != 0) : Errno.EBADF;
        file.Put();
        return result;
    }

    private static SysResult Vmsplice(Task task, PipeFile pipe, VirtAddr list, ulong count, bool nonBlocking)
    {
        Errno error = IoVectorArgument.Get(task.Fs.Vfs, list, count, out IoVectorArgument vectors);
        using (vectors)
        {
            if (error != Errno.None)
                return error;
            error = IovIter.TryFromUser(vectors.Vectors, out IovIter iter);
            if (error != Errno.None)
                return error;
            nonBlocking |= pipe.IsNonBlocking;
            return pipe.CanWrite ? pipe.Write(task, ref iter, nonBlocking) : pipe.Read(task, ref iter, nonBlocking);
        }
    }

    // Copies with each position either the file's own (locked) or the caller's.
    private static Result<long> Transfer(
        Task task, OpenFile from, ref long fromPosition, bool useOwnSource, OpenFile to, long toStart, bool useOwnTarget, out long toPosition, ulong count)
    {
        toPosition = toStart;
        // Both positions are locked in the order of their addresses nowhere else, so a file to itself takes one lock only.
        bool sourceLocked = useOwnSource && FileTransfer.LockPosition(from);
        bool targetLocked = useOwnTarget && !ReferenceEquals(from, to) && TryLockTarget(to, ref sourceLocked, from);
        if (useOwnSource)
            fromPosition = from.Position;
        if (useOwnTarget)
            toPosition = to.Position;
        Result<long> result = FileCopy.Copy(task, from, ref fromPosition, to, ref toPosition, count);
        if (result.IsOk)
        {
            if (useOwnSource)
                from.Position = fromPosition;
            if (useOwnTarget)
                to.Position = toPosition;
        }
        if (targetLocked)
            to.PositionLock.Unlock();
        if (sourceLocked)
            from.PositionLock.Unlock();
        return result;
    }

    // Two copies in opposite directions must not wait for each other: whoever finds the second lock taken lets the first go and takes them anew.
    private static bool TryLockTarget(OpenFile to, ref bool sourceLocked, OpenFile from)
    {
        if (!sourceLocked)
            return FileTransfer.LockPosition(to);
        if (!to.Inode.IsRegular)
            return false;
        while (!to.PositionLock.TryLock())
        {
            from.PositionLock.Unlock();
            to.PositionLock.Lock();
            if (from.PositionLock.TryLock())
                return true;
            to.PositionLock.Unlock();
            from.PositionLock.Lock();
        }
        return true;
    }
}
