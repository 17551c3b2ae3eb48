using System;

namespace NanoVm.Core.Boot;

/// <summary>Physical memory before there is a frame allocator: which of it is RAM, and which RAM is taken.</summary>
/// <remarks>
/// Linux: <c>memblock</c>. Two sorted lists of ranges that neither touch nor overlap. They start in the object itself and
/// move to memory taken from RAM when they outgrow it, so no machine has too many ranges. Used by one processor, before
/// interrupts are on; <c>PhysicalMemory</c> takes over what is left.
/// </remarks>
internal sealed unsafe class BootMemory
{
    private RangeList _ram;
    private RangeList _reserved;

    /// <summary>Nothing at or above is given out: the boot page tables map no more.</summary>
    private ulong _limit = 1UL << 32;

    /// <summary>Who serves requests since the allocators took over; none before.</summary>
    private BootMemoryHeir? _heir;

    /// <summary>Number of ranges of RAM, in ascending order.</summary>
    public int RamRangeCount => _ram.Count;

    /// <summary>Number of reserved ranges, in ascending order; parts may lie outside RAM.</summary>
    public int ReservedRangeCount => _reserved.Count;

    public BootRange Ram(int index) => _ram[index];

    public BootRange Reserved(int index) => _reserved[index];

    /// <summary>The address behind the last byte of RAM.</summary>
    public PhysAddr RamEnd => _ram.Count == 0 ? default : _ram[_ram.Count - 1].End;

    /// <summary>Says that whole pages inside these bytes are RAM. Overlaps with earlier ranges are no error.</summary>
    public void AddRam(BootRange bytes)
    {
        ulong start = (bytes.Start.Value + PageSize.Mask) & ~PageSize.Mask;
        ulong end = bytes.End.Value & ~PageSize.Mask;
        if (start >= end || start < bytes.Start.Value)
            return;
        MakeRoom(ref _ram);
        _ram.Add(start, end);
    }

    /// <summary>Says that these bytes are no RAM after all: firmware maps contradict themselves, and the stricter entry wins.</summary>
    public void RemoveRam(BootRange bytes)
    {
        ulong start = bytes.Start.Value & ~PageSize.Mask;
        ulong end = RoundUp(bytes.End.Value);
        if (start >= end)
            return;
        MakeRoom(ref _ram);
        _ram.Subtract(start, end);
    }

    /// <summary>Takes the pages that hold these bytes away from the allocators.</summary>
    public void Reserve(BootRange bytes)
    {
        ulong start = bytes.Start.Value & ~PageSize.Mask;
        ulong end = RoundUp(bytes.End.Value);
        if (start >= end)
            return;
        MakeRoom(ref _reserved);
        _reserved.Add(start, end);
    }

    /// <summary>Says that all RAM is mapped now, so all of it may be given out.</summary>
    public void DirectMapComplete() => _limit = ulong.MaxValue;

    /// <summary>Takes zeroed memory, from the top down so that the low zones stay free.</summary>
    /// <param name="bytes">Rounded up to whole pages.</param>
    /// <param name="alignment">A power of two, at least a page.</param>
    /// <returns>Panics when there is none: so early, nothing could go on without it.</returns>
    public PhysAddr Allocate(ulong bytes, ulong alignment = PageSize.Bytes)
    {
        if (_heir is not null)
            return _heir.Allocate(bytes, alignment);
        MakeRoom(ref _reserved);
        return AllocateWithoutGrowing(bytes, alignment);
    }

    /// <summary>From now on nothing is taken from here: requests go to <paramref name="heir"/>, who owns all that was free.</summary>
    public void HandOver(BootMemoryHeir heir) => _heir = heir;

    /// <summary>Finds the free range that ends highest below <paramref name="below"/>: walk with <c>below = result.Start</c> from the limit.</summary>
    /// <returns>An empty range when there is none.</returns>
    public BootRange HighestFree(PhysAddr below)
    {
        for (int r = _ram.Count - 1; r >= 0; r--)
        {
            BootRange ram = _ram[r];
            if (ram.Start >= below)
                continue;
            PhysAddr end = ram.End < below ? ram.End : below;

            // Go down over what is reserved until a hole is found in this range of RAM.
            for (int i = _reserved.Count - 1; i >= 0 && end > ram.Start; i--)
            {
                BootRange taken = _reserved[i];
                if (taken.Start >= end)
                    continue;
                if (taken.End < end)
                    return new BootRange(taken.End > ram.Start ? taken.End : ram.Start, end);
                end = taken.Start;
            }

            if (end > ram.Start)
                return new BootRange(ram.Start, end);
        }

        return default;
    }

    // To a page; at the very end of the address space down, for what lies behind it has no number.
    private static ulong RoundUp(ulong end) => end > ulong.MaxValue - PageSize.Mask ? ulong.MaxValue & ~PageSize.Mask : (end + PageSize.Mask) & ~PageSize.Mask;

