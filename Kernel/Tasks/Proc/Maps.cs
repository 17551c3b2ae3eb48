using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>A file with a piece of text for each area: <c>maps</c>, <c>smaps</c> and <c>numa_maps</c>.</summary>
/// <remarks>
/// Linux: <c>m_start</c>, <c>m_next</c>. The cursor is the end of the last area shown, so a piece goes on in O(log areas) where the one
/// before ended, whatever has been mapped and unmapped between them.
/// </remarks>
internal abstract class AreaFile(TaskSystem system, ReadOnlySpan<byte> name) : MemoryText(system, name)
{
    /// <summary>Writes the text of one area. Holds <see cref="MmStruct.MmapLock"/> for reading.</summary>
    protected abstract void Show(Task task, ref TextWriter w, VmArea area);

    /// <inheritdoc/>
    protected sealed override void Show(Task task, MmStruct mm, ref TextWriter w, ref ProcCursor cursor)
    {
        VmArea? area = cursor.Position == 0 ? mm.FirstArea : mm.FindVma(new VirtAddr(cursor.Position));
        for (; area is not null; area = area.Next)
        {
            int before = w.Length;
            Show(task, ref w, area);
            if (w.Overflowed)
            {
                w.Truncate(before);
                return;
            }
            cursor.Position = area.End.Value;
        }
        int gate = w.Length;
        ShowGate(ref w);
        if (w.Overflowed)
            w.Truncate(gate);
        else
            cursor.Ended = true;
    }

    /// <summary>Writes the text of the vsyscall page, which every address space ends with. Linux: <c>get_gate_vma</c>.</summary>
    protected abstract void ShowGate(ref TextWriter w);
}

/// <summary><c>/proc/PID/maps</c>.</summary>
internal sealed class MapsFile(TaskSystem system) : AreaFile(system, "maps"u8)
{
    /// <inheritdoc/>
    protected override void Show(Task task, ref TextWriter w, VmArea area) => MapsText.Line(ref w, area);

    /// <inheritdoc/>
    protected override void ShowGate(ref TextWriter w) => MapsText.GateLine(ref w);
}

/// <summary><c>/proc/PID/smaps</c>.</summary>
internal sealed class SmapsFile(TaskSystem system) : AreaFile(system, "smaps"u8)
{
    /// <inheritdoc/>
    protected override void Show(Task task, ref TextWriter w, VmArea area)
    {
        MapsText.Line(ref w, area);
        var usage = new AreaUsage();
        usage.Add(area);
        SmapsText.Sizes(ref w, area.Bytes, area.Flags);
        SmapsText.Usage(ref w, usage, rollup: false);
        w.Text(area.Mm.System.HugePages.IsEligible(area) ? "THPeligible:    1\n"u8 : "THPeligible:    0\n"u8);
        SmapsText.Key(ref w, area.Flags);
        SmapsText.Flags(ref w, area.Flags);
    }

    /// <inheritdoc/>
    protected override void ShowGate(ref TextWriter w)
    {
        MapsText.GateLine(ref w);
        SmapsText.Sizes(ref w, PageSize.Bytes, VmFlags.Execute);
        SmapsText.Usage(ref w, new AreaUsage(), rollup: false);
        w.Text("THPeligible:    0\n"u8);
        SmapsText.Key(ref w, VmFlags.Execute);
        SmapsText.Flags(ref w, VmFlags.Execute);
    }
}

/// <summary><c>/proc/PID/smaps_rollup</c>: the sums over all areas.</summary>
internal sealed class SmapsRollup(TaskSystem system) : TaskPage(system, "smaps_rollup"u8)
{
    /// <inheritdoc/>
    protected override bool IsPrivate => true;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        MmStruct? mm = TaskNode.MemoryOf(task);
        if (mm is null)
            return Errno.ESRCH;
        Errno error = mm.MmapLock.ReadLockKillable();
        if (error == Errno.None)
        {
            var usage = new AreaUsage();
            VirtAddr start = mm.FirstArea is { } first ? first.Start : default;
            VirtAddr end = mm.Areas.HighestEnd;
            for (VmArea? area = mm.FirstArea; area is not null; area = area.Next)
                usage.Add(area);
            mm.MmapLock.ReadUnlock();
            int line = w.Length;
            w.Hex(start.Value, 8);
            w.Byte((byte)'-');
            w.Hex(end.Value, 8);
            w.Text(" ---p 00000000 00:00 0 "u8);
            w.PadTo(line, 72);
            w.Text(" [rollup]\n"u8);
            SmapsText.Usage(ref w, usage, rollup: true);
        }
        mm.Put();
        return error;
    }
}
