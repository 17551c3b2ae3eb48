using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Structures;

namespace NanoVm.Files.Sockets;

/// <summary>All that local sockets share: caches and the abstract names. Linux: <c>unix_socket_table</c>.</summary>
/// <remarks>The kernel is not preempted: no method sleeps between looking and changing.</remarks>
internal sealed class SocketTable(IoSystem io)
{
    /// <summary>Bytes that wait for a receiver before senders wait. Linux: <c>/proc/sys/net/core/wmem_default</c>.</summary>
    public const int DefaultBuffer = 212992;

    /// <summary>Datagrams that wait for a receiver before senders wait; one more is taken, as there. Linux: <c>/proc/sys/net/unix/max_dgram_qlen</c>.</summary>
    public const int DatagramQueue = 10;

    /// <summary>Connections that wait for <c>accept</c>, at most. Linux: <c>/proc/sys/net/core/somaxconn</c>.</summary>
    public const int MaximumBacklog = 4096;

    private RedBlackTree<SocketName, SocketName.Traits> _abstract;
    private uint _lastAutomatic;

    public IoSystem Io { get; } = io;

    internal ObjectCache<Socket> Sockets { get; } = new(io.Memory, "unix_sock"u8);

    internal ObjectCache<SocketFile> Files { get; } = new(io.Memory, "filp_sock"u8);

    internal ObjectCache<SocketName> Names { get; } = new(io.Memory, "unix_address"u8);

    internal ObjectCache<SocketMessage> Messages { get; } = new(io.Memory, "skbuff_head"u8);

    /// <summary>Sockets in messages.</summary>
    internal FilesInFlight InFlight { get; } = new();

    /// <summary>The socket with this abstract name, or null. Takes no reference.</summary>
    public Socket? FindAbstract(ReadOnlySpan<byte> name)
    {
        SocketName? node = _abstract.Root;
        while (node is not null)
        {
            int order = SocketName.Compare(name, node.Bytes);
            if (order == 0)
                return node.Owner;
            node = order < 0 ? node.Links.Left : node.Links.Right;
        }
        return null;
    }

    internal void AddAbstract(SocketName name) => _abstract.Insert<SocketName.Traits>(name);

    internal void RemoveAbstract(SocketName name) => _abstract.Remove(name);

    /// <summary>Writes a free abstract name of five hexadecimal digits. Linux: <c>unix_autobind</c>.</summary>
    /// <returns>False when all are taken.</returns>
    internal bool TryMakeName(Span<byte> to)
    {
        for (uint tries = 0; tries < 1u << 20; tries++)
        {
            _lastAutomatic = (_lastAutomatic + 1) & 0xFFFFF;
            to[0] = 0;
            var w = new TextWriter(to.Slice(1));
            w.Hex(_lastAutomatic, 5);
            if (FindAbstract(to) is null)
                return true;
        }
        return false;
    }
}
