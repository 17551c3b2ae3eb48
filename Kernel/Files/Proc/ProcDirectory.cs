using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>A directory of <c>/proc</c>: fixed children, and for those that override it children that come and go.</summary>
internal class ProcDirectory : ProcNode
{
    private ProcNode? _first;
    private ProcNode? _last;
    private ulong _count;

    /// <summary>Makes an empty directory.</summary>
    public ProcDirectory(ReadOnlySpan<byte> name, uint permissions = 0x16D)
        : base(name, FileMode.Directory | permissions)
    {
    }

    /// <summary>Adds a child at boot.</summary>
    public void Add(ProcFileSystem system, ProcNode child)
    {
        child.Index = system.NextIndex();
        child.BindsRoot |= BindsRoot;
        if (_last is null)
            _first = child;
        else
            _last.NextInDirectory = child;
        _last = child;
        _count++;
    }

    /// <summary>Number of links: 2, and one for each fixed directory in it.</summary>
    internal uint Links
    {
        get
        {
            uint links = 2;
            for (ProcNode? child = _first; child is not null; child = child.NextInDirectory)
            {
                if (child is ProcDirectory)
                    links++;
            }
            return links;
        }
    }

    /// <summary>Finds a child by name.</summary>
    /// <param name="subject">This directory's subject.</param>
    /// <param name="child">The child's node, or null when there is none.</param>
    /// <param name="childSubject">The child's subject.</param>
    public virtual Errno Find(TaskFiles who, in ProcSubject subject, ReadOnlySpan<byte> name, out ProcNode? child, out ProcSubject childSubject)
    {
        childSubject = subject;
        for (child = _first; child is not null; child = child.NextInDirectory)
        {
            if (child.Name.SequenceEqual(name))
                break;
        }
        return Errno.None;
    }

    /// <summary>Lists the children that come and go, after the fixed ones.</summary>
    /// <param name="cursor">Where to go on: 0 at the beginning, then what <see cref="ProcLister.Add"/> was told.</param>
    public virtual Errno ListMore(TaskFiles who, in ProcSubject subject, ulong cursor, ref ProcLister to) => Errno.None;

    /// <summary>Lists all: ".", "..", the fixed children, then <see cref="ListMore"/>.</summary>
    internal Errno List(TaskFiles who, in ProcSubject subject, Dentry entry, ref long position, ref DirectoryWriter to)
    {
        ulong offset = (ulong)position;
        if (offset == 0)
        {
            if (!to.Add("."u8, entry.Inode!.Number, 4, 1))
                return Errno.None;
            offset = 1;
            position = 1;
        }
        if (offset == 1)
        {
            if (!to.Add(".."u8, entry.Parent.Inode!.Number, 4, 2))
                return Errno.None;
            offset = 2;
            position = 2;
        }
        ulong at = 2;
        for (ProcNode? child = _first; child is not null; child = child.NextInDirectory, at++)
        {
            if (at < offset)
                continue;
            if (!to.Add(child.Name, child.NumberFor(subject), FileMode.ToDirectoryType(child.Mode), at + 1))
                return Errno.None;
            position = (long)(at + 1);
        }
        offset = Math.Max(offset, at);
        var lister = new ProcLister(to, position, at);
        Errno error = ListMore(who, subject, offset - at, ref lister);
        to = lister.Writer;
        position = lister.Position;
        return error;
    }
}

/// <summary>Takes the changing children of a directory. The numbers it is told are those that <see cref="ProcDirectory.ListMore"/> goes on from.</summary>
internal ref struct ProcLister
{
    private readonly ulong _base;

    /// <summary>The writer below; the owner takes it back at the end.</summary>
    internal DirectoryWriter Writer;

    /// <summary>Where the stream stands.</summary>
    internal long Position;

    internal ProcLister(DirectoryWriter to, long position, ulong fixedEnd)
    {
        Writer = to;
        Position = position;
        _base = fixedEnd;
    }

    /// <summary>Adds a child.</summary>
    /// <param name="next">The cursor from which the listing goes on after it; grows.</param>
    /// <returns>False: no room, stop.</returns>
    public bool Add(scoped ReadOnlySpan<byte> name, ProcNode node, in ProcSubject subject, ulong next)
    {
        if (!Writer.Add(name, node.NumberFor(subject), FileMode.ToDirectoryType(node.Mode), _base + next))
            return false;
        Position = (long)(_base + next);
        return true;
    }

    /// <summary>Adds a child whose name is a number.</summary>
    public bool Add(ulong number, ProcNode node, in ProcSubject subject, ulong next)
    {
        Span<byte> text = stackalloc byte[20];
        var w = new TextWriter(text);
        w.Decimal(number);
        return Add(w.Written, node, subject, next);
    }
}
