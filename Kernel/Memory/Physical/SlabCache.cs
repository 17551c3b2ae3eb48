using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;

namespace NanoVm.Memory.Physical;

/// <summary>Memory for objects of one size, cut from blocks of frames ("slabs").</summary>
/// <remarks>
/// Linux: <c>kmem_cache</c>. The free objects of a slab form a list through themselves; where it starts and how many are in use is
/// in the descriptor of the slab's first frame, which a mask finds, since a block is aligned to its size.
/// <code>
///   slab (2^order frames)   [ object | object | object | … | rest ]
///   word 0 of an object     in use: its type     free: 0
///   word 1                  in use: its own      free: the next free object
/// </code>
/// A slab is on exactly one of three lists: partial, full, empty. Allocation takes from the first partial slab, freeing
/// touches the object's slab only: both are O(1). More than <see cref="EmptyReserve"/> empty slabs are not kept.
/// Pointer code: every address lies in a slab, whose bounds come from its descriptor.
/// </remarks>
internal sealed unsafe class SlabCache
{
    /// <summary>Empty slabs kept for the next burst.</summary>
    public const int EmptyReserve = 1;

    /// <summary>Where a free object stores the next one.</summary>
    private const int LinkOffset = 8;

    /// <summary>Where the poison of a free object begins.</summary>
    private const int PoisonOffset = 16;

    private const byte Poison = 0x6b;
    private const ulong RedZoneFree = 0xbbbb_bbbb_bbbb_bbbb;
    private const ulong RedZoneInUse = 0xcccc_cccc_cccc_cccc;

    private readonly FrameAllocator _frames;
    private readonly FailureInjection _failures;
    private readonly FailureKinds _kind;
    private readonly byte* _name;                       // a literal in the image
    private readonly int _nameLength;

    private SpinLock _lock;
    private SlabList _partial;
    private SlabList _full;
    private SlabList _empty;

    /// <summary>Objects in use; under the lock.</summary>
    private ulong _active;

    /// <summary>The next cache of the machine, for <c>/proc/slabinfo</c>; the chain only grows.</summary>
    public SlabCache? Next { get; internal set; }

    /// <summary>Number of the cache, from 1; kept in each slab's descriptor.</summary>
    public readonly ushort Number;

    /// <summary>Bytes an object may use.</summary>
    public readonly int ObjectSize;

    /// <summary>Bytes from one object to the next.</summary>
    public readonly int Stride;

    /// <summary>Log2 of a slab's frames.</summary>
    public readonly int Order;

    /// <summary>Objects in one slab.</summary>
    public readonly int ObjectsPerSlab;

    /// <summary>Objects given out since the start.</summary>
    public ulong Allocations;

    /// <summary>Objects given back since the start.</summary>
    public ulong Frees;

    internal SlabCache(FrameAllocator frames, FailureInjection failures, FailureKinds kind, ushort number, ReadOnlySpan<byte> name, nuint size, int alignment)
    {
        _frames = frames;
        _failures = failures;
        _kind = kind;
        fixed (byte* literal = name)
            _name = literal;
        _nameLength = name.Length;
        Number = number;

        ObjectSize = (int)(size < PoisonOffset ? PoisonOffset : (size + 7) & ~(nuint)7);
        int used = ObjectSize;
#if NANOVM_DEBUG
        used += sizeof(ulong);
#endif
        Stride = (used + alignment - 1) & ~(alignment - 1);
        Order = ChooseOrder(Stride);
        ObjectsPerSlab = (int)(PageSize.Bytes << Order) / Stride;
        _partial.Clear();
        _full.Clear();
        _empty.Clear();
        if (ObjectsPerSlab == 0)
            Panic.Now("an object cache is made for objects that fit into no block"u8);
    }

    /// <summary>What <c>/proc/slabinfo</c> calls the cache.</summary>
    public ReadOnlySpan<byte> Name => new(_name, _nameLength);

    /// <summary>Objects in use.</summary>
    public ulong ActiveObjects => _active;

    /// <summary>Objects that the present slabs have room for.</summary>
    public ulong TotalObjects => Slabs * (ulong)ObjectsPerSlab;

    /// <summary>Slabs with any object in use.</summary>
    public ulong ActiveSlabs => (ulong)(_partial.Count + _full.Count);

    public ulong Slabs => (ulong)(_partial.Count + _full.Count + _empty.Count);

    public PageCount Frames => new(Slabs << Order);

