using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>What all per-process nodes have in common: they live as long as their task and belong to its user.</summary>
internal static class TaskNode
{
    /// <summary>Does the subject's task still exist?</summary>
    public static bool IsValid(TaskSystem system, in ProcSubject subject)
    {
        Task? task = ProcessSource.TaskOf(system, subject);
        task?.Put();
        return task is not null;
    }

    /// <summary>Linux: <c>task_dump_owner</c>. Files of a process that may not be dumped belong to root.</summary>
    public static void GetOwner(TaskSystem system, in ProcSubject subject, uint nodeMode, ref uint uid, ref uint gid)
    {
        uid = gid = 0;
        Task? task = ProcessSource.TaskOf(system, subject);
        if (task is null)
            return;
        bool isDirectory = FileMode.IsDirectory(nodeMode);
        if (isDirectory || task.Mm is { Dumpable: 1 })
        {
            uid = task.Credentials.EffectiveUid;
            gid = task.Credentials.EffectiveGid;
        }
        task.Put();
    }

    /// <summary>The address space of a task, with a use of it; null for kernel threads and the dead. Linux: <c>get_task_mm</c>.</summary>
    public static MmStruct? MemoryOf(Task task) => task.Mm is { } mm && mm.TryGet() ? mm : null;
}

/// <summary>A per-process text made in one piece.</summary>
internal abstract class TaskPage(TaskSystem system, ReadOnlySpan<byte> name, uint permissions = 0x124) : ProcPage(name, permissions)
{
    /// <summary>All tasks.</summary>
    protected readonly TaskSystem System = system;

    /// <summary>Writes the text for a task that exists.</summary>
    protected abstract Errno Show(Task task, ProcOpenFile file, ref TextWriter w);

    /// <summary>Only those who may inspect the task may open it.</summary>
    protected virtual bool IsPrivate => false;

    /// <inheritdoc/>
    public sealed override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        Errno error = Show(task, file, ref w);
        task.Put();
        return error;
    }

    /// <inheritdoc/>
    public override Errno Open(TaskFiles who, ProcOpenFile file)
        => IsPrivate ? TaskPermission.Check(System, who, file.Subject) : Errno.None;

    /// <summary>Files of processes that cannot be written say so in their own way.</summary>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position) => Errno.EINVAL;

    /// <inheritdoc/>
    public override bool IsValid(in ProcSubject subject) => TaskNode.IsValid(System, subject);

    /// <inheritdoc/>
    public override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
        => TaskNode.GetOwner(System, subject, Mode, ref uid, ref gid);
}

/// <summary>A per-process file that is not made as one text.</summary>
internal abstract class TaskFile(TaskSystem system, ReadOnlySpan<byte> name, uint permissions) : ProcFile(name, permissions)
{
    /// <summary>All tasks.</summary>
    protected readonly TaskSystem System = system;

    /// <summary>Only those who may inspect the task may open it.</summary>
    protected virtual bool IsPrivate => true;

    /// <inheritdoc/>
    public override Errno Open(TaskFiles who, ProcOpenFile file)
        => IsPrivate ? TaskPermission.Check(System, who, file.Subject) : Errno.None;

    /// <inheritdoc/>
    public override bool IsValid(in ProcSubject subject) => TaskNode.IsValid(System, subject);

    /// <inheritdoc/>
    public override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
        => TaskNode.GetOwner(System, subject, Mode, ref uid, ref gid);
}

/// <summary>A per-process directory.</summary>
internal class TaskDirectory(TaskSystem system, ReadOnlySpan<byte> name, uint permissions = 0x16D) : ProcDirectory(name, permissions)
{
    /// <summary>All tasks.</summary>
    protected readonly TaskSystem System = system;

    /// <inheritdoc/>
    public override bool IsValid(in ProcSubject subject) => TaskNode.IsValid(System, subject);

    /// <inheritdoc/>
    public override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
        => TaskNode.GetOwner(System, subject, Mode, ref uid, ref gid);
}

/// <summary>Who may look into a process. Linux: <c>ptrace_may_access(PTRACE_MODE_READ_FSCREDS)</c>.</summary>
internal static class TaskPermission
{
    /// <summary>EACCES for those who may not; ESRCH when the task is gone.</summary>
    public static Errno Check(TaskSystem system, TaskFiles who, in ProcSubject subject)
    {
        Task? task = ProcessSource.TaskOf(system, subject);
        if (task is null)
            return Errno.ESRCH;
        bool allowed = TaskAccess.MayInspect((Task)who, task);
        task.Put();
        return allowed ? Errno.None : Errno.EACCES;
    }
}
