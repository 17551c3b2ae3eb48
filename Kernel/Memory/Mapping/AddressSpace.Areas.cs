namespace NanoVm.Memory.Mapping;

/// <summary>The areas that map the file.</summary>
internal abstract partial class AddressSpace
{
    private void UnmapMappingRange(ulong first, ulong last, bool evenPrivateCopies)
    {
    }

    private void ValidateAreas()
    {
    }
}
