using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Events;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary><c>fd/</c> and <c>fdinfo/</c>: a child for each open descriptor. Linux: <c>proc_readfd_common</c>.</summary>
internal sealed class DescriptorDirectory : TaskDirectory
{
    private readonly ProcNode _child;

    /// <summary>Makes one.</summary>
    /// <param name="child">The node of each child; its name is the descriptor.</param>
    public DescriptorDirectory(TaskSystem system, ProcFileSystem proc, ReadOnlySpan<byte> name, ProcNode child, uint permissions = 0x140)
        : base(system, name, permissions)
    {
        _child = child;
        child.Index = proc.NextIndex();
    }

    /// <inheritdoc/>
    public override Errno Find(TaskFiles who, in ProcSubject subject, ReadOnlySpan<byte> name, out ProcNode? child, out ProcSubject childSubject)
    {
        child = null;
        childSubject = subject;
        if (!ProcNumber.TryParse(name, out int descriptor))
            return Errno.None;
        Task? task = ProcessSource.TaskOf(System, subject);
        if (task is null)
            return Errno.ENOENT;
        if (task.Files?.Peek(descriptor) is not null)
        {
            child = _child;
            childSubject.Descriptor = descriptor;
        }
        task.Put();
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Errno ListMore(TaskFiles who, in ProcSubject subject, ulong cursor, ref ProcLister to)
    {
        Task? task = ProcessSource.TaskOf(System, subject);
        if (task is null)
            return Errno.ENOENT;
        if (!TaskAccess.MayInspect((Task)who, task))
        {
            task.Put();
            return Errno.EACCES;
        }
        ProcSubject child = subject;
        // The table is asked anew for each number: writing an entry may sleep, and the table may grow or go meanwhile.
        for (int descriptor = (int)Math.Min(cursor, int.MaxValue); ; descriptor++)
        {
            FileDescriptorTable? files = task.Files;
            if (files is null || descriptor >= files.Capacity)
                break;
            if (files.Peek(descriptor) is null)
                continue;
            child.Descriptor = descriptor;
            if (!to.Add((ulong)descriptor, _child, child, (ulong)descriptor + 1))
                break;
        }
        task.Put();
        return Errno.None;
    }
}

/// <summary>A file of <c>fdinfo/</c>. Linux: <c>seq_show</c> of <c>fs/proc/fd.c</c>.</summary>
internal sealed class DescriptorInfo(TaskSystem system) : TaskPage(system, default, 0x124)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        int descriptor = file.Subject.Descriptor;
        OpenFile? open = task.Files?.GetAnyFile(descriptor);
        if (open is null)
            return Errno.ENOENT;
        bool closes = task.Files is { } files && descriptor < files.Capacity && files.IsCloseOnExec(descriptor);
        w.Text("pos:\t"u8);
        w.Signed(open.Position);
        w.Text("\nflags:\t0"u8);
        w.Octal((uint)(open.Flags | OpenFlags.LargeFile | (closes ? OpenFlags.CloseOnExec : 0)));
        w.Text("\nmnt_id:\t"u8);
        w.Signed(open.Path.Mount.Number);
        w.Text("\nino:\t"u8);
        w.Decimal(open.Inode.Number);
        w.Byte((byte)'\n');
        open.WriteInfo(ref w);
        open.Put();
        return Errno.None;
    }
}

/// <summary><c>task/</c>: a directory for each thread. Linux: <c>proc_task_readdir</c>.</summary>
internal sealed class ThreadsDirectory : TaskDirectory
{
    private readonly ProcDirectory _thread;

    /// <summary>Makes it.</summary>
    public ThreadsDirectory(TaskSystem system, ProcFileSystem proc, ProcDirectory thread)
        : base(system, "task"u8)
    {
        _thread = thread;
        thread.Index = proc.NextIndex();
    }

    /// <inheritdoc/>
    public override Errno Find(TaskFiles who, in ProcSubject subject, ReadOnlySpan<byte> name, out ProcNode? child, out ProcSubject childSubject)
    {
        child = null;
        childSubject = default;
        if (!ProcNumber.TryParse(name, out int pid))
            return Errno.None;
        using (System.TaskLock.Acquire())
        {
            Task? process = System.Pids.FindTask(subject.Pid);
            Task? thread = System.Pids.FindTask(pid);
            if (process is null || thread is null || process.StartTime != subject.Serial || !ReferenceEquals(process.Group, thread.Group))
                return Errno.None;
            child = _thread;
            childSubject = new ProcSubject { Pid = pid, Serial = thread.StartTime, IsThread = true };
        }
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Errno ListMore(TaskFiles who, in ProcSubject subject, ulong cursor, ref ProcLister to)
    {
        // In the order of their numbers, so that a cursor that is a number finds its place whoever came or went.
        int pid = (int)Math.Min(cursor, int.MaxValue);
        while (TryNext(subject, pid, out ProcSubject thread))
        {
            if (!to.Add((ulong)thread.Pid, _thread, thread, (ulong)thread.Pid + 1))
                break;
            pid = thread.Pid + 1;
        }
        return Errno.None;
    }

    private bool TryNext(in ProcSubject subject, int from, out ProcSubject next)
    {
        next = default;
        using (System.TaskLock.Acquire())
        {
            Task? process = System.Pids.FindTask(subject.Pid);
            if (process is null || process.StartTime != subject.Serial)
                return false;
            Task? best = null;
            ThreadGroup group = process.Group;
            for (Task? thread = group.Threads.First; thread is not null; thread = group.Threads.NextOf(thread))
            {
                if (thread.Pid >= from && (best is null || thread.Pid < best.Pid))
                    best = thread;
            }
            if (best is null)
                return false;
            next = new ProcSubject { Pid = best.Pid, Serial = best.StartTime, IsThread = true };
            return true;
        }
    }
}
