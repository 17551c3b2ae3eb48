using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Numa;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>Facts about a task and its process, gathered under the task-list lock for several files.</summary>
internal struct TaskFacts
{
    public int Tgid;
    public int Pid;
    public int ParentPid;
    public int ProcessGroup;
    public int Session;
    public ulong TerminalDevice;
    public int TerminalGroup;
    public int Threads;
    public byte State;
    public CpuTimes Times;
    public CpuTimes ChildTimes;
    public ulong MinorFaults;
    public ulong MajorFaults;
    public ulong ChildMinorFaults;
    public ulong ChildMajorFaults;
    public SignalSet Pending;
    public SignalSet SharedPending;
    public SignalSet Blocked;
    public SignalSet Ignored;
    public SignalSet Caught;
    public int ExitCode;

    /// <summary>Gathers them.</summary>
    /// <param name="whole">Sums over all threads, as <c>/proc/PID</c> shows; else the thread alone, as below <c>task/</c>.</param>
    public static TaskFacts Of(TaskSystem system, Task task, bool whole)
    {
        TaskFacts f = default;
        using (system.TaskLock.Acquire())
        {
            ThreadGroup group = task.Group;
            f.Tgid = group.Tgid;
            f.Pid = task.Pid;
            f.ParentPid = group.Parent?.Tgid ?? 0;
            f.ProcessGroup = group.ProcessGroup?.Number ?? 0;
            f.Session = group.Session?.Number ?? 0;
            f.TerminalGroup = -1;
            if (group.ControllingTerminal is { } terminal)
            {
                f.TerminalDevice = terminal.Device;
                f.TerminalGroup = terminal.ForegroundGroup;
            }
            f.State = StateOf(task);
            f.Blocked = task.Blocked;
            f.Pending = task.Pending.Set;
            f.SharedPending = group.SharedPending.Set;
            f.ExitCode = task.ExitCode;
            if (task.Handlers is { } handlers)
            {
                for (int signal = 1; signal <= 64; signal++)
                {
                    ulong handler = handlers[signal].Handler;
                    if (handler == SignalAction.Ignore)
                        f.Ignored = f.Ignored.With(signal);
                    else if (handler != SignalAction.Default)
                        f.Caught = f.Caught.With(signal);
                }
            }
            ResourceUsage own = whole ? Usage.OfProcess(group) : Usage.OfThread(task);
            f.Times = own.Times;
            f.MinorFaults = own.MinorFaults;
            f.MajorFaults = own.MajorFaults;
            f.ChildTimes = group.ChildTimes;
            f.ChildMinorFaults = group.ChildMinorFaults;
            f.ChildMajorFaults = group.ChildMajorFaults;
            for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
                f.Threads++;
        }
        return f;
    }

    /// <summary>The letter of <c>ps</c>. Linux: <c>task_state_array</c>.</summary>
    public static byte StateOf(Task task)
    {
        if (task.ExitState == ExitState.Zombie)
            return (byte)'Z';
        if (task.ExitState == ExitState.Dead)
            return (byte)'X';
        return task.State switch
        {
            ThreadState.Running => (byte)'R',
            ThreadState.Interruptible => task.IsKernelThread ? (byte)'I' : (byte)'S',
            ThreadState.Killable or ThreadState.Uninterruptible => (byte)'D',
            ThreadState.Stopped => (byte)'T',
            ThreadState.Zombie => (byte)'Z',
            _ => (byte)'X',
        };
    }

    /// <summary>The letter's word in brackets.</summary>
    public static ReadOnlySpan<byte> NameOfState(byte state) => state switch
    {
        (byte)'R' => "R (running)"u8,
        (byte)'S' => "S (sleeping)"u8,
        (byte)'D' => "D (disk sleep)"u8,
        (byte)'T' => "T (stopped)"u8,
        (byte)'Z' => "Z (zombie)"u8,
        (byte)'I' => "I (idle)"u8,
        _ => "X (dead)"u8,
    };
}