    private PhysAddr AllocateWithoutGrowing(ulong bytes, ulong alignment)
    {
        bytes = (bytes + PageSize.Mask) & ~PageSize.Mask;
        var below = new PhysAddr(_limit);
        while (true)
        {
            BootRange hole = HighestFree(below);
            if (hole.IsEmpty)
                Panic.Now("too little memory to start: NanoVM needs 64 MiB"u8);
            if (hole.Length >= bytes)
            {
                ulong start = (hole.End - bytes).Value & ~(alignment - 1);
                if (start >= hole.Start.Value)
                {
                    _reserved.Add(start, start + bytes);
                    Clear(start, bytes);
                    return new PhysAddr(start);
                }
            }

            below = hole.Start;
        }
    }

    // A span holds less than 2 GiB, the frame descriptors of a big machine may be more.
    private static void Clear(ulong start, ulong bytes)
    {
        while (bytes > 0)
        {
            int part = (int)Math.Min(bytes, 1UL << 30);
            new Span<byte>(DirectMap.Pointer(new PhysAddr(start)), part).Clear();
            start += (ulong)part;
            bytes -= (ulong)part;
        }
    }

    // One insertion or cut makes at most one range more, and moving a list reserves one range itself.
    private void MakeRoom(ref RangeList list)
    {
        if (_reserved.Count + 4 > _reserved.Capacity && _ram.Count != 0)
            Grow(ref _reserved);
        if (list.Count + 4 > list.Capacity)
            Grow(ref list);
    }

    private void Grow(ref RangeList list)
    {
        int capacity = list.Capacity * 2;
        PhysAddr memory = AllocateWithoutGrowing((ulong)capacity * (ulong)sizeof(BootRange), PageSize.Bytes);
        list.MoveTo((BootRange*)DirectMap.Pointer(memory), capacity);
    }

    /// <summary>Sorted ranges that do not touch.</summary>
    private struct RangeList
    {
        private const int InlineRanges = 128;

        private fixed ulong _inline[InlineRanges * 2];
        private BootRange* _moved;
        private int _capacity;

        public int Count;

        public readonly int Capacity => _moved is null ? InlineRanges : _capacity;

        public BootRange this[int index]
        {
            readonly get
            {
                if (_moved is not null)
                    return _moved[index];
                return new BootRange(_inline[2 * index], _inline[2 * index + 1]);
            }

            private set
            {
                if (_moved is not null)
                {
                    _moved[index] = value;
                    return;
                }

                _inline[2 * index] = value.Start.Value;
                _inline[2 * index + 1] = value.End.Value;
            }
        }

        public void MoveTo(BootRange* memory, int capacity)
        {
            for (int i = 0; i < Count; i++)
                memory[i] = this[i];
            _moved = memory;
            _capacity = capacity;
        }

        /// <summary>Joins the range with all that it overlaps or touches.</summary>
        public void Add(ulong start, ulong end)
        {
            int first = 0;
            while (first < Count && this[first].End.Value < start)
                first++;
            int last = first;
            while (last < Count && this[last].Start.Value <= end)
            {
                start = Math.Min(start, this[last].Start.Value);
                end = Math.Max(end, this[last].End.Value);
                last++;
            }

            Splice(first, last, new BootRange(start, end), default);
        }

        /// <summary>Cuts the range out of all that it overlaps.</summary>
        public void Subtract(ulong start, ulong end)
        {
            int first = 0;
            while (first < Count && this[first].End.Value <= start)
                first++;
            int last = first;
            BootRange before = default, after = default;
            while (last < Count && this[last].Start.Value < end)
            {
                if (this[last].Start.Value < start)
                    before = new BootRange(this[last].Start.Value, start);
                if (this[last].End.Value > end)
                    after = new BootRange(end, this[last].End.Value);
                last++;
            }

            Splice(first, last, before, after);
        }

        /// <summary>Puts up to two ranges in place of those from <paramref name="first"/> up to <paramref name="last"/>.</summary>
        private void Splice(int first, int last, BootRange one, BootRange two)
        {
            int added = (one.IsEmpty ? 0 : 1) + (two.IsEmpty ? 0 : 1);
            int shift = added - (last - first);
            if (shift > 0)
            {
                for (int i = Count - 1; i >= last; i--)
                    this[i + shift] = this[i];
            }
            else if (shift < 0)
            {
                for (int i = last; i < Count; i++)
                    this[i + shift] = this[i];
            }

            if (!one.IsEmpty)
                this[first++] = one;
            if (!two.IsEmpty)
                this[first] = two;
            Count += shift;
        }
    }
}

/// <summary>Takes over from <see cref="BootMemory"/>: what it gives is never freed.</summary>
internal abstract class BootMemoryHeir
{
    /// <summary>Zeroed memory; panics when there is none.</summary>
    public abstract PhysAddr Allocate(ulong bytes, ulong alignment);
}
