using System.Runtime.InteropServices;
using System.Threading;
using NanoVm.Core;

namespace NanoVm.Memory.Physical;

/// <summary>The descriptor of one frame of RAM.</summary>
/// <remarks>
/// Linux: <c>struct page</c>. 64 bytes in an array indexed by frame number (<see cref="FrameTable"/>), raw memory: it
/// holds no managed reference but the addresses that <c>ObjectFactory</c> gives for one. All zero: allocated to nobody, part of no
/// block; the inside of a free block looks so, too.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct PageFrame
{
    /// <summary>No neighbour in a list.</summary>
    public const uint NoLink = uint.MaxValue;

    /// <summary>How many hold the frame: page-table entries, the page cache, code that works on it. Free at 0. Atomic. Linux: <c>_refcount</c>.</summary>
    public int ReferenceCount;

    /// <summary>How many page-table entries of user space map it; each of them holds a reference. Starts at 0. Atomic. Linux: <c>_mapcount + 1</c>.</summary>
    public int MapCount;

    public FrameFlags Flags;

    /// <summary>Of the first frame of a block: log2 of the block's frames.</summary>
    public byte Order;

    /// <summary>How many of <see cref="Holds"/> are for devices that are going to write to the frame. Interrupts off. See <c>MmStruct.PinPages</c>.</summary>
    public ushort Pins;

    /// <summary>
    /// Whose page it is: the address of an <c>AddressSpace</c>, or that of an <c>AnonVma</c> plus <see cref="MappingAnonymous"/>; 0 for
    /// nobody. Changed under the frame's lock or, for a new anonymous page, before it is mapped.
    /// </summary>
    public nuint Mapping;

    /// <summary>Which page of <see cref="Mapping"/>, in pages. Slab: the number of its cache (see <c>SlabCache.Number</c>).</summary>
    public ulong Index;

    /// <summary>Neighbours, by frame number, in the one list that the frame is on: free blocks, slabs of a cache, reclaim.</summary>
    public uint Next;
    public uint Previous;

    /// <summary>
    /// Slab: the address of the first free object. Tail: the number of the first frame. Swap cache: the swap entry. Page table: the first of
    /// the tables deposited with it, or the next deposited one.
    /// </summary>
    public nuint Private;

    /// <summary>Slab: objects in use. First frame of a huge page: entries that map it; in the pool its file's cache, too.</summary>
    public int UseCount;

    /// <summary>How many of the references are somebody's who works on the page, and not a structure's. Atomic. See <c>FrameAllocator.Holds.cs</c>.</summary>
    public int Holds;

    /// <summary>How many entries in locked areas (<c>mlock</c>) map it; while there is one it stays in memory. Linux: <c>mlock_count</c>.</summary>
    public int MlockCount;

    /// <summary>What <c>memfsck</c> has found in its present run: small entries that map the frame, or places where a page table hangs. Meaningless between runs.</summary>
    public uint Found;

    /// <summary>Bit 0 of <see cref="Mapping"/>: anonymous. Linux: <c>PAGE_MAPPING_ANON</c>.</summary>
    public const nuint MappingAnonymous = 1;

    /// <summary><see cref="ReferenceCount"/> without those of devices that are going to write to the frame.</summary>
    public readonly int UnpinnedReferences => ReferenceCount - Pins;

    public readonly bool Has(FrameFlags flags) => (Flags & flags) == flags;

    public readonly bool HasAny(FrameFlags flags) => (Flags & flags) != 0;

    /// <summary>Whether the page belongs to anonymous memory. Linux: <c>PageAnon</c>.</summary>
    public readonly bool IsAnonymous => (Mapping & MappingAnonymous) != 0 || (Flags & FrameFlags.Anonymous) != 0;

    /// <summary>Sets bits that others may be changing at the same time.</summary>
    public void SetFlags(FrameFlags flags) => Interlocked.Or(ref System.Runtime.CompilerServices.Unsafe.As<FrameFlags, uint>(ref Flags), (uint)flags);

    /// <summary>Clears bits that others may be changing at the same time.</summary>
    public void ClearFlags(FrameFlags flags) => Interlocked.And(ref System.Runtime.CompilerServices.Unsafe.As<FrameFlags, uint>(ref Flags), ~(uint)flags);

    /// <summary>Sets one bit.</summary>
    /// <returns>Whether it was set before.</returns>
    public bool TestAndSet(FrameFlags flag) =>
        (Interlocked.Or(ref System.Runtime.CompilerServices.Unsafe.As<FrameFlags, uint>(ref Flags), (uint)flag) & (uint)flag) != 0;

    /// <summary>Clears one bit.</summary>
    /// <returns>Whether it was set before.</returns>
    public bool TestAndClear(FrameFlags flag) =>
        (Interlocked.And(ref System.Runtime.CompilerServices.Unsafe.As<FrameFlags, uint>(ref Flags), ~(uint)flag) & (uint)flag) != 0;
}
