using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Pipes;

/// <summary>A pipe or the inside of a FIFO: a ring of pages between writers and readers.</summary>
/// <remarks>
/// Linux: <c>pipe_inode_info</c>.
/// <code>
///   slots  [  ][ab.][cde][f..][  ][  ]      a page is in the ring from its first byte written until its last byte read;
///               ^tail          ^head        an empty pipe owns no page but at most one spare
/// </code>
/// All fields are guarded by <see cref="Lock"/>. A write of at most <see cref="AtomicBytes"/> goes into one page, so it is never
/// mixed with another.
/// </remarks>
internal sealed class Pipe
{
    /// <summary>Pages of a new pipe: 64 KiB. Linux: <c>PIPE_DEF_BUFFERS</c>.</summary>
    public const int DefaultSlots = 16;

    /// <summary>Writes up to here are atomic. Linux: <c>PIPE_BUF</c>.</summary>
    public const int AtomicBytes = 4096;

    /// <summary>The largest size that <c>F_SETPIPE_SZ</c> gives to those without CAP_SYS_RESOURCE, in bytes.</summary>
    /// <remarks>Linux: <c>/proc/sys/fs/pipe-max-size</c>.</remarks>
    public const int DefaultMaximumBytes = 1 << 20;

    /// <summary>Guards everything here; taken before page faults of user copies, never inside one.</summary>
    public Mutex Lock;

    /// <summary>Woken when there may be something to read or the last writer left.</summary>
    public WaitQueue Readers;

    /// <summary>Woken when there may be room or the last reader left.</summary>
    public WaitQueue Writers;

    /// <summary>Opens of FIFOs wait here for the other side.</summary>
    public WaitQueue Openers;

    /// <summary>How many open files can read.</summary>
    public int ReaderCount;

    /// <summary>How many open files can write.</summary>
    public int WriterCount;

    /// <summary>Grows with each open for reading, so an opener sees that one came although it has gone again.</summary>
    public uint ReaderOpens;

    /// <summary>As <see cref="ReaderOpens"/>, for writing.</summary>
    public uint WriterOpens;

    /// <summary>Open files and opens under way; the pipe goes with the last one.</summary>
    public int Users;

    private IoSystem _io = null!;
    private PipeBuffer[] _slots = null!;
    private uint _head;      // next slot to fill; head - tail = buffers in use
    private uint _tail;      // next slot to read
    private Pfn _spare;      // one page kept from the last read, or None
    private ulong _bytes;    // unread bytes in all

    /// <summary>Makes an empty pipe with one user, or null without memory.</summary>
    public static Pipe? Allocate(IoSystem io)
    {
        Pipe? pipe = io.Pipes.Allocate();
        if (pipe is null)
            return null;
        PipeBuffer[]? slots = io.Memory.Arrays.Allocate<PipeBuffer>(DefaultSlots);
        if (slots is null)
        {
            io.Pipes.Free(pipe);
            return null;
        }
        pipe._io = io;
        pipe._slots = slots;
        pipe._spare = Pfn.None;
        pipe.Users = 1;
        return pipe;
    }

    /// <summary>Unread bytes. Linux: what FIONREAD counts.</summary>
    public ulong Bytes => _bytes;

    /// <summary>Nothing to read.</summary>
    public bool IsEmpty => _head == _tail;

    /// <summary>No slot free.</summary>
    public bool IsFull => _head - _tail >= (uint)_slots.Length;

    /// <summary>Size in bytes, for <c>F_GETPIPE_SZ</c>.</summary>
    public int Capacity => _slots.Length * (int)PageSize.Bytes;

    /// <summary>The machine's caches and signals.</summary>
    public IoSystem Io => _io;

    /// <summary>One user less; the last one frees the pipe. Answers true then.</summary>
    public bool Put()
    {
        if (--Users > 0)
            return false;
        while (!IsEmpty)
            DropFirst();
        if (!_spare.IsNone)
            _io.Memory.Frames.Put(_spare);
        _io.Memory.Arrays.Free(_slots);
        _io.Pipes.Free(this);
        return true;
    }