    /// <summary>Takes one object, all bytes zero.</summary>
    /// <returns>Null when there is no memory.</returns>
    public void* Allocate(AllocationFlags flags)
    {
        if (_failures.ShouldFail(_kind))
            return null;

        bool enabled = _lock.AcquireRaw();
        while (_partial.First == PageFrame.NoLink)
        {
            if (_empty.First != PageFrame.NoLink)
            {
                uint empty = _empty.First;
                _empty.Remove(_frames.Table, empty);
                _partial.Push(_frames.Table, empty);
                break;
            }

            // Without the lock: the frame allocator may ask this very cache to give slabs back.
            _lock.ReleaseRaw(enabled);
            uint grown = Grow(flags);
            if (grown == PageFrame.NoLink)
                return null;
            enabled = _lock.AcquireRaw();
            _partial.Push(_frames.Table, grown);
        }

        uint first = _partial.First;
        ref PageFrame slab = ref _frames.Table[first];
        byte* item = (byte*)slab.Private;
        slab.Private = *(nuint*)(item + LinkOffset);
        if (++slab.UseCount == ObjectsPerSlab)
        {
            _partial.Remove(_frames.Table, first);
            _full.Push(_frames.Table, first);
        }

        _active++;
        Allocations++;
        CheckFreeObject(item);
        MarkInUse(item);
        _lock.ReleaseRaw(enabled);

        new Span<byte>(item, ObjectSize).Clear();
        return item;
    }

