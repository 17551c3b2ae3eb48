namespace NanoVm.Files.Sockets;

/// <summary>What a socket's messages hold: for <see cref="FilesInFlight"/>. Those of connections that nobody has accepted are this socket's, too.</summary>
internal sealed partial class Socket
{
    /// <summary>Takes one off <see cref="SocketFile.Held"/> of each candidate for each time that it lies here.</summary>
    internal void TakeOffHeld()
    {
        for (SocketMessage? message = _first; message is not null; message = message.Next)
        {
            for (int i = 0; i < message.FileCount; i++)
            {
                if (message.Files![i] is SocketFile { IsCandidate: true } file)
                    file.Held--;
            }
        }
        for (Socket? waiting = _pendingFirst; waiting is not null; waiting = waiting._nextPending)
            waiting.TakeOffHeld();
    }

    /// <summary>Adds each candidate that lies here to those that somebody can receive.</summary>
    internal void ReachHeld(ref SocketFile? reached)
    {
        for (SocketMessage? message = _first; message is not null; message = message.Next)
        {
            for (int i = 0; i < message.FileCount; i++)
            {
                if (message.Files![i] is SocketFile file)
                    FilesInFlight.Reach(file, ref reached);
            }
        }
        for (Socket? waiting = _pendingFirst; waiting is not null; waiting = waiting._nextPending)
            waiting.ReachHeld(ref reached);
    }

    /// <summary>Frees all messages: nobody can receive them.</summary>
    internal void DropMessages()
    {
        while (TakeFirst() is { } message)
            message.Free();
        for (Socket? waiting = _pendingFirst; waiting is not null; waiting = waiting._nextPending)
            waiting.DropMessages();
    }
}
