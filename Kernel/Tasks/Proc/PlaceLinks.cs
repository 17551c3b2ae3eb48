using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Anonymous;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>Which place of a task a <see cref="PlaceLink"/> leads to.</summary>
internal enum PlaceKind : byte
{
    Program,
    WorkingDirectory,
    Root,
    Descriptor,
}

/// <summary>Links that lead to a place and not to a name: <c>exe cwd root</c> and those of <c>fd/</c>.</summary>
/// <remarks>Linux: <c>proc_pid_link_inode_operations</c>. Following one needs the right to inspect the process.</remarks>
internal sealed class PlaceLink : ProcLink
{
    private readonly TaskSystem _system;
    private readonly PlaceKind _kind;

    /// <summary>Makes one.</summary>
    public PlaceLink(TaskSystem system, ReadOnlySpan<byte> name, PlaceKind kind)
        : base(name)
    {
        _system = system;
        _kind = kind;
    }

    /// <inheritdoc/>
    public override bool IsMagic => true;

    /// <inheritdoc/>
    public override ulong ShownSize => _kind == PlaceKind.Descriptor ? 64u : 0;

    /// <inheritdoc/>
    public override bool IsValid(in ProcSubject subject)
    {
        Task? task = ProcessSource.TaskOf(_system, subject);
        if (task is null)
            return false;
        bool valid = _kind != PlaceKind.Descriptor || task.Files?.Peek(subject.Descriptor) is not null;
        task.Put();
        return valid;
    }

    /// <inheritdoc/>
    public override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
    {
        TaskNode.GetOwner(_system, subject, Mode, ref uid, ref gid);
        if (_kind != PlaceKind.Descriptor)
            return;
        // The mode tells for what the descriptor was opened. Linux: tid_fd_update_inode.
        mode = FileMode.SymbolicLink;
        Task? task = ProcessSource.TaskOf(_system, subject);
        if (task is null)
            return;
        if (task.Files?.Peek(subject.Descriptor) is { } file)
            mode |= (file.CanRead ? 0x140u : 0) | (file.CanWrite ? 0xC0u : 0);
        task.Put();
    }

    /// <inheritdoc/>
    public override Errno Follow(TaskFiles who, in ProcSubject subject, out PathRef target)
    {
        target = default;
        Task? task = ProcessSource.TaskOf(_system, subject);
        if (task is null)
            return Errno.ENOENT;
        Errno error = Errno.None;
        if (!TaskAccess.MayInspect((Task)who, task))
            error = Errno.EACCES;
        else if (!TryFind(task, subject.Descriptor, out target))
            error = Errno.ENOENT;
        task.Put();
        return error;
    }

    /// <inheritdoc/>
    public override Errno Show(TaskFiles who, in ProcSubject subject, ref TextWriter w)
    {
        Errno error = Follow(who, subject, out PathRef target);
        if (error != Errno.None)
            return error;
        if (target.Dentry.Inode is AnonymousInode nameless)
            nameless.WriteName(ref w, target.Dentry.Name);
        else
            PathText.Write(ref w, target, who.Fs.Root);
        target.Put();
        return w.Overflowed ? Errno.ENAMETOOLONG : Errno.None;
    }

    private bool TryFind(Task task, int descriptor, out PathRef target)
    {
        target = default;
        switch (_kind)
        {
            case PlaceKind.Program:
                if (TaskNode.MemoryOf(task) is not { } mm)
                    return false;
                bool found = mm.ExeFile is OpenFile;
                if (mm.ExeFile is OpenFile program)
                    target = program.Path.Get();
                mm.Put();
                return found;
            case PlaceKind.Descriptor:
                if (task.Files?.Peek(descriptor) is not { } file)
                    return false;
                target = file.Path.Get();
                return true;
            default:
                if (task.Fs is not { } fs)
                {
                    if (!task.IsKernelThread)
                        return false;
                    Mount all = _system.Vfs.Mounts.Root;     // kernel threads stand at the root of everything
                    target = new PathRef(all, all.Root).Get();
                    return true;
                }
                target = _kind == PlaceKind.Root ? fs.Root.Get() : fs.Working.Get();
                return true;
        }
    }
}

/// <summary><c>/proc/self</c> and <c>/proc/thread-self</c>.</summary>
internal sealed class SelfLink : ProcLink
{
    private readonly bool _thread;

    /// <summary>Makes one of the two.</summary>
    public SelfLink(ReadOnlySpan<byte> name, bool thread)
        : base(name) => _thread = thread;

    /// <inheritdoc/>
    public override Errno Show(TaskFiles who, in ProcSubject subject, ref TextWriter w)
    {
        var task = (Task)who;
        w.Decimal((ulong)task.Tgid);
        if (_thread)
        {
            w.Text("/task/"u8);
            w.Decimal((ulong)task.Pid);
        }
        return Errno.None;
    }
}
