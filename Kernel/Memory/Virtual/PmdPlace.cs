using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Where an entry of the second level stands: it leads to a table of small pages, is itself a 2 MiB page, or is empty.</summary>
internal readonly struct PmdPlace(Pfn table, int index)
{
    /// <summary>The table that holds it, with which tables for splitting are deposited.</summary>
    public readonly Pfn Table = table;

    private readonly int _index = index;

    /// <summary>The entry. Guarded by <see cref="MmStruct.PageTableLock"/>.</summary>
    public ref Pmd Entry
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref new PageTable<Pmd>(Table)[_index];
    }
}
