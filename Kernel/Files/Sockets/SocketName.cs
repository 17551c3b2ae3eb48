using System;
using NanoVm.Core;
using NanoVm.Memory.Structures;

namespace NanoVm.Files.Sockets;

/// <summary>The name of a local socket: the bytes of <c>sun_path</c>. Shared by a listener and the sockets that it accepts, counted.</summary>
/// <remarks>Linux: <c>unix_address</c>. A name that begins with a NUL is abstract: it lies in no file system.</remarks>
internal sealed class SocketName
{
    private SocketTable _table = null!;
    private int _references;

    /// <summary>The bytes; a path's with its NUL.</summary>
    internal byte[] Bytes = null!;

    /// <summary>The abstract name's socket; its place in <see cref="SocketTable"/>.</summary>
    internal Socket? Owner;
    internal RedBlackLinks<SocketName> Links;

    /// <summary>Makes a name with one reference, or null without memory.</summary>
    public static SocketName? Allocate(SocketTable table, ReadOnlySpan<byte> bytes)
    {
        SocketName? name = table.Names.Allocate();
        if (name is null)
            return null;
        byte[]? copy = table.Io.Memory.Arrays.Allocate<byte>(bytes.Length);
        if (copy is null)
        {
            table.Names.Free(name);
            return null;
        }
        bytes.CopyTo(copy);
        name._table = table;
        name.Bytes = copy;
        name._references = 1;
        return name;
    }

    public SocketName Get()
    {
        _references++;
        return this;
    }

    public void Put()
    {
        if (--_references > 0)
            return;
        _table.Io.Memory.Arrays.Free(Bytes);
        _table.Names.Free(this);
    }

    /// <summary>In no file system.</summary>
    public bool IsAbstract => Bytes[0] == 0;

    /// <summary>The order of abstract names: by length, then by bytes.</summary>
    public static int Compare(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        if (a.Length != b.Length)
            return a.Length - b.Length;
        for (int i = 0; i < a.Length; i++)
        {
            if (a[i] != b[i])
                return a[i] - b[i];
        }
        return 0;
    }

    /// <summary>For the tree of abstract names.</summary>
    internal struct Traits : IRedBlackTraits<SocketName>, IRedBlackOrder<SocketName>
    {
        public static ref RedBlackLinks<SocketName> Links(SocketName node) => ref node.Links;

        public static bool Update(SocketName node) => false;

        public static bool Before(SocketName left, SocketName right) => Compare(left.Bytes, right.Bytes) < 0;
    }
}
