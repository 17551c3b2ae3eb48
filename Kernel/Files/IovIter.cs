using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>One piece of user memory, as <c>readv</c> takes it. Linux: <c>struct iovec</c>.</summary>
internal struct IoVec
{
    public ulong Base;
    public ulong Length;
}

/// <summary>What of a write is on the disk when the call returns.</summary>
internal enum WriteDurability : byte
{
    None,
    Data,
    All,
}

/// <summary>Where a read puts its bytes and a write takes them from: user memory in one piece or many, or kernel memory.</summary>
/// <remarks>
/// Linux: <c>iov_iter</c>. The position moves by what was copied, so a transfer that stops at a bad page tells exactly how far it came.
/// The pieces have been checked by <see cref="TryFromUser(Span{IoVec}, out IovIter)"/>: their sum fits a <c>ssize_t</c>.
/// </remarks>
internal ref struct IovIter
{
    /// <summary>The most bytes one call transfers. Linux: <c>MAX_RW_COUNT</c>.</summary>
    public const ulong Maximum = 0x7FFF_F000;

    private readonly Span<byte> kernel;
    private readonly Span<IoVec> pieces;
    private readonly bool isKernel;
    private VirtAddr current;
    private ulong currentLeft;
    private int next;
    private ulong remaining;
    private ulong done;

    private IovIter(VirtAddr start, ulong bytes)
    {
        current = start;
        currentLeft = remaining = bytes;
    }

    private IovIter(Span<byte> kernel)
    {
        this.kernel = kernel;
        isKernel = true;
        remaining = (ulong)kernel.Length;
    }

    private IovIter(Span<IoVec> pieces, ulong total)
    {
        this.pieces = pieces;
        remaining = total;
    }

    /// <summary>Bytes still to transfer.</summary>
    public readonly ulong Remaining => remaining;

    public readonly bool IsKernel => isKernel;

    /// <summary>This write goes to the end of the file, as <c>RWF_APPEND</c> says.</summary>
    public bool AtEnd;

    /// <summary>This write waits for the disk, as <c>RWF_DSYNC</c> and <c>RWF_SYNC</c> say.</summary>
    public WriteDurability Durability;

    /// <summary>User memory in one piece, cut to <see cref="Maximum"/>.</summary>
    /// <returns><see cref="Errno.EFAULT"/> when the range is not user space's; whether memory is there shows when it is copied.</returns>
    public static Errno TryFromUser(VirtAddr start, ulong bytes, out IovIter iter)
    {
        // As in Linux the whole range must lie in user space before a byte moves.
        if (start.Value > UserSpace.Limit || bytes > UserSpace.Limit - start.Value)
        {
            iter = default;
            return Errno.EFAULT;
        }
        iter = new IovIter(start, bytes < Maximum ? bytes : Maximum);
        return Errno.None;
    }

    /// <summary>User memory in many pieces. The sum is cut to <see cref="Maximum"/>.</summary>
    /// <returns><see cref="Errno.EINVAL"/> for a negative length, <see cref="Errno.EFAULT"/> for a range outside of user space.</returns>
    public static Errno TryFromUser(Span<IoVec> pieces, out IovIter iter)
    {
        iter = default;
        ulong total = 0;
        for (int i = 0; i < pieces.Length; i++)
        {
            ref IoVec piece = ref pieces[i];
            if ((long)piece.Length < 0)
                return Errno.EINVAL;
            if (piece.Base > UserSpace.Limit || piece.Length > UserSpace.Limit - piece.Base)
                return Errno.EFAULT;
            if (piece.Length > Maximum - total)
                piece.Length = Maximum - total;
            total += piece.Length;
        }
        iter = new IovIter(pieces, total);
        return Errno.None;
    }

    public static IovIter FromKernel(Span<byte> memory) => new(memory);

    /// <summary>Leaves at most <paramref name="bytes"/> to transfer. Linux: <c>iov_iter_truncate</c>.</summary>
    public void Truncate(ulong bytes)
    {
        if (remaining > bytes)
            remaining = bytes;
    }

    /// <summary>Copies to where the iterator stands, as far as it goes. Linux: <c>copy_to_iter</c>.</summary>
    /// <param name="copied">How many bytes went over, also when an error is answered.</param>
    /// <returns><see cref="Errno.EFAULT"/> when user memory stopped it before the smaller of both lengths.</returns>
    public Errno CopyToIter(scoped ReadOnlySpan<byte> from, out int copied)
    {
        copied = 0;
        while (from.Length > 0 && remaining > 0)
        {
            if (isKernel)
            {
                int count = Smaller(from.Length, remaining);
                from[..count].CopyTo(kernel[(int)done..]);
                Step(count, ref copied);
                return Errno.None;
            }
            if (!NextPiece())
                return Errno.None;
            int wanted = Smaller(from.Length, currentLeft < remaining ? currentLeft : remaining);
            ulong missed = UserCopy.CopyToUserPartial(current, from[..wanted]);
            int went = wanted - (int)missed;
            Step(went, ref copied);
            if (missed != 0)
                return Errno.EFAULT;
            from = from[wanted..];
        }
        return Errno.None;
    }

    /// <summary>Writes zeros to where the iterator stands. Linux: <c>iov_iter_zero</c>.</summary>
    public Errno ZeroToIter(int bytes, out int copied)
    {
        copied = 0;
        while (bytes > 0 && remaining > 0)
        {
            if (isKernel)
            {
                int count = Smaller(bytes, remaining);
                kernel.Slice((int)done, count).Clear();
                Step(count, ref copied);
                return Errno.None;
            }
            if (!NextPiece())
                return Errno.None;
            int wanted = Smaller(bytes, currentLeft < remaining ? currentLeft : remaining);
            ulong missed = UserCopy.ClearUserPartial(current, (ulong)wanted);
            int went = wanted - (int)missed;
            Step(went, ref copied);
            if (missed != 0)
                return Errno.EFAULT;
            bytes -= wanted;
        }
        return Errno.None;
    }

    /// <summary>Copies from where the iterator stands, as far as it goes. Linux: <c>copy_from_iter</c>.</summary>
    /// <inheritdoc cref="CopyToIter"/>
    public Errno CopyFromIter(scoped Span<byte> to, out int copied)
    {
        copied = 0;
        while (to.Length > 0 && remaining > 0)
        {
            if (isKernel)
            {
                int count = Smaller(to.Length, remaining);
                kernel.Slice((int)done, count).CopyTo(to);
                Step(count, ref copied);
                return Errno.None;
            }
            if (!NextPiece())
                return Errno.None;
            int wanted = Smaller(to.Length, currentLeft < remaining ? currentLeft : remaining);
            ulong missed = UserCopy.CopyFromUserPartial(to[..wanted], current);
            int went = wanted - (int)missed;
            Step(went, ref copied);
            if (missed != 0)
                return Errno.EFAULT;
            to = to[wanted..];
        }
        return Errno.None;
    }

    /// <summary>Can the next byte be had? Asked before anything is made ready for it. Linux: <c>fault_in_iov_iter_readable</c>.</summary>
    public bool FaultInReadable()
        => isKernel || !NextPiece() || UserCopy.Get(current, out byte _) == Errno.None;

    /// <summary>Passes over bytes without copying. Linux: <c>iov_iter_advance</c>.</summary>
    public void Advance(ulong bytes)
    {
        while (bytes > 0 && remaining > 0)
        {
            if (!isKernel && !NextPiece())
                return;
            ulong count = bytes < remaining ? bytes : remaining;
            if (!isKernel && count > currentLeft)
                count = currentLeft;
            current += count;
            currentLeft -= isKernel ? 0 : count;
            remaining -= count;
            done += count;
            bytes -= count;
        }
    }

    /// <summary>Where the next byte of user memory is and how many follow it there; false at the end.</summary>
    public bool CurrentPiece(out VirtAddr start, out ulong bytes)
    {
        bool found = remaining > 0 && NextPiece();
        start = current;
        bytes = currentLeft < remaining ? currentLeft : remaining;
        return found;
    }

    /// <summary>All addresses and lengths of what remains, joined by "or": its low bits tell what all of them are multiples of. Linux: <c>iov_iter_alignment</c>.</summary>
    public readonly ulong Alignment()
    {
        ulong left = remaining;
        ulong bytes = currentLeft < left ? currentLeft : left;
        ulong result = bytes == 0 ? 0 : current.Value | bytes;
        left -= bytes;
        for (int i = next; i < pieces.Length && left > 0; i++)
        {
            bytes = pieces[i].Length < left ? pieces[i].Length : left;
            if (bytes != 0)
                result |= pieces[i].Base | bytes;
            left -= bytes;
        }
        return result;
    }

    private static int Smaller(int a, ulong b) => (ulong)a < b ? a : (int)b;

    private bool NextPiece()
    {
        while (currentLeft == 0)
        {
            if (next >= pieces.Length)
                return false;
            current = new VirtAddr(pieces[next].Base);
            currentLeft = pieces[next].Length;
            next++;
        }
        return true;
    }

    private void Step(int count, ref int copied)
    {
        if (!isKernel)
        {
            current += (ulong)count;
            currentLeft -= (ulong)count;
        }
        remaining -= (ulong)count;
        done += (ulong)count;
        copied += count;
    }
}