    /// <summary>Gives an object of this cache back.</summary>
    public void Free(void* item)
    {
        bool enabled = _lock.AcquireRaw();
        uint first = SlabOf(item);
        ref PageFrame slab = ref _frames.Table[first];
        if ((slab.Flags & FrameFlags.Slab) == 0 || slab.Index != Number)
            Panic.Now("an object is given back to a cache that it is not from"u8);
        MarkFree((byte*)item);

        *(nuint*)item = 0;
        *(nuint*)((byte*)item + LinkOffset) = slab.Private;
        slab.Private = (nuint)item;
        _active--;
        Frees++;
        if (slab.UseCount-- == ObjectsPerSlab)
        {
            _full.Remove(_frames.Table, first);
            _partial.Push(_frames.Table, first);
        }

        if (slab.UseCount == 0)
        {
            _partial.Remove(_frames.Table, first);
            if (_empty.Count < EmptyReserve)
            {
                _empty.Push(_frames.Table, first);
            }
            else
            {
                Release(first);
            }
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Gives the frames of all empty slabs back. Linux: <c>kmem_cache_shrink</c>.</summary>
    public PageCount Shrink()
    {
        ulong frames = 0;
        bool enabled = _lock.AcquireRaw();
        while (_empty.First != PageFrame.NoLink)
        {
            uint first = _empty.First;
            _empty.Remove(_frames.Table, first);
            Release(first);
            frames += 1UL << Order;
        }

        _lock.ReleaseRaw(enabled);
        return new PageCount(frames);
    }

    /// <summary>Panics unless all lists, counts and free objects are right.</summary>
    public void Validate()
    {
        MemoryReport report = default;
        Check(ref report);
        report.PanicIfBroken();
    }

    /// <summary>Checks all lists, counts and free objects.</summary>
    internal void Check(ref MemoryReport report)
    {
        bool enabled = _lock.AcquireRaw();
        ulong active = CheckList(ref _partial, 0, ObjectsPerSlab - 1, ref report)
            + CheckList(ref _full, ObjectsPerSlab, ObjectsPerSlab, ref report)
            + CheckList(ref _empty, 0, 0, ref report);
        report.Unless(active == _active, "an object cache counts its objects wrong"u8);
        _lock.ReleaseRaw(enabled);
    }

    // At least four objects and at most an eighth of waste, if eight frames can give that; larger objects take what they need. Single
    // frames are preferred: when memory is short there are no blocks left, and swapping out must still find room for a node.
    private static int ChooseOrder(int stride)
    {
        for (int order = 0; order <= 3; order++)
        {
            int bytes = (int)PageSize.Bytes << order;
            if (bytes / stride >= 4 && bytes % stride <= bytes / 8)
                return order;
        }

        for (int order = 0; order <= FrameTable.MaxOrder; order++)
        {
            int bytes = (int)PageSize.Bytes << order;
            if (bytes / stride >= (order < 3 ? 4 : 1))
                return order;
        }

        return 0;
    }

    private uint SlabOf(void* item)
    {
        Pfn pfn = DirectMap.PhysicalOf(item).Pfn;
        return (uint)(pfn.Value & ~((1UL << Order) - 1));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private uint Grow(AllocationFlags flags)
    {
        AllocationFlags passed = flags & (AllocationFlags.Atomic | AllocationFlags.Reserve | AllocationFlags.MayFail | AllocationFlags.Dma32 | AllocationFlags.Dma);
        if (_frames.Allocate(Order, passed, out Pfn pfn) != Errno.None)
            return PageFrame.NoLink;

        byte* start = DirectMap.Pointer(pfn);
        byte* next = null;
        for (int i = ObjectsPerSlab - 1; i >= 0; i--)
        {
            byte* item = start + (nint)i * Stride;
            InitializeFreeObject(item);
            *(nuint*)item = 0;
            *(byte**)(item + LinkOffset) = next;
            next = item;
        }

        ref PageFrame slab = ref _frames[pfn];
        slab.Flags = FrameFlags.Slab;
        slab.Index = Number;
        slab.Private = (nuint)next;
        slab.UseCount = 0;
        return (uint)pfn.Value;
    }

    private void Release(uint first)
    {
        ref PageFrame slab = ref _frames.Table[first];
        slab.Flags = FrameFlags.None;
        slab.Index = 0;
        slab.Private = 0;
        _frames.Put(new Pfn(first));
    }

    private ulong CheckList(ref SlabList list, int least, int most, ref MemoryReport report)
    {
        ulong active = 0;
        int slabs = 0;
        for (uint at = list.First; at != PageFrame.NoLink; at = _frames.Table[at].Next)
        {
            if (!report.Unless(_frames.IsRam(new Pfn(at)), "a list of slabs is broken, or a slab has the wrong owner"u8, new Pfn(at)))
                return active;
            ref PageFrame slab = ref _frames.Table[at];
            if (!report.Unless(slabs < list.Count && slab.Has(FrameFlags.Slab) && slab.Index == Number, "a list of slabs is broken, or a slab has the wrong owner"u8, new Pfn(at)))
                return active;
            report.Unless(slab.UseCount >= least && slab.UseCount <= most, "a slab is on the wrong list"u8);
            int free = 0;
            for (byte* item = (byte*)slab.Private; item is not null; item = *(byte**)(item + LinkOffset))
            {
                if (!report.Unless(SlabOf(item) == at && (item - DirectMap.Pointer(new Pfn(at))) % Stride == 0, "a free object lies outside its slab"u8, new Pfn(at)))
                    return active;
                CheckFreeObject(item, ref report);
                free++;
                if (!report.Unless(free <= ObjectsPerSlab, "a list of free objects is a circle"u8, new Pfn(at)))
                    return active;
            }

            report.Unless(free + slab.UseCount == ObjectsPerSlab, "a slab counts its objects wrong"u8);
            active += (ulong)slab.UseCount;
            slabs++;
        }

        report.Unless(slabs == list.Count, "an object cache counts its slabs wrong"u8);
        return active;
    }

    [System.Diagnostics.Conditional("NANOVM_DEBUG")]
    private void InitializeFreeObject(byte* item)
    {
        new Span<byte>(item + PoisonOffset, ObjectSize - PoisonOffset).Fill(Poison);
        *(ulong*)(item + ObjectSize) = RedZoneFree;
    }

    [System.Diagnostics.Conditional("NANOVM_DEBUG")]
    private void CheckFreeObject(byte* item)
    {
        MemoryReport report = default;
        CheckFreeObject(item, ref report);
        report.PanicIfBroken();
    }

    [System.Diagnostics.Conditional("NANOVM_DEBUG")]
    private void CheckFreeObject(byte* item, ref MemoryReport report)
    {
        report.Unless(*(ulong*)(item + ObjectSize) == RedZoneFree, "the red zone behind a free object was written to"u8);
        foreach (byte b in new Span<byte>(item + PoisonOffset, ObjectSize - PoisonOffset))
            report.Unless(b == Poison, "a free object was written to"u8);
    }

    [System.Diagnostics.Conditional("NANOVM_DEBUG")]
    private void MarkInUse(byte* item) => *(ulong*)(item + ObjectSize) = RedZoneInUse;

    [System.Diagnostics.Conditional("NANOVM_DEBUG")]
    private void MarkFree(byte* item)
    {
        Panic.Unless(*(ulong*)(item + ObjectSize) != RedZoneFree, "an object is freed twice"u8);
        Panic.Unless(*(ulong*)(item + ObjectSize) == RedZoneInUse, "the red zone behind an object was written to"u8);
        InitializeFreeObject(item);
    }

    /// <summary>Slabs linked through their descriptors.</summary>
    private struct SlabList
    {
        public uint First;
        public int Count;

        public void Clear()
        {
            First = PageFrame.NoLink;
            Count = 0;
        }

        public void Push(FrameTable frames, uint slab)
        {
            ref PageFrame frame = ref frames[slab];
            frame.Previous = PageFrame.NoLink;
            frame.Next = First;
            if (First != PageFrame.NoLink)
                frames[First].Previous = slab;
            First = slab;
            Count++;
        }

        public void Remove(FrameTable frames, uint slab)
        {
            ref PageFrame frame = ref frames[slab];
            if (frame.Previous == PageFrame.NoLink)
                First = frame.Next;
            else
                frames[frame.Previous].Next = frame.Next;
            if (frame.Next != PageFrame.NoLink)
                frames[frame.Next].Previous = frame.Previous;
            frame.Next = 0;
            frame.Previous = 0;
            Count--;
        }
    }
}
