using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/map_files</c>: a link to the file behind each area that has one, named by the area's addresses.</summary>
/// <remarks>Linux: <c>proc_map_files_readdir</c>, <c>proc_map_files_lookup</c>; man 5 proc. The cursor is an area's end.</remarks>
internal sealed class MapFilesDirectory : TaskDirectory
{
    private readonly ProcNode _child;

    /// <summary>Makes it.</summary>
    public MapFilesDirectory(TaskSystem system, ProcFileSystem proc)
        : base(system, "map_files"u8, 0x140)
    {
        _child = new MapFileLink(system);
        _child.Index = proc.NextIndex();
    }

    /// <inheritdoc/>
    public override Errno Find(TaskFiles who, in ProcSubject subject, ReadOnlySpan<byte> name, out ProcNode? child, out ProcSubject childSubject)
    {
        child = null;
        childSubject = subject;
        Errno error = TaskPermission.Check(System, who, subject);
        if (error != Errno.None || !TryParse(name, out childSubject.Start, out childSubject.End))
            return error;
        if (MapFileLink.FileOf(System, childSubject) is { } file)
        {
            child = _child;
            file.Put();
        }

        return Errno.None;
    }

    /// <inheritdoc/>
    public override Errno ListMore(TaskFiles who, in ProcSubject subject, ulong cursor, ref ProcLister to)
    {
        Errno error = TaskPermission.Check(System, who, subject);
        if (error != Errno.None)
            return error;
        Task? task = ProcessSource.TaskOf(System, subject);
        MmStruct? mm = task is null ? null : TaskNode.MemoryOf(task);
        task?.Put();
        if (mm is null)
            return Errno.None;
        // The lock is taken anew for each: writing an entry may fault, and then it is this very lock that is needed.
        Span<byte> text = stackalloc byte[40];
        ProcSubject child = subject;
        while (TryNext(mm, cursor, ref child))
        {
            var name = new TextWriter(text);
            name.Hex(child.Start);
            name.Byte((byte)'-');
            name.Hex(child.End);
            cursor = child.End;
            if (!to.Add(name.Written, _child, child, cursor))
                break;
        }

        mm.Put();
        return Errno.None;
    }

    private static bool TryNext(MmStruct mm, ulong from, ref ProcSubject child)
    {
        mm.MmapLock.ReadLock();
        VmArea? area = mm.FindVma(new VirtAddr(from));
        while (area is not null && area.File is not OpenFile)
            area = area.Next;
        if (area is not null)
        {
            child.Start = area.Start.Value;
            child.End = area.End.Value;
        }

        mm.MmapLock.ReadUnlock();
        return area is not null;
    }

    /// <summary>Two numbers in hexadecimal as the listing writes them, no other way. Linux: <c>dname_to_vma_addr</c>.</summary>
    private static bool TryParse(ReadOnlySpan<byte> name, out ulong start, out ulong end)
    {
        end = 0;
        int dash = name.IndexOf((byte)'-');
        return TryParseHex(dash < 0 ? default : name[..dash], out start) && TryParseHex(name[(dash + 1)..], out end);
    }

    private static bool TryParseHex(ReadOnlySpan<byte> digits, out ulong value)
    {
        const int mostDigits = 16;
        value = 0;
        if (digits.IsEmpty || digits.Length > mostDigits || (digits[0] == (byte)'0' && digits.Length > 1))
            return false;
        for (int i = 0; i < digits.Length; i++)
        {
            int c = digits[i];
            int digit = c is >= '0' and <= '9' ? c - '0' : c is >= 'a' and <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                return false;
            value = value << 4 | (uint)digit;
        }

        return true;
    }
}

/// <summary>A link of <c>map_files/</c>. Reading it needs the right to inspect the process, following it more. Linux: <c>proc_map_files_get_link</c>.</summary>
internal sealed class MapFileLink(TaskSystem system) : ProcLink(default)
{
    private readonly TaskSystem _system = system;

    /// <inheritdoc/>
    public override bool IsMagic => true;

    /// <inheritdoc/>
    public override ulong ShownSize => 64;

    /// <summary>The file of the area with exactly these borders, with a reference; null when there is none.</summary>
    public static OpenFile? FileOf(TaskSystem system, in ProcSubject subject)
    {
        Task? task = ProcessSource.TaskOf(system, subject);
        MmStruct? mm = task is null ? null : TaskNode.MemoryOf(task);
        task?.Put();
        if (mm is null)
            return null;
        mm.MmapLock.ReadLock();
        VmArea? area = mm.FindVma(new VirtAddr(subject.Start));
        var file = area is not null && area.Start.Value == subject.Start && area.End.Value == subject.End ? area.File as OpenFile : null;
        file?.Get();
        mm.MmapLock.ReadUnlock();
        mm.Put();
        return file;
    }

    /// <inheritdoc/>
    public override bool IsValid(in ProcSubject subject)
    {
        OpenFile? file = FileOf(_system, subject);
        file?.Put();
        return file is not null;
    }

    /// <summary>The mode tells for what the file was opened.</summary>
    public override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
    {
        TaskNode.GetOwner(_system, subject, Mode, ref uid, ref gid);
        mode = FileMode.SymbolicLink;
        if (FileOf(_system, subject) is { } file)
        {
            mode |= (file.CanRead ? 0x100u : 0) | (file.CanWrite ? 0x80u : 0);
            file.Put();
        }
    }

    /// <inheritdoc/>
    public override Errno Follow(TaskFiles who, in ProcSubject subject, out PathRef target)
    {
        target = default;
        Credentials credentials = who.Credentials;
        return credentials.Has(Capability.CheckpointRestore) || credentials.Has(Capability.SysAdmin) ? Find(who, subject, out target) : Errno.EPERM;
    }

    /// <inheritdoc/>
    public override Errno Show(TaskFiles who, in ProcSubject subject, ref TextWriter w)
    {
        Errno error = Find(who, subject, out PathRef target);
        if (error != Errno.None)
            return error;
        PathText.Write(ref w, target, who.Fs.Root);
        target.Put();
        return w.Overflowed ? Errno.ENAMETOOLONG : Errno.None;
    }

    private Errno Find(TaskFiles who, in ProcSubject subject, out PathRef target)
    {
        target = default;
        Errno error = TaskPermission.Check(_system, who, subject);
        if (error != Errno.None)
            return error;
        if (FileOf(_system, subject) is not { } file)
            return Errno.ENOENT;
        target = file.Path.Get();
        file.Put();
        return Errno.None;
    }
}
