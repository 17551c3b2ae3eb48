using NanoVm.Core;
using NanoVm.Files.Anonymous;

namespace NanoVm.Files.Pipes;

/// <summary>Makes pipes without a name. Linux: <c>create_pipe_files</c>.</summary>
internal static class PipeCreation
{
    /// <summary>Makes a pipe with its two open ends.</summary>
    /// <param name="flags">O_NONBLOCK and O_DIRECT for both ends.</param>
    public static Errno Create(IoSystem io, TaskFiles who, OpenFlags flags, out OpenFile reader, out OpenFile writer)
    {
        reader = null!;
        writer = null!;
        Pipe? pipe = Pipe.Allocate(io);
        if (pipe is null)
            return Errno.ENOMEM;
        if (!io.PipeFileSystem.MakePlace(who, FileMode.Fifo | 0x180, default).TryGet(out PathRef place, out Errno error))
        {
            pipe.Put();
            return error;
        }
        PipeFile? read = PipeFile.Allocate(pipe, place, flags & OpenFlags.NonBlocking);
        if (read is null)
        {
            pipe.Put();
            place.Put();
            return Errno.ENOMEM;
        }
        pipe.ReaderCount = 1;
        place.Dentry.Inode!.Pipe = pipe;
        PipeFile? write = PipeFile.Allocate(pipe, place, (flags & (OpenFlags.NonBlocking | OpenFlags.Direct)) | OpenFlags.WriteOnly);
        place.Put();
        if (write is null)
        {
            read.Put();
            return Errno.ENOMEM;
        }
        pipe.Users++;
        pipe.WriterCount = 1;
        pipe.ReaderOpens = pipe.WriterOpens = 1;
        reader = read;
        writer = write;
        return Errno.None;
    }
}
