using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/cmdline</c> and <c>/proc/PID/environ</c>: strings on the process's own stack, read where they are.</summary>
/// <remarks>Linux: <c>get_mm_cmdline</c>, <c>environ_read</c>.</remarks>
internal sealed class ArgumentFile : TaskFile
{
    private readonly bool _environment;

    /// <summary>Makes one of the two.</summary>
    public ArgumentFile(TaskSystem system, ReadOnlySpan<byte> name, bool environment)
        : base(system, name, environment ? 0x100u : 0x124u) => _environment = environment;

    /// <inheritdoc/>
    protected override bool IsPrivate => _environment;

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position)
    {
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        MmStruct? mm = TaskNode.MemoryOf(task);
        task.Put();
        if (mm is null)
            return 0L;
        Result<long> result = Read(mm, ref to, ref position);
        mm.Put();
        return result;
    }

    private Result<long> Read(MmStruct mm, ref IovIter to, ref long position)
    {
        VirtAddr start = _environment ? mm.EnvironmentStart : mm.ArgumentStart;
        VirtAddr end = _environment ? mm.EnvironmentEnd : mm.ArgumentEnd;
        if (start >= end)
            return 0L;
        // A program that wrote a longer title over its arguments has overwritten the NUL at their end: the title goes on into the
        // environment, up to the next NUL.
        bool isTitle = false;
        if (!_environment && mm.EnvironmentEnd > end)
        {
            Span<byte> last = stackalloc byte[1];
            if (mm.ReadRemote(end - 1, last) == Errno.None && last[0] != 0)
            {
                isTitle = true;
                end = mm.EnvironmentEnd;
            }
        }

        Span<byte> piece = stackalloc byte[256];
        long total = 0;
        while (to.Remaining != 0 && (ulong)position < end - start)
        {
            VirtAddr at = start + (ulong)position;
            int wanted = (int)Math.Min(Math.Min((ulong)piece.Length, end - at), to.Remaining);
            ulong got = mm.AccessRemote(at, piece.Slice(0, wanted), write: false, force: true);
            if (got == 0)
                break;
            ReadOnlySpan<byte> text = piece.Slice(0, (int)got);
            if (isTitle)
            {
                int nul = text.IndexOf((byte)0);
                if (nul >= 0)
                {
                    text = text.Slice(0, nul + 1);
                    end = at + (ulong)text.Length;
                }
            }
            Errno error = to.CopyToIter(text, out int copied);
            position += copied;
            total += copied;
            if (error != Errno.None)
                return total != 0 ? total : error;
        }
        return total;
    }
}

/// <summary><c>/proc/PID/mem</c>: the memory itself, at its own addresses. Linux: <c>mem_rw</c>.</summary>
internal sealed class MemFile(TaskSystem system) : TaskFile(system, "mem"u8, 0x180)
{
    /// <inheritdoc/>
    public override Result<long> Seek(ProcOpenFile file, long offset, SeekOrigin origin)
    {
        switch (origin)
        {
            case SeekOrigin.Start:
                file.Position = offset;                     // addresses are unsigned: "negative" ones are allowed and hold nothing
                break;
            case SeekOrigin.Current:
                file.Position += offset;
                break;
            default:
                return Errno.EINVAL;
        }
        return file.Position;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position)
    {
        if (MemoryOf(file) is not { } mm)
            return 0L;
        Errno error = Errno.None;
        Span<byte> piece = stackalloc byte[512];
        long total = 0;
        while (to.Remaining != 0)
        {
            int wanted = (int)Math.Min((ulong)piece.Length, to.Remaining);
            ulong got = mm.AccessRemote(new VirtAddr((ulong)position), piece.Slice(0, wanted), write: false, force: true);
            if (got == 0)
            {
                error = Errno.EIO;
                break;
            }
            error = to.CopyToIter(piece.Slice(0, (int)got), out int copied);
            position += copied;
            total += copied;
            if (error != Errno.None)
                break;
        }
        mm.Put();
        return total != 0 || error == Errno.None ? total : error;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        if (MemoryOf(file) is not { } mm)
            return 0L;
        Errno error = Errno.None;
        Span<byte> piece = stackalloc byte[512];
        long total = 0;
        while (from.Remaining != 0)
        {
            error = from.CopyFromIter(piece, out int count);
            ulong done = mm.AccessRemote(new VirtAddr((ulong)position), piece.Slice(0, count), write: true, force: true);
            position += (long)done;
            total += (long)done;
            if (error == Errno.None && done != (ulong)count)
                error = Errno.EIO;
            if (error != Errno.None)
                break;
        }
        mm.Put();
        return total != 0 || error == Errno.None ? total : error;
    }

