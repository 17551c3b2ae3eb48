using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/clear_refs</c>: forgets which pages were used, or written. Linux: <c>clear_refs_write</c>; man 5 proc.</summary>
internal sealed class ClearRefsFile(TaskSystem system) : TaskFile(system, "clear_refs"u8, 0x80)
{
    private enum Kind
    {
        All = 1,
        Anonymous = 2,
        Mapped = 3,
        SoftDirty = 4,
        HighWaterMark = 5,
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position) => Errno.EINVAL;

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        Errno error = TakeKind(ref from, out Kind kind);
        if (error != Errno.None)
            return error;
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        MmStruct? mm = TaskNode.MemoryOf(task);
        task.Put();
        if (mm is null)
            return total;
        // Write-protecting pages and the flags of areas need the lock that excludes faults.
        error = mm.MmapLock.WriteLockKillable();
        if (error == Errno.None)
        {
            Clear(mm, kind);
            mm.MmapLock.WriteUnlock();
        }
        mm.Put();
        return error == Errno.None ? total : error;
    }

    /// <summary>A decimal number with blanks around it, out of the first twelve bytes; ERANGE for one that is no <c>int</c>.</summary>
    private static Errno TakeKind(ref IovIter from, out Kind kind)
    {
        kind = default;
        Span<byte> text = stackalloc byte[12];
        Errno error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return error;
        ReadOnlySpan<byte> digits = text[..count];
        while (digits.Length > 0 && (digits[0] is (byte)' ' or (byte)'\t' or (byte)'\n'))
            digits = digits[1..];
        while (digits.Length > 0 && (digits[^1] is (byte)' ' or (byte)'\t' or (byte)'\n' or 0))
            digits = digits[..^1];
        ulong number = 0;
        foreach (byte c in digits)
        {
            if (c is < (byte)'0' or > (byte)'9')
                return Errno.EINVAL;
            number = (number * 10) + c - '0';               // twelve digits always fit
        }
        if (number > int.MaxValue)
            return Errno.ERANGE;
        kind = (Kind)number;
        return kind is >= Kind.All and <= Kind.HighWaterMark ? Errno.None : Errno.EINVAL;
    }

    private static void Clear(MmStruct mm, Kind kind)
    {
        if (kind == Kind.HighWaterMark)
        {
            mm.HighestRss = mm.Rss;
            return;
        }
        for (VmArea? area = mm.FirstArea; area is not null; area = area.Next)
        {
            if ((kind == Kind.Anonymous && area.File is not null) || (kind == Kind.Mapped && area.File is null))
                continue;
            if (kind == Kind.SoftDirty)
            {
                area.Flags &= ~VmFlags.SoftDirty;
                ProtectionMap.Apply(area);              // from now on the first write to each page of shared memory is noticed, too
            }
            ClearArea(mm, area, kind);
        }
        TlbBatch.FlushMm(mm);
    }

    private static void ClearArea(MmStruct mm, VmArea area, Kind kind)
    {
        FrameAllocator frames = mm.System.Frames;
        using (mm.PageTableLock.Acquire())
        {
            var walk = new PteTableWalk(mm, area.Range);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    ref Pmd huge = ref walk.Huge.Entry;
                    if (huge.IsFromPool)
                        continue;
                    huge = huge.Without(kind == Kind.SoftDirty ? PteFlags.SoftDirty | PteFlags.Writable : PteFlags.Accessed);
                    continue;
                }
                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (entry.IsSwap() && kind == Kind.SoftDirty)
                        walk.Table[i] = entry.Without(PteFlags.SoftDirty);
                    if (!entry.IsMapped())
                        continue;
                    if (kind == Kind.SoftDirty)
                    {
                        // The next write faults, and the fault notes it.
                        walk.Table[i] = entry.Without(PteFlags.SoftDirty | PteFlags.Writable);
                        continue;
                    }
                    walk.Table[i] = entry.WithoutAccessed();
                    if (frames.IsRam(entry.Pfn))
                        frames[entry.Pfn].ClearFlags(FrameFlags.Referenced);
                }
            }
        }
    }
}
