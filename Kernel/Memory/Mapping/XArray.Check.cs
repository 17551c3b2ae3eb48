using NanoVm.Memory.Check;

namespace NanoVm.Memory.Mapping;

/// <summary>Checks of an array against itself.</summary>
internal partial struct XArray
{
    /// <summary>Panics unless counts, marks, parents and heights are right.</summary>
    /// <returns>The number of entries.</returns>
    public readonly ulong Validate()
    {
        MemoryReport report = default;
        ulong entries = Check(ref report);
        report.PanicIfBroken();
        return entries;
    }

    /// <summary>Checks counts, marks, parents and heights.</summary>
    /// <returns>The number of entries; not to be trusted, nor may the array be walked, when something is wrong.</returns>
    internal readonly ulong Check(ref MemoryReport report)
    {
        if (_root is null)
        {
            report.Unless(_single != 0 || _singleMarks == 0, "an array marks what is not there"u8);
            return _single == 0 ? 0UL : 1;
        }

        report.Unless(_single == 0 && _singleMarks == 0, "an array has an entry beside its tree"u8);
        report.Unless(_root.Parent is null, "the root of an array has a parent"u8);
        return CheckNode(_root, ref report);
    }

    private static ulong CheckNode(XArrayNode node, ref MemoryReport report)
    {
        int count = 0;
        ulong entries = 0;
        for (int slot = 0; slot < XArrayNode.Slots; slot++)
        {
            ulong bit = 1UL << slot;
            if (node.Shift == 0)
            {
                bool filled = ((XArrayLeaf)node).Entries[slot] != 0;
                count += filled ? 1 : 0;
                entries += filled ? 1UL : 0;
                for (int mark = 0; mark < Marks; mark++)
                    report.Unless(filled || (node.Marks[mark] & bit) == 0, "an array marks what is not there"u8);
                continue;
            }

            XArrayNode? child = ((XArrayBranch)node).Children[slot];
            for (int mark = 0; mark < Marks; mark++)
                report.Unless(((node.Marks[mark] & bit) != 0) == (child is not null && child.Marks[mark] != 0), "an array's marks disagree"u8);
            if (child is null)
                continue;
            count++;
            // Below a node in the wrong place there may be a circle.
            if (report.Unless(child.Parent == node && child.Offset == slot && child.Shift + XArrayNode.SlotShift == node.Shift, "an array's node is misplaced"u8))
                entries += CheckNode(child, ref report);
        }

        report.Unless(count == node.Count && count > 0, "an array's node counts wrong"u8);
        return entries;
    }
}
