using System;
using NanoVm.Core;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/stat</c>: 52 fields on one line. Linux: <c>do_task_stat</c>; man 5 proc.</summary>
internal sealed class TaskStat(TaskSystem system) : TaskPage(system, "stat"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        TaskFacts f = TaskFacts.Of(System, task, whole: !file.Subject.IsThread);
        bool permitted = TaskAccess.MayInspect(Task.Current, task);
        w.Signed(task.Pid);
        w.Text(" ("u8);
        w.Escaped(task.Name, "\n\\"u8);
        w.Text(") "u8);
        w.Byte(f.State);
        Field(ref w, f.ParentPid);
        Field(ref w, f.ProcessGroup);
        Field(ref w, f.Session);
        Field(ref w, (long)f.TerminalDevice);
        Field(ref w, f.TerminalGroup);
        Field(ref w, (long)(uint)task.Flags);
        Field(ref w, (long)f.MinorFaults);
        Field(ref w, (long)f.ChildMinorFaults);
        Field(ref w, (long)f.MajorFaults);
        Field(ref w, (long)f.ChildMajorFaults);
        Field(ref w, (long)(f.Times.User / TaskTimes.NanosecondsPerTick));
        Field(ref w, (long)(f.Times.System / TaskTimes.NanosecondsPerTick));
        Field(ref w, (long)(f.ChildTimes.User / TaskTimes.NanosecondsPerTick));
        Field(ref w, (long)(f.ChildTimes.System / TaskTimes.NanosecondsPerTick));
        Field(ref w, task.RealTimePriority > 0 ? -1 - task.RealTimePriority : 20 + task.Nice);
        Field(ref w, task.Nice);
        Field(ref w, f.Threads);
        Field(ref w, 0);
        Field(ref w, (long)(task.StartTime / TaskTimes.NanosecondsPerTick));

        MmStruct? mm = TaskNode.MemoryOf(task);
        Unsigned(ref w, mm is null ? 0 : mm.TotalVm << PageSize.Shift);
        Unsigned(ref w, mm?.Rss ?? 0);
        Unsigned(ref w, task.Group.Limits.Soft(Resource.Rss));
        bool shown = mm is not null && permitted;
        ulong hidden = mm is null ? 0ul : 1ul;
        Unsigned(ref w, shown ? mm!.StartCode.Value : hidden);
        Unsigned(ref w, shown ? mm!.EndCode.Value : hidden);
        Unsigned(ref w, shown ? mm!.StartStack.Value : 0);
        w.Text(" 0 0"u8);                                   // stack and instruction pointer: not shown since Linux 4.11
        Unsigned(ref w, f.Pending.Bits & 0x7FFF_FFFF);
        Unsigned(ref w, f.Blocked.Bits & 0x7FFF_FFFF);
        Unsigned(ref w, f.Ignored.Bits & 0x7FFF_FFFF);
        Unsigned(ref w, f.Caught.Bits & 0x7FFF_FFFF);
        w.Text(f.State is (byte)'R' ? " 0 0 0"u8 : " 1 0 0"u8);
        Field(ref w, task.IsLeader ? task.ExitSignal : -1);
        w.Text(" 0"u8);
        Field(ref w, task.RealTimePriority);
        Field(ref w, (int)task.Policy);
        w.Text(" 0 0 0"u8);
        Unsigned(ref w, shown ? mm!.StartData.Value : 0);
        Unsigned(ref w, shown ? mm!.EndData.Value : 0);
        Unsigned(ref w, shown ? mm!.StartBreak.Value : 0);
        Unsigned(ref w, shown ? mm!.ArgumentStart.Value : 0);
        Unsigned(ref w, shown ? mm!.ArgumentEnd.Value : 0);
        Unsigned(ref w, shown ? mm!.EnvironmentStart.Value : 0);
        Unsigned(ref w, shown ? mm!.EnvironmentEnd.Value : 0);
        Field(ref w, permitted ? f.ExitCode : 0);
        w.Byte((byte)'\n');
        mm?.Put();
        return Errno.None;
    }

    private static void Field(ref TextWriter w, long value)
    {
        w.Byte((byte)' ');
        w.Signed(value);
    }

    private static void Unsigned(ref TextWriter w, ulong value)
    {
        w.Byte((byte)' ');
        w.Decimal(value);
    }
}

/// <summary><c>/proc/PID/statm</c>: pages of memory. Linux: <c>proc_pid_statm</c>.</summary>
internal sealed class TaskStatm(TaskSystem system) : TaskPage(system, "statm"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        MmStruct? mm = TaskNode.MemoryOf(task);
        if (mm is null)
        {
            w.Text("0 0 0 0 0 0 0\n"u8);
            return Errno.None;
        }
        w.Decimal(mm.TotalVm);
        w.Byte((byte)' ');
        w.Decimal(mm.Rss);
        w.Byte((byte)' ');
        w.Decimal(mm.FilePages + mm.ShmemPages);
        w.Byte((byte)' ');
        w.Decimal((mm.EndCode.PageUp().Value - mm.StartCode.PageDown().Value) >> PageSize.Shift);
        w.Text(" 0 "u8);
        w.Decimal(mm.DataVm + mm.StackVm);
        w.Text(" 0\n"u8);
        mm.Put();
        return Errno.None;
    }
}
