namespace NanoVm.Memory.Mapping;

/// <summary>The areas that map the file.</summary>
internal abstract partial class AddressSpace
{
    private void UnmapMappingRange(ulong first, ulong last, bool evenPrivateCopies)
    {
    }

    /// <summary>Links an area of the file, by its first page and length. Linux: <c>vma_interval_tree_insert</c>. Never fails, never sleeps.</summary>
    public void AddArea(Virtual.VmArea area)
    {
    }

    /// <summary>Unlinks an area before it goes or its bounds change.</summary>
    public void RemoveArea(Virtual.VmArea area)
    {
    }

    private void ValidateAreas()
    {
    }
}
