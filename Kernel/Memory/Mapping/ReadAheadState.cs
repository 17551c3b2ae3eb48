using System;
using System.Numerics;

namespace NanoVm.Memory.Mapping;

internal enum ReadAheadHint : byte
{
    Normal,
    Sequential,
    Random,
}

/// <summary>How far ahead one reader is worth reading. Linux: <c>file_ra_state</c>.</summary>
/// <remarks>
/// Who reads in order gets windows that double up to a limit; who jumps gets what he asked for and nothing more. One state an open file,
/// for calls and for faults of its mappings: a hint, and nothing depends on it.
/// </remarks>
internal struct ReadAheadState
{
    /// <summary>The largest window of a reader who has said nothing: 128 KiB. Linux: <c>read_ahead_kb</c>.</summary>
    public const int Most = 32;

    /// <summary>From so many misses of faults on reading around is thought to be a waste. Linux: <c>MMAP_LOTSAMISS</c>.</summary>
    private const int ManyMisses = 100;

    private ulong _previous;
    private int _misses;

    /// <summary>The window: its first page, its length, and how much of it lies behind the mark.</summary>
    public ulong Start { get; private set; }
    public ulong Size { get; private set; }
    public ulong AsyncSize { get; private set; }

    /// <summary>What the reader has said of himself (<c>posix_fadvise</c>).</summary>
    public ReadAheadHint Hint;

    /// <summary>The pages up to here have been handed to the reader.</summary>
    public void Moved(ulong index) => _previous = index + 1;

    /// <summary>Moves the window on for a reader who wants pages from <paramref name="index"/> on. Linux: <c>ondemand_readahead</c>.</summary>
    /// <param name="isMark">The page is here, and is the one where the next window is to be started.</param>
    /// <returns>False when nothing is worth reading.</returns>
    internal bool Next(AddressSpace mapping, ulong index, ulong wanted, bool isMark)
    {
        ulong most = (ulong)(Hint == ReadAheadHint.Sequential ? Most * 2 : Most);
        if (Hint == ReadAheadHint.Random)
        {
            if (isMark)
                return false;
            Set(index, Math.Min(wanted, most), 0);
            return true;
        }

        if (index != 0 && (index == Start + Size - AsyncSize || index == Start + Size) && Size != 0)
        {
            Start += Size;                                  // as expected
            Size = Larger(Size, most);
            AsyncSize = Size;
            return true;
        }

        if (isMark)
        {
            // Somebody else's window, or an older one of ours: go on behind what is here already.
            ulong hole = index + 1;
            while (hole < index + most && mapping.IsResident(hole))
                hole++;
            if (hole == index + most)
                return false;
            ulong size = Larger(hole - index + wanted, most);
            Set(hole, size, size);
            return true;
        }

        if (index == 0 || index == _previous || wanted > most)
        {
            ulong size = First(wanted, most);
            Set(index, size, size > wanted ? size - wanted : size);
            return true;
        }

        // A jump: only what was asked for, and the window that there was stays.
        Set(index, Math.Min(wanted, most), 0);
        return true;
    }

    /// <summary>A fault found its page.</summary>
    internal void FaultHit()
    {
        if (_misses > 0)
            _misses--;
    }

    /// <summary>A fault did not find its page: what to read around it.</summary>
    /// <returns>False when so many missed that it is not worth it.</returns>
    internal bool FaultMiss(ulong index, out ulong start, out ulong mark)
    {
        start = index - Math.Min(index, Most / 2);
        Set(start, Most, Most / 4);
        mark = start + Most - Most / 4;
        if (_misses < ManyMisses * 10)
            _misses++;
        return _misses <= ManyMisses;
    }

    private void Set(ulong start, ulong size, ulong asyncSize)
    {
        Start = start;
        Size = size;
        AsyncSize = asyncSize;
    }

    // Linux: get_init_ra_size.
    private static ulong First(ulong wanted, ulong most)
    {
        ulong size = wanted >= most ? most : BitOperations.RoundUpToPowerOf2(wanted);
        if (size <= most / 32)
            return size * 4;
        return size <= most / 4 ? size * 2 : most;
    }

    // Linux: get_next_ra_size.
    private static ulong Larger(ulong size, ulong most)
    {
        if (size < most / 16)
            return size * 4;
        return size <= most / 2 ? size * 2 : most;
    }
}
