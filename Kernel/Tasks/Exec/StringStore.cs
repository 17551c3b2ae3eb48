using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>Argument or environment strings on their way from the old address space to the new one: bytes in frames of their own.</summary>
/// <remarks>
/// Strings lie one after another, each with its NUL, in order. A <c>struct</c> whose owner calls <see cref="Free"/>. Linux keeps them in pages of
/// the new stack; here they wait in the kernel so that a failed exec has touched nothing.
/// </remarks>
internal struct StringStore
{
    private TaskSystem _system;
    private Pfn[]? _frames;
    private int _frameCount;

    /// <summary>Bytes of all strings with their NULs.</summary>
    public int Bytes { get; private set; }

    /// <summary>How many strings.</summary>
    public int Count { get; private set; }

    public StringStore(TaskSystem system)
    {
        _system = system;
        _frames = null;
        _frameCount = 0;
        Bytes = 0;
        Count = 0;
    }

    /// <summary>Copies one string from user memory.</summary>
    /// <param name="room">The most bytes it may take, its NUL included.</param>
    /// <returns>E2BIG when it is longer; EFAULT; ENOMEM.</returns>
    public Errno AddFromUser(VirtAddr address, ulong room)
    {
        ulong taken = 0;
        while (true)
        {
            Errno error = Tail(out Span<byte> tail);
            if (error != Errno.None)
                return error;
            if ((ulong)tail.Length > room - taken)
                tail = tail[..(int)(room - taken)];
            if (tail.IsEmpty)
                return Errno.E2BIG;
            Result<int> length = UserCopy.StringFromUser(tail, address + taken);
            if (length.IsOk)
            {
                Bytes += length.Value + 1;
                Count++;
                return Errno.None;
            }
            if (length.Error != Errno.ENAMETOOLONG)
                return length.Error;
            Bytes += tail.Length;                       // all of it, and no NUL yet
            taken += (ulong)tail.Length;
        }
    }

    /// <summary>Adds a string of the kernel's own.</summary>
    public Errno Add(ReadOnlySpan<byte> text)
    {
        Errno error = Append(text);
        if (error == Errno.None)
            error = Append("\0"u8);
        if (error == Errno.None)
            Count++;
        return error;
    }

    /// <summary>The bytes from <paramref name="offset"/> to the end of their frame or of the store.</summary>
    public readonly ReadOnlySpan<byte> ChunkAt(int offset)
    {
        int inFrame = offset & (int)PageSize.Mask;
        int count = Math.Min((int)PageSize.Bytes - inFrame, Bytes - offset);
        return DirectMap.Page(_frames![offset >> PageSize.Shift]).Slice(inFrame, count);
    }

    /// <summary>The offset of the string after the one at <paramref name="offset"/>.</summary>
    public readonly int NextString(int offset)
    {
        while (offset < Bytes)
        {
            ReadOnlySpan<byte> chunk = ChunkAt(offset);
            int end = chunk.IndexOf((byte)0);
            if (end >= 0)
                return offset + end + 1;
            offset += chunk.Length;
        }
        return Bytes;
    }

    public void Free()
    {
        for (int i = 0; i < _frameCount; i++)
            _system.Physical.Frames.Put(_frames![i]);
        if (_frames is not null)
            _system.Arrays.Free(_frames);
        _frames = null;
        _frameCount = 0;
        Bytes = 0;
        Count = 0;
    }

    private Errno Append(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            Errno error = Tail(out Span<byte> tail);
            if (error != Errno.None)
                return error;
            int count = Math.Min(text.Length, tail.Length);
            text[..count].CopyTo(tail);
            text = text[count..];
            Bytes += count;
        }
        return Errno.None;
    }

    /// <summary>The free rest of the last frame; a new frame when it is full.</summary>
    private Errno Tail(out Span<byte> tail)
    {
        tail = default;
        int index = Bytes >> PageSize.Shift;
        if (index == _frameCount)
        {
            Errno error = AddFrame();
            if (error != Errno.None)
                return error;
        }
        tail = DirectMap.Page(_frames![index])[(Bytes & (int)PageSize.Mask)..];
        return Errno.None;
    }

    private Errno AddFrame()
    {
        if (_frames is null || _frameCount == _frames.Length)
        {
            int capacity = _frames is null ? 8 : _frames.Length * 2;
            Pfn[]? larger = _system.Arrays.Allocate<Pfn>(capacity);
            if (larger is null)
                return Errno.ENOMEM;
            if (_frames is not null)
            {
                for (int i = 0; i < _frameCount; i++)
                    larger[i] = _frames[i];
                _system.Arrays.Free(_frames);
            }
            _frames = larger;
        }
        Errno error = _system.Physical.Frames.Allocate(0, AllocationFlags.None, out Pfn frame);
        if (error == Errno.None)
            _frames[_frameCount++] = frame;
        return error;
    }
}
