using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>A file of <c>/proc</c>. What is not overridden answers as Linux does for a missing operation.</summary>
internal abstract class ProcFile : ProcNode
{
    /// <summary>Makes a file.</summary>
    protected ProcFile(ReadOnlySpan<byte> name, uint permissions)
        : base(name, FileMode.Regular | permissions)
    {
    }

    /// <summary>Checks whether the task may open it, beyond the mode bits.</summary>
    public virtual Errno Open(TaskFiles who, ProcOpenFile file) => Errno.None;

    /// <summary>Reads; text files are read by the engine of <see cref="ProcText"/>.</summary>
    public virtual Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position) => Errno.EIO;

    /// <summary>Writes.</summary>
    public virtual Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position) => Errno.EIO;

    /// <summary>Moves the position: anywhere that is not negative, but not from the end. Linux: <c>seq_lseek</c>.</summary>
    public virtual Result<long> Seek(ProcOpenFile file, long offset, SeekOrigin origin)
    {
        long wanted = origin switch
        {
            SeekOrigin.Start => offset,
            SeekOrigin.Current => file.Position + offset,
            _ => -1,
        };
        if (wanted < 0)
            return Errno.EINVAL;
        file.Position = wanted;
        return wanted;
    }

    /// <summary>What can be done without waiting.</summary>
    public virtual PollEvents Poll(ProcOpenFile file, PollTable? table) => PollEvents.Readable | PollEvents.Writable;

    /// <summary>The open file goes.</summary>
    public virtual void Release(ProcOpenFile file)
    {
    }
}
