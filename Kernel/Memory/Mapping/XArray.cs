using System.Numerics;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>A sparse array from 64-bit indices to numbers that are not zero, with marks: a radix tree of nodes with 64 slots.</summary>
/// <remarks>
/// Linux: <c>struct xarray</c>. Six bits of the index choose a slot at each level, and the tree is only as high as its largest index
/// needs:
/// <code>
///   one entry at index 0        the array itself holds it, there is no node
///   up to index 63              one leaf
///   up to index 4095            a branch over leaves, and so on
/// </code>
/// Marks are kept upwards, so the next marked entry is found without looking at unmarked ones. Nodes are freed as soon as they
/// are empty. All operations are O(levels). A struct inside its owner, whose lock guards it; memory is taken without sleeping.
/// </remarks>
internal partial struct XArray
{
    private const int Marks = 3;

    private XArrayNodes _nodes;
    private XArrayNode? _root;

    /// <summary>The entry at index 0 while there is no node.</summary>
    private ulong _single;
    private byte _singleMarks;
    private AllocationFlags _flags;

    /// <param name="flags">How nodes are allocated; swapping out needs a node when there is no memory, and may take the reserve.</param>
    public void Initialize(XArrayNodes nodes, AllocationFlags flags = AllocationFlags.Atomic)
    {
        _nodes = nodes;
        _flags = flags;
    }

    /// <summary>The topmost node, for checks; null while there is none.</summary>
    internal readonly XArrayNode? Root => _root;

    public readonly bool IsEmpty => _root is null && _single == 0;

    /// <summary>The entry at <paramref name="index"/>, or 0.</summary>
    public readonly ulong Load(ulong index)
    {
        XArrayLeaf? leaf = FindLeaf(index);
        if (leaf is null)
            return _root is null && index == 0 ? _single : 0;
        return leaf.Entries[(int)index & (XArrayNode.Slots - 1)];
    }

    /// <summary>Puts an entry, in place of what was there; the marks of an entry that is replaced stay.</summary>
    /// <param name="entry">Not 0.</param>
    /// <returns><see cref="Errno.ENOMEM"/>, and then nothing has changed, or none.</returns>
    public Errno Store(ulong index, ulong entry)
    {
        if (_root is null && index == 0)
        {
            _single = entry;
            return Errno.None;
        }

        XArrayLeaf? leaf = MakeLeaf(index);
        if (leaf is null)
            return Errno.ENOMEM;
        ref ulong slot = ref leaf.Entries[(int)index & (XArrayNode.Slots - 1)];
        if (slot == 0)
            leaf.Count++;
        slot = entry;
        return Errno.None;
    }

    /// <summary>Removes an entry with its marks.</summary>
    /// <returns>What it was, or 0.</returns>
    public ulong Erase(ulong index)
    {
        XArrayLeaf? leaf = FindLeaf(index);
        if (leaf is null)
        {
            if (_root is not null || index != 0)
                return 0;
            ulong single = _single;
            _single = 0;
            _singleMarks = 0;
            return single;
        }

        int offset = (int)index & (XArrayNode.Slots - 1);
        ulong old = leaf.Entries[offset];
        if (old == 0)
            return 0;
        for (int mark = 0; mark < Marks; mark++)
            ClearMarkUpwards(leaf, offset, mark);
        leaf.Entries[offset] = 0;
        leaf.Count--;
        Trim(leaf);
        return old;
    }

    /// <summary>Finds the first entry at or above <paramref name="index"/> and not above <paramref name="last"/>.</summary>
    /// <param name="index">Becomes the index of the entry found.</param>
    public readonly bool TryFind(ref ulong index, ulong last, out ulong entry) => TryFind(ref index, last, -1, out entry);

    /// <summary>The same among the entries with a mark.</summary>
    public readonly bool TryFindMarked(ref ulong index, ulong last, XArrayMark mark, out ulong entry) => TryFind(ref index, last, (int)mark, out entry);

