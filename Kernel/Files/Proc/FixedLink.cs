using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>A link with a fixed text: <c>/proc/mounts</c>.</summary>
internal sealed class FixedLink : ProcLink
{
    private readonly byte[] _text;

    /// <summary>Makes one.</summary>
    public FixedLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
        : base(name) => _text = BootBytes.Copy(text);

    /// <inheritdoc/>
    public override Errno Show(TaskFiles who, in ProcSubject subject, ref TextWriter w)
    {
        w.Text(_text);
        return Errno.None;
    }
}
