using System;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>Writes ascending bytes into an address space that is not loaded, gathering small pieces.</summary>
/// <remarks>The first error is kept and returned by <see cref="Flush"/>; nothing is written after it.</remarks>
internal ref struct RemoteWriter
{
    public const int BufferBytes = 512;

    private readonly MmStruct _mm;
    private readonly Span<byte> _buffer;
    private VirtAddr _start;
    private int _used;
    private Errno _error;

    public RemoteWriter(MmStruct mm, VirtAddr start, Span<byte> buffer)
    {
        _mm = mm;
        _start = start;
        _buffer = buffer;
        _used = 0;
        _error = Errno.None;
    }

    /// <summary>Where the next byte goes.</summary>
    public readonly VirtAddr Position => _start + (ulong)_used;

    /// <summary>Goes on at another place; everything before has been flushed.</summary>
    public void MoveTo(VirtAddr start) => _start = start;

    public void Bytes(scoped ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_used == _buffer.Length)
                _ = Flush();
            int count = Math.Min(bytes.Length, _buffer.Length - _used);
            bytes[..count].CopyTo(_buffer[_used..]);
            _used += count;
            bytes = bytes[count..];
        }
    }

    public unsafe void Word(ulong value) => Bytes(new ReadOnlySpan<byte>(&value, sizeof(ulong)));

    public Errno Flush()
    {
        if (_used > 0 && _error == Errno.None && _mm.AccessRemote(_start, _buffer[.._used], write: true) != (ulong)_used)
            _error = Errno.ENOMEM;
        _start += (ulong)_used;
        _used = 0;
        return _error;
    }
}
