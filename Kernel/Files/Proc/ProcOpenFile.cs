using System;
using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files.Proc;

/// <summary>An open file or directory of <c>/proc</c>, with the piece of text that was made last.</summary>
internal sealed class ProcOpenFile : OpenFile
{
    private const int FirstBufferBytes = 4096;
    private const int MaximumBufferBytes = 16 << 20;

    private IoSystem _io = null!;
    private ProcNode _node = null!;
    private ProcSubject _subject;

    // The text between _start and _start + _length is in _buffer; the cursor stands behind it. Guarded by _lock.
    private Mutex _lock;
    private byte[]? _buffer;
    private long _start;
    private int _length;
    private ProcCursor _cursor;

    /// <summary>A word for the node's use, and whether it has been set.</summary>
    public ulong Private;
    public bool HasPrivate;

    /// <summary>What the file is about.</summary>
    public ref readonly ProcSubject Subject => ref _subject;

    /// <summary>Whether it is the directory of a process, <c>/proc/PID</c>: as good as a pidfd for sending signals.</summary>
    public bool IsProcessDirectory => ReferenceEquals(_node, _io.Processes?.Directory) && !_subject.IsThread;

    /// <summary>Opens a file or directory.</summary>
    internal static Result<OpenFile> Open(IoSystem io, TaskFiles who, in PathRef path, OpenFlags flags, ProcNode node, in ProcSubject subject)
    {
        ProcOpenFile? file = io.ProcFiles.Allocate();
        if (file is null)
            return Errno.ENOMEM;
        file._io = io;
        file._node = node;
        file._subject = subject;
        if (node is ProcFile kind)
        {
            Errno error = kind.Open(who, file);
            if (error != Errno.None)
            {
                io.ProcFiles.Free(file);
                return error;
            }
        }
        file.Initialize(path, flags);
        return file;
    }

    /// <inheritdoc/>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
        => _node is ProcFile kind ? kind.Read(who, this, ref to, ref position) : Errno.EISDIR;

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
        => _node is ProcFile kind ? kind.Write(who, this, ref from, ref position) : Errno.EISDIR;

    /// <inheritdoc/>
    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        if (_node is ProcFile kind)
            return kind.Seek(this, offset, origin);
        long wanted = origin switch
        {
            SeekOrigin.Start => offset,
            SeekOrigin.Current => Position + offset,
            _ => -1,
        };
        if (wanted < 0)
            return Errno.EINVAL;
        Position = wanted;
        return wanted;
    }

    /// <inheritdoc/>
    public override Errno ReadDirectory(TaskFiles who, ref DirectoryWriter to)
    {
        if (_node is not ProcDirectory directory)
            return Errno.ENOTDIR;
        if (!_node.IsValid(_subject))
            return Errno.ENOENT;
        return directory.List(who, _subject, Path.Dentry, ref Position, ref to);
    }

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
        => _node is ProcFile kind ? kind.Poll(this, table) : PollEvents.Readable | PollEvents.Writable;

    /// <inheritdoc/>
    public override Errno Synchronize(bool dataOnly) => Errno.EINVAL;

    /// <summary>Reads from a text. Linux: <c>seq_read_iter</c>.</summary>
    internal Result<long> ReadText(ProcText text, ref IovIter to, ref long position)
    {
        if (position < 0)
            return Errno.EINVAL;
        long total = 0;
        Errno error = Errno.None;
        using (_lock.Acquire())
        {
            if (position == 0 || position < _start)
                Restart();
            while (to.Remaining != 0)
            {
                long offset = position - _start;
                if (offset < _length)
                {
                    error = to.CopyToIter(new ReadOnlySpan<byte>(_buffer, (int)offset, _length - (int)offset), out int copied);
                    position += copied;
                    total += copied;
                    if (error != Errno.None)
                        break;
                    continue;
                }
                if (_cursor.Ended)
                    break;
                error = MakeNextPiece(text);
                if (error != Errno.None)
                    break;
            }
        }
        return total != 0 || error == Errno.None ? total : error;
    }

    private void Restart()
    {
        _start = 0;
        _length = 0;
        _cursor = default;
    }

    private Errno MakeNextPiece(ProcText text)
    {
        if (_buffer is null)
        {
            _buffer = _io.Memory.Arrays.Allocate<byte>(FirstBufferBytes);
            if (_buffer is null)
                return Errno.ENOMEM;
        }
        _start += _length;
        _length = 0;
        for (; ; )
        {
            var w = new TextWriter(_buffer);
            Errno error = text.Generate(this, ref w, ref _cursor);
            if (error != Errno.None)
                return error;
            _length = w.Length;
            if (_length != 0 || _cursor.Ended)
                return Errno.None;
            // The first record alone is too large.
            int larger = _buffer.Length * 2;
            byte[]? buffer = larger <= MaximumBufferBytes ? _io.Memory.Arrays.Allocate<byte>(larger) : null;
            if (buffer is null)
                return Errno.ENOMEM;
            _io.Memory.Arrays.Free(_buffer);
            _buffer = buffer;
        }
    }

    /// <inheritdoc/>
    protected override void Release()
    {
        if (_node is ProcFile kind)
            kind.Release(this);
    }

    /// <inheritdoc/>
    protected override void FreeObject()
    {
        if (_buffer is not null)
            _io.Memory.Arrays.Free(_buffer);
        _io.ProcFiles.Free(this);
    }
}