    // Null when the process or its memory is gone: end of file.
    private MmStruct? MemoryOf(ProcOpenFile file)
    {
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return null;
        MmStruct? mm = TaskNode.MemoryOf(task);
        task.Put();
        return mm;
    }
}

/// <summary><c>/proc/PID/pagemap</c>: eight bytes for each page of the address space. Linux: <c>pagemap_read</c>.</summary>
internal sealed class PagemapFile(TaskSystem system) : TaskFile(system, "pagemap"u8, 0x100)
{
    private const ulong Present = 1UL << 63;
    private const ulong Swapped = 1UL << 62;
    private const ulong FileOrShared = 1UL << 61;
    private const ulong Exclusive = 1UL << 56;
    private const ulong SoftDirty = 1UL << 55;

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position)
    {
        if ((position & 7) != 0 || (to.Remaining & 7) != 0)
            return Errno.EINVAL;
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return 0L;
        MmStruct? mm = TaskNode.MemoryOf(task);
        task.Put();
        if (mm is null)
            return 0L;
        bool showFrames = who.Credentials.Has(Capability.SysAdmin);
        Result<long> result = Read(mm, showFrames, ref to, ref position);
        mm.Put();
        return result;
    }

    private static Result<long> Read(MmStruct mm, bool showFrames, ref IovIter to, ref long position)
    {
        const int PieceWords = 64;
        Span<ulong> words = stackalloc ulong[PieceWords];
        long total = 0;
        ulong pages = mm.TaskSize.Value >> PageSize.Shift;
        while (to.Remaining != 0)
        {
            ulong page = (ulong)position / 8;
            if (page >= pages)
                break;
            int count = (int)Math.Min(Math.Min(PieceWords, to.Remaining / 8), pages - page);
            mm.MmapLock.ReadLock();
            VmArea? area = mm.FindVma(new VirtAddr(page << PageSize.Shift));
            for (int i = 0; i < count; i++)
            {
                var address = new VirtAddr((page + (ulong)i) << PageSize.Shift);
                while (area is not null && area.End <= address)
                    area = area.Next;
                words[i] = area is not null && area.Start <= address ? Word(mm, area, address, showFrames) : 0;
            }
            mm.MmapLock.ReadUnlock();
            Errno error = to.CopyToIter(global::System.Runtime.InteropServices.MemoryMarshal.AsBytes(words.Slice(0, count)), out int copied);
            position += copied;
            total += copied;
            if (error != Errno.None)
                return total != 0 ? total : error;
        }
        return total;
    }

    private static ulong Word(MmStruct mm, VmArea area, VirtAddr address, bool showFrames)
    {
        Pte entry;
        using (mm.PageTableLock.Acquire())
            entry = mm.ReadPte(address);
        ulong word = area.Has(VmFlags.SoftDirty) || entry.IsSoftDirty ? SoftDirty : 0;
        if (entry.IsSwap())
        {
            // Where it is tells as much as a frame's number would: for the same eyes only. man 5 proc.
            var slot = new SwapEntry(entry);
            return word | Swapped | (showFrames ? (uint)slot.Area | (slot.Slot << 5) : 0);
        }

        if (!entry.IsMapped())
            return word;
        word |= Present;
        Pfn pfn = entry.Pfn;
        if (showFrames)
            word |= pfn.Value;
        if (entry.IsSpecial || !mm.System.Frames.IsRam(pfn))
            return word;
        ref Memory.Physical.PageFrame frame = ref mm.System.Frames[mm.System.Frames.HeadOf(pfn)];
        if (!frame.IsAnonymous)
            word |= FileOrShared;
        if (mm.System.Frames.MappingsOf(pfn) == 1)
            word |= Exclusive;
        return word;
    }
}