    /// <summary>Marks the entry at <paramref name="index"/>, which must be there.</summary>
    public void SetMark(ulong index, XArrayMark mark)
    {
        XArrayNode? node = FindLeaf(index);
        if (node is null)
        {
            if (_root is null && index == 0 && _single != 0)
                _singleMarks |= (byte)(1 << (int)mark);
            return;
        }

        if (((XArrayLeaf)node).Entries[(int)index & (XArrayNode.Slots - 1)] == 0)
            return;
        int slot = (int)index & (XArrayNode.Slots - 1);
        while (node is not null)
        {
            ulong bit = 1UL << slot;
            if ((node.Marks[(int)mark] & bit) != 0)
                return;
            node.Marks[(int)mark] |= bit;
            slot = node.Offset;
            node = node.Parent;
        }
    }

    /// <summary>Takes a mark away; no error when it or the entry is not there.</summary>
    public void ClearMark(ulong index, XArrayMark mark)
    {
        XArrayLeaf? leaf = FindLeaf(index);
        if (leaf is not null)
            ClearMarkUpwards(leaf, (int)index & (XArrayNode.Slots - 1), (int)mark);
        else if (_root is null && index == 0)
            _singleMarks &= (byte)~(1 << (int)mark);
    }

    public readonly bool HasMark(ulong index, XArrayMark mark)
    {
        XArrayLeaf? leaf = FindLeaf(index);
        if (leaf is not null)
            return (leaf.Marks[(int)mark] >> ((int)index & (XArrayNode.Slots - 1)) & 1) != 0;
        return _root is null && index == 0 && (_singleMarks >> (int)mark & 1) != 0;
    }

    /// <summary>Whether any entry has the mark. O(1).</summary>
    public readonly bool IsMarked(XArrayMark mark) =>
        _root is not null ? _root.Marks[(int)mark] != 0 : (_singleMarks >> (int)mark & 1) != 0;

    private readonly XArrayLeaf? FindLeaf(ulong index)
    {
        XArrayNode? node = _root;
        if (node is null || !Covers(node, index))
            return null;
        while (node.Shift != 0)
        {
            node = ((XArrayBranch)node).Children[node.SlotOf(index)];
            if (node is null)
                return null;
        }

        return (XArrayLeaf)node;
    }

    /// <summary>Whether the index has no bits above those that the node, as root, looks at.</summary>
    private static bool Covers(XArrayNode root, ulong index)
    {
        int bits = root.Shift + XArrayNode.SlotShift;
        return bits >= 64 || index >> bits == 0;
    }

    /// <summary>Finds the leaf for an index, adding what nodes are missing.</summary>
    private XArrayLeaf? MakeLeaf(ulong index)
    {
        if (!MakeRoot(index))
            return null;

        XArrayNode node = _root!;
        while (node.Shift != 0)
        {
            var branch = (XArrayBranch)node;
            int slot = branch.SlotOf(index);
            XArrayNode? child = branch.Children[slot];
            if (child is null)
            {
                child = NewNode(branch.Shift - XArrayNode.SlotShift);
                if (child is null)
                {
                    Trim(branch);           // what was added above may be empty
                    return null;
                }

                child.Parent = branch;
                child.Offset = (byte)slot;
                branch.Children[slot] = child;
                branch.Count++;
            }

            node = child;
        }

        return (XArrayLeaf)node;
    }

    /// <summary>Makes the tree high enough for an index.</summary>
    private bool MakeRoot(ulong index)
    {
        if (_root is null)
        {
            int shift = 0;
            if (_single == 0)
            {
                while (shift + XArrayNode.SlotShift < 64 && index >> (shift + XArrayNode.SlotShift) != 0)
                    shift += XArrayNode.SlotShift;
            }

            XArrayNode? first = NewNode(shift);
            if (first is null)
                return false;
            if (_single != 0)
            {
                ((XArrayLeaf)first).Entries[0] = _single;
                first.Count = 1;
                for (int mark = 0; mark < Marks; mark++)
                    first.Marks[mark] = (ulong)(_singleMarks >> mark & 1);
                _single = 0;
                _singleMarks = 0;
            }

            _root = first;
        }

        while (!Covers(_root, index))
        {
            XArrayNode? above = NewNode(_root.Shift + XArrayNode.SlotShift);
            if (above is null)
            {
                Shrink();
                return false;
            }

            for (int mark = 0; mark < Marks; mark++)
                above.Marks[mark] = _root.Marks[mark] != 0 ? 1UL : 0;
            var branch = (XArrayBranch)above;
            branch.Children[0] = _root;
            branch.Count = 1;
            _root.Parent = branch;
            _root.Offset = 0;
            _root = branch;
        }

        return true;
    }

