using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>A file whose contents are text made when it is read.</summary>
/// <remarks>
/// Linux: <c>seq_file</c>. <see cref="Generate"/> writes whole records and moves a cursor, so a text of any length is made piece by piece
/// in the order of reading, each piece once.
/// </remarks>
internal abstract class ProcText : ProcFile
{
    /// <summary>Makes a text file.</summary>
    protected ProcText(ReadOnlySpan<byte> name, uint permissions = 0x124)
        : base(name, permissions)
    {
    }

    /// <summary>Writes the records from the cursor on, as many as fit.</summary>
    /// <remarks>
    /// A record that overflows is taken back and the cursor stays before it; when it was the first the engine comes again with a larger
    /// buffer. At the end <see cref="ProcCursor.Ended"/> is set.
    /// </remarks>
    public abstract Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor);

    /// <inheritdoc/>
    public sealed override Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position)
        => file.ReadText(this, ref to, ref position);
}

/// <summary>A text that is made in one piece: it is small.</summary>
internal abstract class ProcPage : ProcText
{
    /// <summary>Makes a file.</summary>
    protected ProcPage(ReadOnlySpan<byte> name, uint permissions = 0x124)
        : base(name, permissions)
    {
    }

    /// <summary>Writes the whole text. Linux: <c>single_open</c>'s show.</summary>
    public abstract Errno Show(ProcOpenFile file, ref TextWriter w);

    /// <inheritdoc/>
    public sealed override Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor)
    {
        Errno error = Show(file, ref w);
        if (error == Errno.None && !w.Overflowed)
            cursor.Ended = true;
        if (w.Overflowed)
            w.Truncate(0);
        return error;
    }
}

/// <summary>Where the making of a text stands.</summary>
internal struct ProcCursor
{
    /// <summary>What the file makes of it: an index, an address. 0 at the beginning.</summary>
    public ulong Position;

    /// <summary>All has been written.</summary>
    public bool Ended;
}
