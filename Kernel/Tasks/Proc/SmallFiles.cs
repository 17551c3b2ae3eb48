using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/comm</c>: the name, which threads of the same process may change.</summary>
internal sealed class CommFile(TaskSystem system) : TaskPage(system, "comm"u8, 0x1A4)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Escaped(task.Name, "\n\\"u8);
        w.Byte((byte)'\n');
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        Span<byte> name = stackalloc byte[Task.NameBytes - 1];
        long total = (long)from.Remaining;
        Errno error = from.CopyFromIter(name, out int count);
        if (error != Errno.None)
            return error;
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        bool same = ReferenceEquals(task.Group, ((Task)who).Group);
        if (same)
        {
            int end = name.Slice(0, count).IndexOf((byte)'\n');
            task.SetName(name.Slice(0, end < 0 ? count : end));
        }
        task.Put();
        return same ? total : Errno.EINVAL;
    }
}

/// <summary><c>/proc/PID/limits</c>. Linux: <c>proc_pid_limits</c>.</summary>
internal sealed class LimitsFile(TaskSystem system) : TaskPage(system, "limits"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Text("Limit                     Soft Limit           Hard Limit           Units     \n"u8);
        ResourceLimits limits = task.Group.Limits;
        Line(ref w, "Max cpu time"u8, limits, Resource.Cpu, "seconds"u8);
        Line(ref w, "Max file size"u8, limits, Resource.FileSize, "bytes"u8);
        Line(ref w, "Max data size"u8, limits, Resource.Data, "bytes"u8);
        Line(ref w, "Max stack size"u8, limits, Resource.Stack, "bytes"u8);
        Line(ref w, "Max core file size"u8, limits, Resource.Core, "bytes"u8);
        Line(ref w, "Max resident set"u8, limits, Resource.Rss, "bytes"u8);
        Line(ref w, "Max processes"u8, limits, Resource.Processes, "processes"u8);
        Line(ref w, "Max open files"u8, limits, Resource.OpenFiles, "files"u8);
        Line(ref w, "Max locked memory"u8, limits, Resource.LockedMemory, "bytes"u8);
        Line(ref w, "Max address space"u8, limits, Resource.AddressSpace, "bytes"u8);
        Line(ref w, "Max file locks"u8, limits, Resource.FileLocks, "locks"u8);
        Line(ref w, "Max pending signals"u8, limits, Resource.PendingSignals, "signals"u8);
        Line(ref w, "Max msgqueue size"u8, limits, Resource.MessageQueue, "bytes"u8);
        Line(ref w, "Max nice priority"u8, limits, Resource.Nice, default);
        Line(ref w, "Max realtime priority"u8, limits, Resource.RealTimePriority, default);
        Line(ref w, "Max realtime timeout"u8, limits, Resource.RealTime, "us"u8);
        return Errno.None;
    }

    private static void Line(ref TextWriter w, ReadOnlySpan<byte> name, ResourceLimits limits, Resource resource, ReadOnlySpan<byte> unit)
    {
        w.Left(name, 25);
        w.Byte((byte)' ');
        Value(ref w, limits[resource].Soft);
        Value(ref w, limits[resource].Hard);
        if (!unit.IsEmpty)
            w.Left(unit, 10);
        w.Byte((byte)'\n');
    }

    private static void Value(ref TextWriter w, ulong value)
    {
        int start = w.Length;
        if (value == ResourceLimits.Infinity)
            w.Text("unlimited"u8);
        else
            w.Decimal(value);
        w.PadTo(start, 20);
        w.Byte((byte)' ');
    }
}

/// <summary><c>/proc/PID/auxv</c>: the auxiliary vector as the program got it, in binary.</summary>
internal sealed class AuxvFile(TaskSystem system) : TaskPage(system, "auxv"u8, 0x100)
{
    /// <inheritdoc/>
    protected override bool IsPrivate => true;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        MmStruct? mm = TaskNode.MemoryOf(task);
        if (mm is null)
            return Errno.None;
        for (int i = 0; i + 1 < MmStruct.MaximumAuxv; i += 2)
        {
            Word(ref w, mm.SavedAuxv[i]);
            Word(ref w, mm.SavedAuxv[i + 1]);
            if (mm.SavedAuxv[i] == 0)
                break;
        }
        mm.Put();
        return Errno.None;
    }

    private static void Word(ref TextWriter w, ulong value)
    {
        for (int i = 0; i < 64; i += 8)
            w.Byte((byte)(value >> i));
    }
}

/// <summary><c>/proc/PID/io</c>: what the process, or below <c>task/</c> the thread, has read and written. Linux: <c>do_io_accounting</c>.</summary>
internal sealed class IoFile(TaskSystem system) : TaskPage(system, "io"u8, 0x100)
{
    /// <inheritdoc/>
    protected override bool IsPrivate => true;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        IoCounts counts = task.Io;
        if (!file.Subject.IsThread)
        {
            using (System.TaskLock.Acquire())
            {
                counts = task.Group.DeadThreadIo;
                for (Task? thread = task.Group.Threads.First; thread is not null; thread = task.Group.Threads.NextOf(thread))
                    counts.Add(thread.Io);
            }
        }
        Line(ref w, "rchar: "u8, counts.BytesRead);
        Line(ref w, "wchar: "u8, counts.BytesWritten);
        Line(ref w, "syscr: "u8, counts.Reads);
        Line(ref w, "syscw: "u8, counts.Writes);
        Line(ref w, "read_bytes: "u8, counts.DiskBytesRead);
        Line(ref w, "write_bytes: "u8, counts.DiskBytesWritten);
        Line(ref w, "cancelled_write_bytes: "u8, counts.DiskBytesCancelled);
        return Errno.None;
    }

    private static void Line(ref TextWriter w, ReadOnlySpan<byte> name, ulong value)
    {
        w.Text(name);
        w.Decimal(value);
        w.Byte((byte)'\n');
    }
}

