namespace NanoVm.Files.Sockets;

/// <summary>Sockets that travel in messages of sockets: gives back those that nobody can receive any more.</summary>
/// <remarks>
/// Linux: <c>unix_inflight</c>, <c>unix_gc</c>, <c>scm_fp_list</c>.
/// <code>
///   a descriptor ──► A ── queue: [B] ──► B ── queue: [A]      A is open: somebody may receive B from it, and A from that
///                    A ── queue: [B] ──► B ── queue: [A]      the descriptor is closed: each keeps the other, for nobody
/// </code>
/// A socket all of whose references lie in queues is a candidate. What candidates hold of each other is taken off; a candidate with something
/// left is held by a queue that somebody reads, and so is all that it leads to. The rest is garbage: its messages go.
/// The kernel is not preempted: nothing sleeps between looking and taking messages away.
/// </remarks>
internal sealed class FilesInFlight
{
    // Sockets with a reference in a message at least.
    private SocketFile? _first;
    // Sockets whose references in freed messages are still to be given back.
    private SocketFile? _dropped;
    private bool _givingBack, _collecting;

    /// <summary>The files are a message's from now on.</summary>
    public void Add(OpenFile[] files, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (files[i] is not SocketFile file || file.InFlight++ != 0)
                continue;
            file.NextInFlight = _first;
            file.PreviousInFlight = null;
            if (_first is { } next)
                next.PreviousInFlight = file;
            _first = file;
        }
    }

    /// <summary>The files are no message's any more; their references are the caller's.</summary>
    public void Remove(OpenFile[] files, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (files[i] is not SocketFile file || --file.InFlight != 0)
                continue;
            if (file.PreviousInFlight is { } previous)
                previous.NextInFlight = file.NextInFlight;
            else
                _first = file.NextInFlight;
            if (file.NextInFlight is { } next)
                next.PreviousInFlight = file.PreviousInFlight;
            file.NextInFlight = file.PreviousInFlight = null;
        }
    }

    /// <summary>Gives a freed message's files back.</summary>
    /// <remarks>
    /// A socket's end frees its messages, and so the sockets in them, whose messages hold further ones: a program can make a chain of any length.
    /// So they are only noted here, and the outermost call gives them back one after another: the stack's depth does not depend on the chain.
    /// </remarks>
    public void Drop(OpenFile[] files, int count)
    {
        Remove(files, count);
        for (int i = 0; i < count; i++)
        {
            if (files[i] is not SocketFile file)
            {
                files[i].Put();
                continue;
            }
            if (file.Dropped++ != 0)
                continue;
            file.NextDropped = _dropped;
            _dropped = file;
        }

        if (_givingBack)
            return;
        _givingBack = true;
        while (_dropped is { } file)
        {
            _dropped = file.NextDropped;
            file.NextDropped = null;
            int references = file.Dropped;
            file.Dropped = 0;
            while (references-- > 0)
                file.Put();
        }
        _givingBack = false;
    }

    /// <summary>Gives garbage back. Called when a socket was closed. O(sockets in flight and their messages).</summary>
    public void Collect()
    {
        if (_first is null || _collecting)
            return;
        _collecting = true;
        SocketFile? garbage = FindGarbage();
        for (SocketFile? file = garbage; file is not null; file = file.NextFound)
            file.Get();                                     // it shall not go while the list is walked
        for (SocketFile? file = garbage; file is not null; file = file.NextFound)
            file.Socket.DropMessages();
        while (garbage is { } file)
        {
            garbage = file.NextFound;
            file.NextFound = null;
            file.Put();
        }
        _collecting = false;
    }

    private SocketFile? FindGarbage()
    {
        for (SocketFile? file = _first; file is not null; file = file.NextInFlight)
        {
            file.Held = file.InFlight;
            file.IsCandidate = file.References == file.InFlight;
        }
        for (SocketFile? file = _first; file is not null; file = file.NextInFlight)
        {
            if (file.IsCandidate)
                file.Socket.TakeOffHeld();
        }

        SocketFile? reached = null;
        for (SocketFile? file = _first; file is not null; file = file.NextInFlight)
        {
            if (file.IsCandidate && file.Held > 0)
                Reach(file, ref reached);
        }
        while (reached is { } file)
        {
            reached = file.NextFound;
            file.NextFound = null;
            file.Socket.ReachHeld(ref reached);
        }

        SocketFile? garbage = null;
        for (SocketFile? file = _first; file is not null; file = file.NextInFlight)
        {
            if (file.IsCandidate)
                Reach(file, ref garbage);
        }
        return garbage;
    }

    /// <summary>Moves a candidate to a list, once.</summary>
    internal static void Reach(SocketFile file, ref SocketFile? list)
    {
        if (!file.IsCandidate)
            return;
        file.IsCandidate = false;
        file.NextFound = list;
        list = file;
    }
}
