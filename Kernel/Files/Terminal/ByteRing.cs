using System;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Terminal;

/// <summary>A ring of bytes between one who writes and one who reads; its owner has the lock.</summary>
internal struct ByteRing
{
    private byte[]? _bytes;
    private uint _head;
    private uint _tail;

    /// <summary>Allocates the ring.</summary>
    /// <param name="size">A power of two.</param>
    /// <returns>False without memory.</returns>
    public bool TryAllocate(KernelArrays arrays, int size)
    {
        _bytes = arrays.Allocate<byte>(size);
        return _bytes is not null;
    }

    /// <summary>Gives the memory back; a ring that has none may be freed too.</summary>
    public void Free(KernelArrays arrays)
    {
        if (_bytes is not null)
            arrays.Free(_bytes);
        this = default;
    }

    /// <summary>Bytes inside.</summary>
    public readonly int Count => (int)(_head - _tail);

    /// <summary>Bytes that still fit.</summary>
    public readonly int Room => _bytes is null ? 0 : _bytes.Length - Count;

    /// <summary>Forgets what is inside.</summary>
    public void Clear() => _tail = _head;

    /// <summary>Adds one byte; false when it is full.</summary>
    public bool Put(byte value)
    {
        if (Room == 0)
            return false;
        _bytes![(int)(_head++ & (uint)(_bytes.Length - 1))] = value;
        return true;
    }

    /// <summary>Adds what fits and answers how much that was.</summary>
    public int Put(ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, Room);
        int done = 0;
        while (done < count)
        {
            int at = (int)(_head & (uint)(_bytes!.Length - 1));
            int piece = Math.Min(count - done, _bytes.Length - at);
            bytes.Slice(done, piece).CopyTo(new Span<byte>(_bytes, at, piece));
            _head += (uint)piece;
            done += piece;
        }
        return count;
    }

    /// <summary>The bytes that lie in one piece from the oldest on; empty when the ring is.</summary>
    public readonly ReadOnlySpan<byte> First
    {
        get
        {
            if (_bytes is null)
                return default;
            int at = (int)(_tail & (uint)(_bytes.Length - 1));
            return new ReadOnlySpan<byte>(_bytes, at, Math.Min(Count, _bytes.Length - at));
        }
    }

    /// <summary>Removes the oldest bytes; at most <see cref="Count"/>.</summary>
    public void Skip(int count) => _tail += (uint)count;

    /// <summary>Moves the oldest bytes to <paramref name="to"/> and answers how many.</summary>
    public int Take(Span<byte> to)
    {
        int done = 0;
        while (done < to.Length && Count > 0)
        {
            ReadOnlySpan<byte> piece = First;
            if (piece.Length > to.Length - done)
                piece = piece.Slice(0, to.Length - done);
            piece.CopyTo(to.Slice(done));
            Skip(piece.Length);
            done += piece.Length;
        }
        return done;
    }
}
