using NanoVm.Core;

namespace NanoVm.Files.Pipes;

/// <summary>Opens pipes that have a name. Linux: <c>fifo_open</c>; man 7 fifo.</summary>
internal static class Fifo
{
    /// <summary>Opens one end and waits for somebody to open the other.</summary>
    /// <returns>ENXIO for a writer with O_NONBLOCK when nobody reads; ERESTARTSYS; ENOMEM.</returns>
    public static Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
    {
        Inode inode = path.Dentry.Inode!;
        Pipe? pipe = inode.Pipe;
        if (pipe is null)
        {
            pipe = Pipe.Allocate(inode.Vfs.Io);
            if (pipe is null)
                return Errno.ENOMEM;
            if (inode.Pipe is { } other)                     // another opener was faster while memory was found
            {
                pipe.Put();
                pipe = other;
                pipe.Users++;
            }
            else
            {
                inode.Pipe = pipe;
            }
        }
        else
        {
            pipe.Users++;
        }

        PipeFile? file = PipeFile.Allocate(pipe, path, flags);
        if (file is null)
        {
            if (pipe.Put())
                inode.Pipe = null;
            return Errno.ENOMEM;
        }

        // From here on the file counts as open; a failure puts it, which undoes all.
        bool nonBlocking = (flags & OpenFlags.NonBlocking) != 0;
        // A pipe without a name, opened anew by /proc/PID/fd: its other end has come and may have gone, so nobody is waited for.
        bool isPipe = ReferenceEquals(path.Mount, inode.Vfs.Io.PipeFileSystem.Mount);
        Errno error = Errno.None;
        if (file.CanRead)
        {
            pipe.ReaderCount++;
            pipe.ReaderOpens++;
        }
        if (file.CanWrite)
        {
            pipe.WriterCount++;
            pipe.WriterOpens++;
        }
        if (file.CanRead && file.CanWrite)
        {
            pipe.Openers.WakeAll();
        }
        else if (file.CanRead)
        {
            pipe.Openers.WakeAll();
            if (!isPipe && pipe.WriterCount == 0)
            {
                if (nonBlocking)
                    file.HideOldWriters();
                else
                    error = WaitFor(pipe, who, ref pipe.WriterOpens);
            }
        }
        else if (file.CanWrite)
        {
            if (!isPipe && nonBlocking && pipe.ReaderCount == 0)
            {
                error = Errno.ENXIO;
            }
            else
            {
                pipe.Openers.WakeAll();
                if (!isPipe && pipe.ReaderCount == 0)
                    error = WaitFor(pipe, who, ref pipe.ReaderOpens);
            }
        }
        if (error != Errno.None)
        {
            file.Put();
            return error;
        }
        return file;
    }

    // The count, not the number of open files: who opens and closes at once has been here too.
    private static Errno WaitFor(Pipe pipe, TaskFiles who, ref uint opens)
    {
        uint before = opens;
        Errno error = Errno.None;
        for (; ; )
        {
            pipe.Openers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (opens != before)
                break;
            if (who.SignalPending)
            {
                error = Errno.ERESTARTSYS;
                break;
            }
            PerCpu.Scheduler.Schedule();
        }
        pipe.Openers.FinishWait(who.WaitNode);
        return error;
    }
}
