using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>A symbolic link of <c>/proc</c>.</summary>
internal abstract class ProcLink : ProcNode
{
    /// <summary>Makes a link.</summary>
    protected ProcLink(ReadOnlySpan<byte> name, uint permissions = 0x1FF)
        : base(name, FileMode.SymbolicLink | permissions)
    {
    }

    /// <summary>Writes where it leads, as text.</summary>
    public abstract Errno Show(TaskFiles who, in ProcSubject subject, ref TextWriter w);

    /// <summary>It leads to a place, not to a name.</summary>
    public virtual bool IsMagic => false;

    /// <summary>The place that a magic link leads to; its references are the caller's.</summary>
    public virtual Errno Follow(TaskFiles who, in ProcSubject subject, out PathRef target)
    {
        target = default;
        return Errno.ENOENT;
    }
}