    /// <summary>Moves bytes from the ring to <paramref name="to"/> until it is full, the ring empty or a packet ends.</summary>
    /// <returns>Bytes moved; <see cref="Errno.EFAULT"/> when not one could be. Does not wait.</returns>
    public Result<long> Take(ref IovIter to)
    {
        long total = 0;
        while (!IsEmpty && to.Remaining != 0)
        {
            ref PipeBuffer first = ref _slots[_tail & (uint)(_slots.Length - 1)];
            int wanted = (int)Math.Min(first.Length, (ulong)to.Remaining);
            Errno error = to.CopyToIter(first.Unread.Slice(0, wanted), out int copied);
            first.Offset += (ushort)copied;
            first.Length -= (ushort)copied;
            _bytes -= (ulong)copied;
            total += copied;
            if (error != Errno.None)
                return total != 0 ? total : error;
            bool packet = first.IsPacket;
            if (packet || first.Length == 0)
                DropFirst();                              // what a short read leaves of a packet is lost
            if (packet)
                break;
        }
        return total;
    }

    /// <summary>Moves bytes from <paramref name="from"/> into the ring until it is full or nothing remains.</summary>
    /// <param name="packets">Each page is a packet of its own.</param>
    /// <param name="mayMerge">Whether the odd bytes may fill the last page up: only at the beginning of a write.</param>
    /// <returns>Bytes moved, 0 when the ring is full; ENOMEM or EFAULT when not one could be. Does not wait.</returns>
    public Result<long> Fill(ref IovIter from, bool packets, bool mayMerge)
    {
        long total = 0;
        int odd = (int)((ulong)from.Remaining & PageSize.Mask);
        if (mayMerge && !packets && odd != 0 && !IsEmpty)
        {
            ref PipeBuffer last = ref _slots[(_head - 1) & (uint)(_slots.Length - 1)];
            if (!last.IsPacket && odd <= last.Free.Length)
            {
                Errno error = from.CopyFromIter(last.Free.Slice(0, odd), out int copied);
                if (error != Errno.None)
                    return error;                         // what was copied lies beyond Length: nobody sees it
                last.Length += (ushort)copied;
                _bytes += (ulong)copied;
                total = copied;
            }
        }

        while (from.Remaining != 0 && !IsFull)
        {
            Pfn page = _spare;
            if (page.IsNone)
            {
                Errno noMemory = _io.Memory.Frames.Allocate(0, AllocationFlags.None, out page);
                if (noMemory != Errno.None)
                    return total != 0 ? total : noMemory;
            }
            _spare = Pfn.None;
            int wanted = (int)Math.Min(PageSize.Bytes, (ulong)from.Remaining);
            Errno error = from.CopyFromIter(DirectMap.Page(page).Slice(0, wanted), out int copied);
            if (error != Errno.None || copied == 0)
            {
                _spare = page;
                return total != 0 ? total : error;
            }
            _slots[_head & (uint)(_slots.Length - 1)] = new PipeBuffer { Page = page, Length = (ushort)copied, IsPacket = packets };
            _head++;
            _bytes += (ulong)copied;
            total += copied;
        }
        return total;
    }

    // ---- For splice: all under Lock ------------------------------------------------------------------------------------------------

    /// <summary>The unread bytes of the first page. The pipe is not empty.</summary>
    internal Span<byte> FirstBytes
    {
        get
        {
            ref PipeBuffer first = ref _slots[_tail & (uint)(_slots.Length - 1)];
            return DirectMap.Page(first.Page).Slice(first.Offset, first.Length);
        }
    }

    /// <summary>The first <paramref name="count"/> bytes of the first page have been read.</summary>
    internal void Consume(int count)
    {
        ref PipeBuffer first = ref _slots[_tail & (uint)(_slots.Length - 1)];
        first.Offset += (ushort)count;
        first.Length -= (ushort)count;
        _bytes -= (ulong)count;
        if (first.Length == 0)
            DropFirst();
    }

