using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Copies inside the kernel: <c>sendfile copy_file_range splice tee vmsplice</c>.</summary>
internal static unsafe class FileCopySyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(40, "sendfile"u8, &Sendfile);
        table.Add(275, "splice"u8, &Splice);
        table.Add(276, "tee"u8, &Refuse);
        table.Add(278, "vmsplice"u8, &Refuse);
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

    /// <summary>man 2 splice: one side must be a pipe; copies from or to a file with positions.</summary>
    private static SysResult Splice(ref SyscallArguments a)
    {
        const uint Known = 0xF;
        if (a.Arg4 == 0)
            return 0L;
        if ((a.UInt5 & ~Known) != 0)
            return Errno.EINVAL;
        Task task = a.Task;
        OpenFile? from = task.Files.GetFile(a.Int0);
        OpenFile? to = task.Files.GetFile(a.Int2);
        SysResult result = from is null || to is null ? Errno.EBADF : Splice(task, from, a.Address1, to, a.Address3, a.Arg4);
        to?.Put();
        from?.Put();
        return result;
    }

    private static SysResult Splice(Task task, OpenFile from, VirtAddr fromAt, OpenFile to, VirtAddr toAt, ulong count)
    {
        if (!from.CanRead || !to.CanWrite)
            return Errno.EBADF;
        bool fromPipe = FileMode.Fifo == (from.Inode.Mode & FileMode.TypeMask);
        bool toPipe = FileMode.Fifo == (to.Inode.Mode & FileMode.TypeMask);
        if ((fromPipe && !fromAt.IsZero) || (toPipe && !toAt.IsZero))
            return Errno.ESPIPE;
        // From a pipe nothing can be given back, so only what a regular file takes for certain is taken out of it.
        if (fromPipe == toPipe || (fromPipe && !to.Inode.IsRegular) || (toPipe && (from.Modes & OpenModes.Positional) == 0))
            return Errno.EINVAL;
        if ((to.Flags & OpenFlags.Append) != 0 && !toPipe)
            return Errno.EINVAL;
        long fromPosition = from.Position;
        long toPosition = to.Position;
        if (!fromAt.IsZero && UserCopy.Get(fromAt, out fromPosition) != Errno.None)
            return Errno.EFAULT;
        if (!toAt.IsZero && UserCopy.Get(toAt, out toPosition) != Errno.None)
            return Errno.EFAULT;
        if (fromPosition < 0 || toPosition < 0)
            return Errno.EINVAL;
        // One page at a time: a splice answers what there is and does not wait for more.
        Result<long> result = Transfer(task, from, ref fromPosition, fromAt.IsZero, to, toPosition, toAt.IsZero, out toPosition, Math.Min(count, PageSize.Bytes));
        if (!result.IsOk)
            return result;
        if (!fromAt.IsZero && UserCopy.Put(fromAt, fromPosition) != Errno.None)
            return Errno.EFAULT;
        if (!toAt.IsZero && UserCopy.Put(toAt, toPosition) != Errno.None)
            return Errno.EFAULT;
        return result;
    }

    /// <summary>tee and vmsplice pass pages by reference, which pipes here do not do: EINVAL, as for files that cannot.</summary>
    private static SysResult Refuse(ref SyscallArguments a)
    {
        if (a.Task.Files.Peek(a.Int0) is null)
            return Errno.EBADF;
        return Errno.EINVAL;
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
