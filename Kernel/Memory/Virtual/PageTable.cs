using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>One page table in memory, seen through the direct map: 512 entries of a type that says its level.</summary>
/// <remarks>
/// The only pointer of this folder. Sound because a table's frame belongs to its mm from the moment it is linked until <see cref="TlbBatch"/>
/// frees it, and because every index is masked to 0…511 by the <c>IndexOf</c> of the entry type.
/// </remarks>
internal readonly unsafe struct PageTable<TEntry>
    where TEntry : unmanaged
{
    private readonly TEntry* _entries;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PageTable(Pfn table) => _entries = (TEntry*)DirectMap.Pointer(table.Address);

    /// <summary>No table.</summary>
    public bool IsNone => _entries is null;

    public ref TEntry this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _entries[index];
    }
}