    /// <summary>Puts a page with <paramref name="count"/> bytes at its start into the ring, which then owns it.</summary>
    /// <returns>False when the ring is full.</returns>
    internal bool TryAppend(Pfn page, int count)
    {
        if (IsFull)
            return false;
        _slots[_head & (uint)(_slots.Length - 1)] = new PipeBuffer { Page = page, Length = (ushort)count };
        _head++;
        _bytes += (ulong)count;
        return true;
    }

    /// <summary>Moves up to <paramref name="count"/> bytes to the end of another pipe, both locked.</summary>
    /// <returns>Bytes moved; ENOMEM when not one could be.</returns>
    internal Result<long> MoveTo(Pipe target, ulong count)
    {
        long total = 0;
        while (count > 0 && !IsEmpty && !target.IsFull)
        {
            ref PipeBuffer first = ref _slots[_tail & (uint)(_slots.Length - 1)];
            int length = first.Length;
            if ((ulong)length <= count)
            {
                target._slots[target._head & (uint)(target._slots.Length - 1)] = first;
                target._head++;
                target._bytes += (ulong)length;
                _bytes -= (ulong)length;
                first = default;
                _tail++;
            }
            else
            {
                length = (int)count;
                if (!target.TryAppendCopy(first.Unread[..length], first.IsPacket))
                    return total != 0 ? total : Errno.ENOMEM;
                Consume(length);
            }
            total += length;
            count -= (ulong)length;
        }
        return total;
    }

    /// <summary>Copies up to <paramref name="count"/> bytes to the end of another pipe, both locked; they stay here, too.</summary>
    internal Result<long> CopyTo(Pipe target, ulong count)
    {
        long total = 0;
        for (uint slot = _tail; count > 0 && slot != _head && !target.IsFull; slot++)
        {
            PipeBuffer buffer = _slots[slot & (uint)(_slots.Length - 1)];
            int length = (int)Math.Min(buffer.Length, count);
            if (!target.TryAppendCopy(buffer.Unread[..length], buffer.IsPacket))
                return total != 0 ? total : Errno.ENOMEM;
            total += length;
            count -= (ulong)length;
        }
        return total;
    }

    private bool TryAppendCopy(ReadOnlySpan<byte> bytes, bool isPacket)
    {
        if (_io.Memory.Frames.Allocate(0, AllocationFlags.None, out Pfn page) != Errno.None)
            return false;
        bytes.CopyTo(DirectMap.Page(page));
        _slots[_head & (uint)(_slots.Length - 1)] = new PipeBuffer { Page = page, Length = (ushort)bytes.Length, IsPacket = isPacket };
        _head++;
        _bytes += (ulong)bytes.Length;
        return true;
    }

    /// <summary>Changes the number of slots. Linux: <c>pipe_resize_ring</c>.</summary>
    /// <param name="slots">A power of two.</param>
    /// <returns><see cref="Errno.EBUSY"/> when more is in the pipe than would fit; ENOMEM.</returns>
    public Errno Resize(int slots)
    {
        uint used = _head - _tail;
        if (used > (uint)slots)
            return Errno.EBUSY;
        PipeBuffer[]? larger = _io.Memory.Arrays.Allocate<PipeBuffer>(slots);
        if (larger is null)
            return Errno.ENOMEM;
        for (uint i = 0; i < used; i++)
            larger[(int)i] = _slots[(_tail + i) & (uint)(_slots.Length - 1)];
        _io.Memory.Arrays.Free(_slots);
        _slots = larger;
        _tail = 0;
        _head = used;
        return Errno.None;
    }

    private void DropFirst()
    {
        ref PipeBuffer first = ref _slots[_tail & (uint)(_slots.Length - 1)];
        _bytes -= first.Length;
        if (_spare.IsNone)
            _spare = first.Page;                          // the next write takes it: no allocator in a steady stream
        else
            _io.Memory.Frames.Put(first.Page);
        first = default;
        _tail++;
    }
}
