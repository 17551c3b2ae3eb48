using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>Moves bytes from one open file to another inside the kernel, through one frame.</summary>
/// <remarks>Linux: <c>do_splice_direct</c>, <c>generic_copy_file_range</c>. What could not be written is given back to the source's position.</remarks>
internal static class FileCopy
{
    /// <summary>Copies up to <paramref name="count"/> bytes; both positions move by what arrived.</summary>
    /// <returns>Bytes copied, fewer at the end of the source or when the target takes no more; an error only when nothing was copied.</returns>
    public static Result<long> Copy(TaskFiles who, OpenFile from, ref long fromPosition, OpenFile to, ref long toPosition, ulong count)
    {
        FrameAllocator frames = from.Vfs.Memory.Frames;
        Errno error = frames.Allocate(AllocationFlags.None, out Pfn frame);
        if (error != Errno.None)
            return error;
        Span<byte> buffer = DirectMap.Page(frame);
        long total = 0;
        while ((ulong)total < count)
        {
            int wanted = (int)Math.Min((ulong)buffer.Length, count - (ulong)total);
            IovIter into = IovIter.FromKernel(buffer[..wanted]);
            long start = fromPosition;
            if (!FileTransfer.ReadAt(who, from, ref into, ref fromPosition).TryGet(out long got, out error) || got == 0)
                break;
            long written = WriteAll(who, to, buffer[..(int)got], ref toPosition, out error);
            total += written;
            if (written < got)
            {
                fromPosition = start + written;
                break;
            }
            // A pipe gives what it has; asking again would wait for more.
            if ((from.Modes & OpenModes.Positional) == 0)
                break;
            if (who.SignalPending)
            {
                error = Errno.ERESTARTSYS;
                break;
            }
        }
        frames.Put(frame);
        return total > 0 || error == Errno.None ? total : error;
    }

    private static long WriteAll(TaskFiles who, OpenFile to, Span<byte> bytes, ref long position, out Errno error)
    {
        IovIter iter = IovIter.FromKernel(bytes);
        error = Errno.None;
        long total = 0;
        while (total < bytes.Length)
        {
            if (!FileTransfer.WriteAt(who, to, ref iter, ref position).TryGet(out long written, out error) || written == 0)
                break;
            total += written;
        }
        return total;
    }
}
