using System;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Sockets;

/// <summary>A piece of a stream or a whole message on its way, with who sent it and the files that travel with it.</summary>
/// <remarks>Linux: <c>sk_buff</c> with <c>unix_skb_parms</c>.</remarks>
internal sealed class SocketMessage
{
    private KernelArrays _arrays = null!;
    private SocketTable _table = null!;

    internal SocketMessage? Next;

    /// <summary>The bytes; null when there are none.</summary>
    internal byte[]? Data;

    /// <summary>The unread part of <see cref="Data"/>.</summary>
    internal int Start;
    internal int End;

    internal PeerCredentials Sender;

    /// <summary>The name of the sending socket, with a reference; null when it has none.</summary>
    internal SocketName? From;

    /// <summary>Files that travel along, each with a reference. Linux: SCM_RIGHTS.</summary>
    internal OpenFile[]? Files;
    internal int FileCount;

    public int Length => End - Start;

    /// <summary>Takes the files over from a message that is being made.</summary>
    internal void Carry(OpenFile[] files, int count)
    {
        Files = files;
        FileCount = count;
        _table.InFlight.Add(files, count);
    }

    /// <summary>Gives the files, with their references, to a receiver.</summary>
    internal OpenFile[] Unload(out int count)
    {
        OpenFile[] files = Files!;
        count = FileCount;
        _table.InFlight.Remove(files, count);
        Files = null;
        FileCount = 0;
        return files;
    }

    public ReadOnlySpan<byte> Unread => new(Data, Start, Length);

    /// <summary>Makes a message with room for <paramref name="bytes"/>; null without memory.</summary>
    public static SocketMessage? Allocate(SocketTable table, int bytes)
    {
        SocketMessage? message = table.Messages.Allocate();
        if (message is null)
            return null;
        message._table = table;
        message._arrays = table.Io.Memory.Arrays;
        if (bytes == 0)
            return message;
        message.Data = message._arrays.Allocate<byte>(bytes);
        message.End = bytes;
        if (message.Data is not null)
            return message;
        table.Messages.Free(message);
        return null;
    }

    /// <summary>Frees it with all that it still carries.</summary>
    public void Free()
    {
        if (Files is { } files)
        {
            Files = null;
            _table.InFlight.Drop(files, FileCount);
            _arrays.Free(files);
        }
        From?.Put();
        if (Data is not null)
            _arrays.Free(Data);
        _table.Messages.Free(this);
    }
}
