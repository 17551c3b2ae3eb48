using System.Runtime.CompilerServices;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>A mark that an entry of an <see cref="XArray"/> may carry. Linux: <c>xa_mark_t</c>.</summary>
internal enum XArrayMark
{
    /// <summary>The page was changed. Linux: <c>PAGECACHE_TAG_DIRTY</c>.</summary>
    Dirty,
    /// <summary>The page is being written. Linux: <c>PAGECACHE_TAG_WRITEBACK</c>.</summary>
    Writeback,
    /// <summary>Was dirty when a sync began: what that sync has to write. Linux: <c>PAGECACHE_TAG_TOWRITE</c>.</summary>
    ToWrite,
}

/// <summary>What branches and leaves of an <see cref="XArray"/> have in common.</summary>
/// <remarks>Linux: <c>xa_node</c>. A node exists only while one of its 64 slots is filled.</remarks>
internal abstract class XArrayNode
{
    public const int SlotShift = 6;
    public const int Slots = 1 << SlotShift;

    public XArrayBranch? Parent;

    /// <summary>For each mark, the slots that have it: in a leaf an entry, in a branch any entry below.</summary>
    public XArrayMarks Marks;

    /// <summary>The node's slot in <see cref="Parent"/>.</summary>
    public byte Offset;

    /// <summary>Bits of the index below those that choose a slot here: 0 in a leaf.</summary>
    public byte Shift;

    /// <summary>Slots that are filled.</summary>
    public byte Count;

    public int SlotOf(ulong index) => (int)(index >> Shift) & (Slots - 1);
}

/// <summary>A node whose slots lead to further nodes.</summary>
internal sealed class XArrayBranch : XArrayNode
{
    public XArrayChildren Children;
}

/// <summary>A node whose slots are the entries.</summary>
internal sealed class XArrayLeaf : XArrayNode
{
    public XArrayEntries Entries;
}

[InlineArray(XArrayNode.Slots)]
internal struct XArrayChildren
{
    private XArrayNode? _first;
}

[InlineArray(XArrayNode.Slots)]
internal struct XArrayEntries
{
    private ulong _first;
}

/// <summary>A bit for each slot, by <see cref="XArrayMark"/>.</summary>
[InlineArray(3)]
internal struct XArrayMarks
{
    private ulong _first;
}

/// <summary>Where the nodes of all arrays of a machine come from.</summary>
internal sealed class XArrayNodes(PhysicalMemory memory)
{
    public readonly ObjectCache<XArrayBranch> Branches = new(memory, "xarray_branch"u8);
    public readonly ObjectCache<XArrayLeaf> Leaves = new(memory, "xarray_leaf"u8);
}
