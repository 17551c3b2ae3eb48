using System;
using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>Writes ascending parts of a core file, up to its limit. Linux: <c>dump_emit</c>, <c>dump_skip</c>.</summary>
/// <remarks>The first error is kept; nothing is written after it. What is skipped becomes a hole.</remarks>
internal unsafe ref struct CoreWriter
{
    private const int PieceBytes = 256;

    private readonly Task _task;
    private readonly OpenFile _file;
    private readonly ulong _limit;
    private bool _endsInHole;

    public CoreWriter(Task task, OpenFile file, ulong limit)
    {
        this = default;
        _task = task;
        _file = file;
        _limit = limit;
    }

    public ulong Position { get; private set; }

    public Errno Error { get; private set; }

    /// <summary>Writes from kernel memory that may be changed by nobody meanwhile.</summary>
    public void Memory(scoped Span<byte> bytes)
    {
        while (Error == Errno.None && !bytes.IsEmpty)
        {
            if (Position + (ulong)bytes.Length > _limit)
            {
                Error = Errno.EFBIG;
                return;
            }
            IovIter from = IovIter.FromKernel(bytes);
            long position = (long)Position;
            Result<long> result = _file.Write(_task, ref from, ref position);
            if (!result.IsOk || result.Value <= 0)
            {
                Error = result.IsOk ? Errno.EIO : result.Error;
                return;
            }
            Position += (ulong)result.Value;
            bytes = bytes[(int)result.Value..];
            _endsInHole = false;
        }
    }

    public void Text(scoped ReadOnlySpan<byte> text)
    {
        Span<byte> piece = stackalloc byte[PieceBytes];
        while (!text.IsEmpty)
        {
            int count = Math.Min(text.Length, piece.Length);
            text[..count].CopyTo(piece);
            Memory(piece[..count]);
            text = text[count..];
        }
    }

    public void Value<T>(T value) where T : unmanaged => Memory(new Span<byte>(&value, sizeof(T)));

    public void Skip(ulong bytes)
    {
        if (bytes == 0)
            return;
        Position += bytes;
        _endsInHole = true;
    }

    public void AlignTo(ulong alignment) => Skip((alignment - (Position & (alignment - 1))) & (alignment - 1));

    /// <summary>A hole at the end is part of the file too.</summary>
    public void Finish()
    {
        if (!_endsInHole || Position == 0)
            return;
        Position--;
        Value((byte)0);
    }

    /// <summary>The head of a note: names are 4 or 5 letters and padded to 8 bytes. Its data follows, and <see cref="AlignTo"/> four.</summary>
    public void NoteHead(scoped ReadOnlySpan<byte> name, int bytes, uint type)
    {
        Value(name.Length + 1);
        Value(bytes);
        Value(type);
        Text(name);
        Text("\0\0\0\0"u8[..(8 - name.Length)]);
    }
}