    private readonly XArrayNode? NewNode(int shift)
    {
        XArrayNode? node = shift == 0
            ? _nodes.Leaves.Allocate(_flags)
            : _nodes.Branches.Allocate(_flags);
        if (node is not null)
            node.Shift = (byte)shift;
        return node;
    }

    private readonly void FreeNode(XArrayNode node)
    {
        if (node.Shift == 0)
            _nodes.Leaves.Free((XArrayLeaf)node);
        else
            _nodes.Branches.Free((XArrayBranch)node);
    }

    /// <summary>Frees the node if it is empty, then its parent and so on, then makes the tree as low as it can be.</summary>
    private void Trim(XArrayNode node)
    {
        while (node.Count == 0)
        {
            XArrayBranch? parent = node.Parent;
            int offset = node.Offset;
            FreeNode(node);
            if (parent is null)
            {
                _root = null;
                return;
            }

            parent.Children[offset] = null;
            parent.Count--;
            node = parent;
        }

        Shrink();
    }

    private void Shrink()
    {
        while (_root is not null && _root.Count == 1 && _root.Shift != 0)
        {
            var branch = (XArrayBranch)_root;
            XArrayNode? only = branch.Children[0];
            if (only is null)
                return;
            only.Parent = null;
            only.Offset = 0;
            _root = only;
            FreeNode(branch);
        }

        if (_root is XArrayLeaf { Count: 1 } leaf && leaf.Entries[0] != 0)
        {
            _single = leaf.Entries[0];
            for (int mark = 0; mark < Marks; mark++)
                _singleMarks |= (byte)((leaf.Marks[mark] & 1) << mark);
            _root = null;
            FreeNode(leaf);
        }
    }

    private static void ClearMarkUpwards(XArrayNode leaf, int slot, int mark)
    {
        XArrayNode? node = leaf;
        while (node is not null)
        {
            node.Marks[mark] &= ~(1UL << slot);
            if (node.Marks[mark] != 0)
                return;
            slot = node.Offset;
            node = node.Parent;
        }
    }

    private readonly bool TryFind(ref ulong index, ulong last, int mark, out ulong entry)
    {
        entry = 0;
        if (index > last)
            return false;
        XArrayNode? root = _root;
        if (root is null)
        {
            if (index != 0 || _single == 0 || (mark >= 0 && (_singleMarks >> mark & 1) == 0))
                return false;
            entry = _single;
            return true;
        }

        ulong at = index;
        while (Covers(root, at))
        {
            // Down as far as there are nodes; "wanted" are the slots from the index's own on that qualify.
            XArrayNode node = root;
            while (true)
            {
                int slot = NextSlot(node, node.SlotOf(at), mark);
                ulong below = node.Shift + XArrayNode.SlotShift >= 64 ? ulong.MaxValue : (1UL << (node.Shift + XArrayNode.SlotShift)) - 1;
                ulong start = at & ~below;
                if (slot == XArrayNode.Slots)
                {
                    // Nothing more under this node: go on behind it, from the root.
                    if (below == ulong.MaxValue || start + below == ulong.MaxValue)
                        return false;
                    at = start + below + 1;
                    break;
                }

                ulong found = start + ((ulong)slot << node.Shift);
                if (found > at)
                    at = found;
                if (at > last)
                    return false;
                if (node.Shift == 0)
                {
                    index = at;
                    entry = ((XArrayLeaf)node).Entries[slot];
                    return true;
                }

                node = ((XArrayBranch)node).Children[slot]!;
            }
        }

        return false;
    }

    /// <summary>The first slot from <paramref name="slot"/> on that is filled, or has the mark; <see cref="XArrayNode.Slots"/> when there is none.</summary>
    private static int NextSlot(XArrayNode node, int slot, int mark)
    {
        if (mark >= 0)
        {
            ulong bits = node.Marks[mark] >> slot;
            return bits == 0 ? XArrayNode.Slots : slot + BitOperations.TrailingZeroCount(bits);
        }

        if (node.Shift == 0)
        {
            var leaf = (XArrayLeaf)node;
            while (slot < XArrayNode.Slots && leaf.Entries[slot] == 0)
                slot++;
            return slot;
        }

        var branch = (XArrayBranch)node;
        while (slot < XArrayNode.Slots && branch.Children[slot] is null)
            slot++;
        return slot;
    }
}
