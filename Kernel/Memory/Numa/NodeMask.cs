using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NanoVm.Core;

namespace NanoVm.Memory.Numa;

/// <summary>A set of memory nodes, one bit each.</summary>
/// <remarks>
/// Linux: <c>nodemask_t</c>, 1024 bits in Debian's kernels. A node is the memory near one processor socket; this machine has one, number 0,
/// and sets that name others are kept as they were asked for, since <c>get_mempolicy</c> gives them back.
/// </remarks>
[InlineArray(Words)]
internal struct NodeMask
{
    /// <summary>The highest number of nodes that user space may name. Linux: <c>MAX_NUMNODES</c>.</summary>
    public const int Capacity = 1024;

    /// <summary>Nodes that this machine could ever have. Linux: <c>nr_node_ids</c>.</summary>
    public const int PossibleNodes = 1;

    public const int BitsPerWord = 64;
    public const int Words = Capacity / BitsPerWord;

    private ulong _first;

    /// <summary>The nodes that have memory: the one. Linux: <c>node_states[N_MEMORY]</c>, and every task's <c>mems_allowed</c>.</summary>
    public static NodeMask WithMemory
    {
        get
        {
            var mask = default(NodeMask);
            mask[0] = 1;
            return mask;
        }
    }

    /// <summary>Its words, the lowest nodes first.</summary>
    public static Span<ulong> AsWords(ref NodeMask mask) => MemoryMarshal.CreateSpan(ref mask[0], Words);

    public readonly bool IsEmpty
    {
        get
        {
            for (int i = 0; i < Words; i++)
            {
                if (this[i] != 0)
                    return false;
            }

            return true;
        }
    }

    /// <summary>Whether <paramref name="node"/>, which is below <see cref="Capacity"/>, is one of them.</summary>
    public readonly bool Contains(int node) => (this[node / BitsPerWord] >> (node % BitsPerWord) & 1) != 0;

    public readonly bool IsSame(in NodeMask other)
    {
        for (int i = 0; i < Words; i++)
        {
            if (this[i] != other[i])
                return false;
        }

        return true;
    }

    public readonly bool IsSubsetOf(in NodeMask other)
    {
        for (int i = 0; i < Words; i++)
        {
            if ((this[i] & ~other[i]) != 0)
                return false;
        }

        return true;
    }

    public readonly NodeMask And(in NodeMask other)
    {
        var both = default(NodeMask);
        for (int i = 0; i < Words; i++)
            both[i] = this[i] & other[i];
        return both;
    }

    /// <summary>Whether there is memory on <paramref name="node"/>.</summary>
    public static bool HasMemory(long node) => node is >= 0 and < Capacity && WithMemory.Contains((int)node);

    /// <summary>Writes "0,3-5". Linux: the format <c>%*pbl</c>.</summary>
    public readonly void WriteList(ref Core.TextWriter w)
    {
        bool some = false;
        for (int node = 0; node < Capacity; node++)
        {
            if (!Contains(node))
                continue;
            int last = node;
            while (last + 1 < Capacity && Contains(last + 1))
                last++;
            if (some)
                w.Byte((byte)',');
            w.Decimal((ulong)node);
            if (last > node)
            {
                w.Byte((byte)'-');
                w.Decimal((ulong)last);
            }

            some = true;
            node = last;
        }
    }

    /// <summary>Writes all bits in groups of 32, the highest first. Linux: the format <c>%*pb</c>.</summary>
    public readonly void WriteBits(ref Core.TextWriter w)
    {
        for (int i = Words - 1; i >= 0; i--)
        {
            w.Hex(this[i] >> 32, 8);
            w.Byte((byte)',');
            w.Hex((uint)this[i], 8);
            if (i > 0)
                w.Byte((byte)',');
        }
    }
}
