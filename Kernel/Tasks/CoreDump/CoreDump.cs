using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>The image of a process that ended by a fault: an ELF file that a debugger opens. Linux: <c>do_coredump</c>, core(5).</summary>
/// <remarks>
/// The thread that got the signal stops all others at the beginning of their exit (<see cref="Park"/>), where their registers still lie on
/// their kernel stacks, writes the file that <see cref="CorePattern"/> names, and lets them go.
/// </remarks>
internal static class CoreDump
{
    /// <summary>Linux: <c>min_coredump</c>: a limit below a page means none.</summary>
    private const ulong LeastLimit = PageSize.Bytes;

    /// <summary>Bytes of a core file's name; a longer one is not written.</summary>
    private const int LongestName = 1024;

    /// <summary>In <c>wait</c>'s status: a core file was written.</summary>
    private const int Dumped = 0x80;

    /// <summary>Writes a core file when RLIMIT_CORE allows one.</summary>
    /// <returns>Whether one was written: then the status says so.</returns>
    public static bool Write(Task task, ref TrapFrame frame, in SignalInfo info)
    {
        ThreadGroup group = task.Group;
        ulong limit = group.Limits.Soft(Resource.Core);
        if (limit < LeastLimit || task.Mm is not { Dumpable: 1 } mm || task.Files is null)
            return false;
        if (!StopOthers(task, info.Signal))
            return false;

        task.Flags |= TaskFlags.DumpedCore;
        bool written = false;
        if (OpenFile(task, info.Signal, limit).TryGet(out OpenFile file, out Errno error))
        {
            error = CoreFile.Write(task, mm, file, limit, frame, info);
            written = error == Errno.None;
            file.Put();
        }
        if (!written)
            Log.Info($"{task.Name}[{task.Pid}]: no core file: error {error}");

        using (group.System.TaskLock.Acquire())
        {
            group.GroupExitCode = info.Signal | (written ? Dumped : 0);
            group.CoreDumper = null;
            group.CoreWait.WakeAll();
        }
        return written;
    }

    /// <summary>Called by a thread that begins to exit: waits while another one writes the core file.</summary>
    public static void Park(Task task)
    {
        ThreadGroup group = task.Group;
        if (group.CoreDumper is null || ReferenceEquals(group.CoreDumper, task))
            return;
        task.IsParkedForCore = true;
        group.CoreWait.WakeAll();
        while (true)
        {
            group.CoreWait.PrepareToWait(task.WaitNode, ThreadState.Uninterruptible);
            if (group.CoreDumper is null)
                break;
            group.System.Scheduler.Schedule();
        }
        group.CoreWait.FinishWait(task.WaitNode);
        task.IsParkedForCore = false;
    }

    /// <summary>Tells all other threads to end and waits until each has come to <see cref="Park"/> or is gone.</summary>
    /// <returns>False when the process is ending already.</returns>
    private static bool StopOthers(Task task, int signal)
    {
        ThreadGroup group = task.Group;
        using (group.System.TaskLock.Acquire())
        {
            if (group.GroupExit || group.ExecTask is not null)
                return false;
            group.GroupExit = true;
            group.GroupExitCode = signal;
            group.IsStopped = false;
            group.CoreDumper = task;
            _ = Signals.KillOtherThreads(task);
        }
        while (true)
        {
            group.CoreWait.PrepareToWait(task.WaitNode, ThreadState.Uninterruptible);
            if (OthersAreStopped(task))
                break;
            group.System.Scheduler.Schedule();
        }
        group.CoreWait.FinishWait(task.WaitNode);
        return true;
    }

    private static bool OthersAreStopped(Task task)
    {
        ThreadGroup group = task.Group;
        using (group.System.TaskLock.Acquire())
        {
            for (Task? other = group.Threads.First; other is not null; other = group.Threads.NextOf(other))
            {
                if (!ReferenceEquals(other, task) && !other.IsParkedForCore && other.ExitState == ExitState.Alive)
                    return false;
            }
        }
        return true;
    }

    /// <summary>The file: a new one, for the owner's eyes.</summary>
    private static Result<OpenFile> OpenFile(Task task, int signal, ulong limit)
    {
        const uint OwnerMayReadAndWrite = 0x180;
        Span<byte> buffer = stackalloc byte[LongestName];
        var name = new TextWriter(buffer);
        task.System.CorePattern.Expand(ref name, task, signal, limit);
        if (name.Overflowed)
            return Errno.ENAMETOOLONG;
        Vfs vfs = task.System.Vfs;
        _ = EntryOperations.Unlink(vfs, task, Vfs.AtWorkingDirectory, name.Written);
        Result<OpenFile> result = vfs.Open(task, Vfs.AtWorkingDirectory, name.Written,
            OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.ReadWrite | OpenFlags.NoFollow | OpenFlags.LargeFile, OwnerMayReadAndWrite);
        if (result.IsOk && (result.Value.Inode.Mode & FileMode.TypeMask) != FileMode.Regular)
        {
            result.Value.Put();
            return Errno.EACCES;
        }
        return result;
    }
}