/// <summary><c>/proc/PID/status</c>. Linux: <c>proc_pid_status</c>; man 5 proc.</summary>
internal sealed class StatusFile(TaskSystem system) : TaskPage(system, "status"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        TaskFacts f = TaskFacts.Of(System, task, whole: !file.Subject.IsThread);
        Credentials c = task.Credentials;
        w.Text("Name:\t"u8);
        w.Escaped(task.Name, "\n\\"u8);
        w.Text("\nUmask:\t"u8);
        w.Octal(task.Fs is { } fs ? fs.Umask : 0, 4);
        w.Text("\nState:\t"u8);
        w.Text(TaskFacts.NameOfState(f.State));
        Number(ref w, "\nTgid:\t"u8, f.Tgid);
        w.Text("\nNgid:\t0"u8);
        Number(ref w, "\nPid:\t"u8, f.Pid);
        Number(ref w, "\nPPid:\t"u8, f.ParentPid);
        w.Text("\nTracerPid:\t0\nUid:"u8);
        Four(ref w, c.Uid, c.EffectiveUid, c.SavedUid, c.FileUid);
        w.Text("\nGid:"u8);
        Four(ref w, c.Gid, c.EffectiveGid, c.SavedGid, c.FileGid);
        Number(ref w, "\nFDSize:\t"u8, task.Files is { } files ? files.Capacity : 0);
        w.Text("\nGroups:\t"u8);
        ReadOnlySpan<uint> groups = c.Groups;
        for (int i = 0; i < groups.Length; i++)
        {
            if (i != 0)
                w.Byte((byte)' ');
            w.Decimal(groups[i]);
        }
        w.Byte((byte)' ');
        Number(ref w, "\nNStgid:\t"u8, f.Tgid);
        Number(ref w, "\nNSpid:\t"u8, f.Pid);
        Number(ref w, "\nNSpgid:\t"u8, f.ProcessGroup);
        Number(ref w, "\nNSsid:\t"u8, f.Session);
        w.Byte((byte)'\n');
        if (TaskNode.MemoryOf(task) is { } mm)
        {
            Memory(ref w, mm);
            mm.Put();
        }
        Number(ref w, "Threads:\t"u8, f.Threads);
        w.Text("\nSigQ:\t"u8);
        w.Decimal(System.SignalsOf(c));
        w.Byte((byte)'/');
        w.Decimal(task.Group.Limits.Soft(Resource.PendingSignals));
        Mask(ref w, "\nSigPnd:\t"u8, f.Pending.Bits);
        Mask(ref w, "\nShdPnd:\t"u8, f.SharedPending.Bits);
        Mask(ref w, "\nSigBlk:\t"u8, f.Blocked.Bits);
        Mask(ref w, "\nSigIgn:\t"u8, f.Ignored.Bits);
        Mask(ref w, "\nSigCgt:\t"u8, f.Caught.Bits);
        Mask(ref w, "\nCapInh:\t"u8, c.InheritableCapabilities);
        Mask(ref w, "\nCapPrm:\t"u8, c.PermittedCapabilities);
        Mask(ref w, "\nCapEff:\t"u8, c.EffectiveCapabilities);
        Mask(ref w, "\nCapBnd:\t"u8, c.BoundingCapabilities);
        Mask(ref w, "\nCapAmb:\t"u8, c.AmbientCapabilities);
        Number(ref w, "\nNoNewPrivs:\t"u8, c.NoNewPrivileges ? 1 : 0);
        w.Text("\nSeccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\talways enabled\nCpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t"u8);
        NodeMask.WithMemory.WriteBits(ref w);
        w.Text("\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t"u8);
        w.Decimal(task.VoluntarySwitches);
        w.Text("\nnonvoluntary_ctxt_switches:\t"u8);
        w.Decimal(task.InvoluntarySwitches);
        // NanoVM's own: how often the thread found an area in its four slots, and how often it had to ask the tree.
        w.Text("\nvmacache_hits:\t"u8);
        w.Decimal(task.VmaCache.Hits);
        w.Text("\nvmacache_misses:\t"u8);
        w.Decimal(task.VmaCache.Lookups - task.VmaCache.Hits);
        w.Byte((byte)'\n');
        return Errno.None;
    }

    // Linux: task_mem.
    private static void Memory(ref TextWriter w, MmStruct mm)
    {
        ulong text = mm.EndCode.PageUp().Value - mm.StartCode.PageDown().Value;
        ulong executable = mm.ExecVm << PageSize.Shift;
        text = Math.Min(text, executable);
        Kilobytes(ref w, "VmPeak:\t"u8, mm.PeakVm << PageSize.Shift);
        Kilobytes(ref w, "VmSize:\t"u8, mm.TotalVm << PageSize.Shift);
        Kilobytes(ref w, "VmLck:\t"u8, mm.LockedVm << PageSize.Shift);
        Kilobytes(ref w, "VmPin:\t"u8, 0);
        Kilobytes(ref w, "VmHWM:\t"u8, mm.PeakRss << PageSize.Shift);
        Kilobytes(ref w, "VmRSS:\t"u8, mm.Rss << PageSize.Shift);
        Kilobytes(ref w, "RssAnon:\t"u8, mm.AnonymousPages << PageSize.Shift);
        Kilobytes(ref w, "RssFile:\t"u8, mm.FilePages << PageSize.Shift);
        Kilobytes(ref w, "RssShmem:\t"u8, mm.ShmemPages << PageSize.Shift);
        Kilobytes(ref w, "VmData:\t"u8, mm.DataVm << PageSize.Shift);
        Kilobytes(ref w, "VmStk:\t"u8, mm.StackVm << PageSize.Shift);
        Kilobytes(ref w, "VmExe:\t"u8, text);
        Kilobytes(ref w, "VmLib:\t"u8, executable - text);
        Kilobytes(ref w, "VmPTE:\t"u8, mm.PageTablePages << PageSize.Shift);
        Kilobytes(ref w, "VmSwap:\t"u8, mm.SwapEntries << PageSize.Shift);
        Kilobytes(ref w, "HugetlbPages:\t"u8, mm.HugetlbPages << PageSize.LargeShift);
        w.Text("CoreDumping:\t0\nTHP_enabled:\t"u8);
        w.Text(mm.IsThpDisabled ? "0\n"u8 : "1\n"u8);
    }

    private static void Kilobytes(ref TextWriter w, ReadOnlySpan<byte> name, ulong bytes) => SmapsText.Kilobytes(ref w, name, bytes);

    private static void Number(ref TextWriter w, ReadOnlySpan<byte> name, int value)
    {
        w.Text(name);
        w.Signed(value);
    }

    private static void Mask(ref TextWriter w, ReadOnlySpan<byte> name, ulong bits)
    {
        w.Text(name);
        w.Hex(bits, 16);
    }

    private static void Four(ref TextWriter w, uint a, uint b, uint c, uint d)
    {
        w.Byte((byte)'\t');
        w.Decimal(a);
        w.Byte((byte)'\t');
        w.Decimal(b);
        w.Byte((byte)'\t');
        w.Decimal(c);
        w.Byte((byte)'\t');
        w.Decimal(d);
    }
}