/// <summary><c>/proc/PID/personality</c>.</summary>
internal sealed class PersonalityFile(TaskSystem system) : TaskPage(system, "personality"u8, 0x100)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Hex(task.Personality, 8);
        w.Byte((byte)'\n');
        return Errno.None;
    }
}

/// <summary><c>/proc/PID/schedstat</c>: nanoseconds run and waited, and time slices.</summary>
internal sealed class SchedStatFile(TaskSystem system) : TaskPage(system, "schedstat"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Decimal(System.Scheduler.RunTimeOf(task));
        w.Text(" 0 "u8);
        w.Decimal(task.VoluntarySwitches + task.InvoluntarySwitches);
        w.Byte((byte)'\n');
        return Errno.None;
    }
}

/// <summary><c>/proc/PID/cgroup</c>: all are in the root group.</summary>
internal sealed class CgroupFile(TaskSystem system) : TaskPage(system, "cgroup"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Text("0::/\n"u8);
        return Errno.None;
    }
}

/// <summary><c>/proc/PID/timerslack_ns</c>: how late a sleep may end; the task itself, or root, may change it.</summary>
internal sealed class TimerSlackFile(TaskSystem system) : TaskPage(system, "timerslack_ns"u8, 0x1B6)
{
    private const ulong Usual = 50_000;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        if (!ReferenceEquals(task, PerCpu.Current) && !((Task)PerCpu.Current).Credentials.Has(Capability.SysNice))
            return Errno.EPERM;
        w.Decimal(task.TimerSlackNanoseconds == 0 ? Usual : task.TimerSlackNanoseconds);
        w.Byte((byte)'\n');
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        if (!SysctlNumber.Take(ref from, out ulong value, out Errno error))
            return error;
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        bool allowed = ReferenceEquals(task, who) || who.Credentials.Has(Capability.SysNice);
        if (allowed)
            task.TimerSlackNanoseconds = value;
        task.Put();
        return allowed ? total : Errno.EPERM;
    }
}

/// <summary><c>/proc/PID/coredump_filter</c>: which kinds of areas a core file will hold. Linux: <c>proc_coredump_filter_operations</c>; man 5 core.</summary>
internal sealed class CoreFilterFile(TaskSystem system) : TaskPage(system, "coredump_filter"u8, 0x1A4)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        MmStruct? mm = TaskNode.MemoryOf(task);
        if (mm is null)
            return Errno.None;
        w.Hex((ulong)mm.CoreFilter, 8);
        w.Byte((byte)'\n');
        mm.Put();
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        if (!SysctlNumber.Take(ref from, out ulong value, out Errno error))
            return error;
        if (value > uint.MaxValue)
            return Errno.ERANGE;
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        MmStruct? mm = TaskNode.MemoryOf(task);
        task.Put();
        if (mm is not null)
        {
            mm.CoreFilter = (CoreFilter)value & CoreFilter.All;
            mm.Put();
        }
        return total;
    }
}

/// <summary>What the out-of-memory killer thinks of a process: <c>oom_score oom_score_adj oom_adj</c>.</summary>
internal sealed class OomFile : TaskPage
{
    internal enum Kind : byte
    {
        Score,
        Adjustment,
        OldAdjustment,
    }

    private const int Maximum = 1000;
    private readonly Kind _kind;

    /// <summary>Makes one of the three.</summary>
    public OomFile(TaskSystem system, ReadOnlySpan<byte> name, Kind kind)
        : base(system, name, kind == Kind.Score ? 0x124u : 0x1A4u) => _kind = kind;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        int adjustment = task.Group.OomScoreAdjustment;
        switch (_kind)
        {
            case Kind.Score:
                w.Decimal((ulong)Score(task, adjustment));
                break;
            case Kind.Adjustment:
                w.Signed(adjustment);
                break;
            default:
                w.Signed(adjustment == Maximum ? 15 : adjustment * 17 / Maximum);
                break;
        }
        w.Byte((byte)'\n');
        return Errno.None;
    }

    // Linux: oom_badness and proc_oom_score: a share of memory in thousandths plus the adjustment, moved up so that it is not negative.
    private long Score(Task task, int adjustment)
    {
        if (adjustment == -Maximum || task.Group.IsUnkillable)
            return 0;                                       // never chosen
        MmStruct? mm = TaskNode.MemoryOf(task);
        if (mm is null)
            return 0;
        long total = (long)System.Physical.Frames.TotalFrames.Value + (long)System.Memory.SwapPages;
        long points = (long)(mm.Rss + mm.SwapEntries + mm.PageTablePages) + adjustment * (total / Maximum);
        mm.Put();
        return Math.Max(0, (Maximum + points * Maximum / Math.Max(1, total)) * 2 / 3);
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        if (_kind == Kind.Score)
            return Errno.EINVAL;
        long total = (long)from.Remaining;
        if (!SysctlNumber.Take(ref from, out long value, out Errno error))
            return error;
        if (_kind == Kind.OldAdjustment)
        {
            if (value is < -17 or > 15)
                return Errno.EINVAL;
            value = value == 15 ? Maximum : value * Maximum / 17;
        }
        if (value is < -Maximum or > Maximum)
            return Errno.EINVAL;
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        ThreadGroup group = task.Group;
        bool privileged = who.Credentials.Has(Capability.SysResource);
        if (value < group.OomScoreAdjustmentMinimum && !privileged)
        {
            task.Put();
            return Errno.EACCES;
        }
        group.OomScoreAdjustment = (int)value;
        if (privileged)
            group.OomScoreAdjustmentMinimum = (int)value;
        task.Put();
        return total;
    }
}
