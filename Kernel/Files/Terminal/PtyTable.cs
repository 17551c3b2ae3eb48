using System;
using NanoVm.Core;

namespace NanoVm.Files.Terminal;

/// <summary>All pseudo terminals by number, and their names below /dev/pts.</summary>
/// <remarks>Linux: <c>devpts</c>. The names are ordinary device nodes in the file system that is mounted there.</remarks>
internal sealed class PtyTable(IoSystem io)
{
    /// <summary>Linux: <c>/proc/sys/kernel/pty/max</c>.</summary>
    public const int Maximum = 4096;

    private readonly IoSystem _io = io;
    private PtyPair?[] _pairs = [];

    /// <summary>Pairs whose master is open. Linux: <c>/proc/sys/kernel/pty/nr</c>.</summary>
    public int Count { get; private set; }

    /// <summary>The directory of the names; none until it is mounted.</summary>
    public PtyNames? Names;

    /// <summary>Makes a pair with the lowest free number and its name.</summary>
    /// <returns>ENOSPC when there are too many; ENOMEM.</returns>
    internal Result<PtyPair> Create(TaskFiles who)
    {
        // Memory is found before a number is taken: finding it may sleep, and others make pairs meanwhile.
        int number;
        PtyPair pair;
        Errno error;
        for (; ; )
        {
            number = FirstFree();
            if (number >= Maximum)
                return Errno.ENOSPC;
            if (number == _pairs.Length && !TryGrow())
                return Errno.ENOMEM;
            if (!PtyPair.Allocate(_io, number).TryGet(out pair, out error))
            {
                FreeIfEmpty();
                return error;
            }

            if (number < _pairs.Length && _pairs[number] is null)
                break;
            pair.FreeUnused();
        }
        _pairs[number] = pair;
        Count++;
        error = Names?.Add(who, pair) ?? Errno.None;
        if (error != Errno.None)
        {
            pair.MasterClosed();
            return error;
        }
        return pair;
    }

    private int FirstFree()
    {
        int number = 0;
        while (number < _pairs.Length && _pairs[number] is not null)
            number++;
        return number;
    }

    private bool TryGrow()
    {
        PtyPair?[] old = _pairs;
        PtyPair?[]? larger = _io.Memory.Arrays.Allocate<PtyPair?>(Math.Max(16, old.Length * 2));
        if (larger is null)
            return false;
        if (!ReferenceEquals(old, _pairs))                   // another has grown it
        {
            _io.Memory.Arrays.Free(larger);
            return true;
        }
        for (int i = 0; i < old.Length; i++)
            larger[i] = old[i];
        _pairs = larger;
        if (old.Length != 0)
            _io.Memory.Arrays.Free(old);
        return true;
    }

    /// <summary>Without pairs there is no table.</summary>
    private void FreeIfEmpty()
    {
        if (Count != 0 || _pairs.Length == 0)
            return;
        _io.Memory.Arrays.Free(_pairs);
        _pairs = [];
    }

    /// <summary>The master is closed: number and name are free again.</summary>
    internal void Remove(PtyPair pair)
    {
        _pairs[pair.Number] = null;
        Names?.Remove(pair);
        Count--;
        FreeIfEmpty();
    }

    /// <summary>Opens a slave by number, as its device node is opened.</summary>
    /// <returns>EIO when there is none, it is locked or its master is closed.</returns>
    internal Result<OpenFile> OpenSlave(TaskFiles who, uint number, in PathRef path, OpenFlags flags)
    {
        PtyPair? pair = number < (uint)_pairs.Length ? _pairs[number] : null;
        if (pair is null || !pair.CanOpenSlave)
            return Errno.EIO;
        Result<OpenFile> file = TtyFile.Open(_io, who, path, flags, pair, isConsole: false);
        if (file.IsOk)
            pair.SlaveOpened();
        return file;
    }

    /// <summary>Opens the slave of a pair whatever its name: TIOCGPTPEER.</summary>
    internal Result<OpenFile> OpenSlave(TaskFiles who, PtyPair pair, OpenFlags flags)
    {
        if (Names is null || !Names.PlaceOf(pair).TryGet(out PathRef place, out Errno _))
            return Errno.EIO;
        Result<OpenFile> file = OpenSlave(who, (uint)pair.Number, place, flags);
        place.Put();
        return file;
    }
}

/// <summary>The directory where slaves have their names.</summary>
internal abstract class PtyNames
{
    /// <summary>Makes the node of a pair.</summary>
    public abstract Errno Add(TaskFiles who, PtyPair pair);

    /// <summary>Removes it.</summary>
    public abstract void Remove(PtyPair pair);

    /// <summary>The node's place; its references are the caller's.</summary>
    public abstract Result<PathRef> PlaceOf(PtyPair pair);
}
