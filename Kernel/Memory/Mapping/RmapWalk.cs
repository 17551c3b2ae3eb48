using System.Diagnostics.CodeAnalysis;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>Visits every page-table entry that maps a frame.</summary>
/// <remarks>
/// Linux: <c>rmap_walk</c>, <c>page_vma_mapped_walk</c>. Lecture 002, "Reverse mapping"; lecture 004, "file reverse mapping". The frame says
/// whose page it is and which; an interval tree there says which areas cover that page; an area says at what address:
/// <code>
///   anonymous   frame ──Mapping──► AnonVma      ──tree of chains──► [areas of the family of forks] ─┐
///   file        frame ──Mapping──► AddressSpace ──tree of areas───► [areas that map the file]     ──┤
///                     ──Index─────────────────────────────────────────────────────────────────────  ▼
///                                            address = area.Start + (Index - area.PageOffset) pages ──► entry, if it maps this frame
/// </code>
/// An area that covers the page need not have it: it may have copied it, or never touched it. Cost: O(log areas + areas that cover the page).
/// The caller has locked the page, and an anonymous one is mapped: so its AnonVma exists. Holds the tree's lock until <see cref="Dispose"/> and,
/// at each entry, the page-table lock of its mm. Nothing done to an entry may sleep.
/// <code>
///   using var walk = new RmapWalk(frames, page);
///   while (walk.MoveNext())
///       … walk.Area, walk.Address, ref walk.Entry
/// </code>
/// </remarks>
internal unsafe ref struct RmapWalk
{
    private readonly Pfn _page;
    private readonly ulong _index;
    private readonly AnonVma? _anonVma;
    private readonly AddressSpace? _file;
    private readonly bool _interruptsWereOn;

    /// <summary>Where the walk stands in the one tree or the other; null before the first and behind the last.</summary>
    private AnonVmaChain? _chain;
    private VmArea? _area;
    private bool _started;
    private bool _atEntry;
    private PageTable<Pte> _table;

    /// <summary>The area whose entry maps the page.</summary>
    public readonly VmArea Area => _area!;

    /// <summary>The page's address there.</summary>
    public VirtAddr Address { get; private set; }

    /// <summary>The entry, under its page-table lock.</summary>
    public readonly ref Pte Entry => ref _table[Pte.IndexOf(Address)];

    public RmapWalk(FrameAllocator frames, Pfn page)
    {
        ref PageFrame frame = ref frames[page];
        _page = page;
        _index = frame.Index;
        if ((frame.Mapping & PageFrame.MappingAnonymous) != 0)
        {
            _anonVma = ObjectFactory.FromAddress<AnonVma>((void*)(frame.Mapping & ~PageFrame.MappingAnonymous));
            _interruptsWereOn = _anonVma.Root.Lock.AcquireRaw();
        }
        else
        {
            _file = FrameMapping.AddressSpaceOf(frame);
            _interruptsWereOn = _file is not null && _file.LockAreas();
        }
    }

    /// <summary>Goes on to the next entry.</summary>
    /// <returns>False when there is none.</returns>
    public bool MoveNext()
    {
        LeaveEntry();
        while (NextArea())
        {
            VmArea area = _area!;
            Address = area.Start + ((_index - area.PageOffset) << PageSize.Shift);
            if (!area.Mm.TryFindPte(Address, out _table))
                continue;
            area.Mm.PageTableLock.AcquireRaw();                     // interrupts are off already, and stay off after it
            Pte entry = Entry;
            if (entry.IsMapped() && !entry.IsSpecial && entry.Pfn == _page)
            {
                _atEntry = true;
                return true;
            }

            area.Mm.PageTableLock.ReleaseRaw(false);
        }

        return false;
    }

    /// <summary>Goes on to the next area that covers the page, whether it has it or not: for 2 MiB pages, whose entries stand a level higher.</summary>
    public bool MoveNextArea()
    {
        if (!NextArea())
            return false;
        Address = _area.Start + ((_index - _area.PageOffset) << PageSize.Shift);
        return true;
    }

    [MemberNotNullWhen(true, nameof(_area))]
    private bool NextArea()
    {
        if (_anonVma is not null)
        {
            _chain = _chain is not null ? AnonVma.NextChain(_chain, _index) : _started ? null : _anonVma.FirstChain(_index);
            _area = _chain?.Area;
        }
        else if (_file is not null)
        {
            _area = _area is not null ? AddressSpace.NextArea(_area, _index) : _started ? null : _file.FirstArea(_index);
        }

        _started = true;
        return _area is not null;
    }

    private void LeaveEntry()
    {
        if (!_atEntry)
            return;
        _atEntry = false;
        _area!.Mm.PageTableLock.ReleaseRaw(false);
    }

    public void Dispose()
    {
        LeaveEntry();
        if (_anonVma is not null)
            _anonVma.Root.Lock.ReleaseRaw(_interruptsWereOn);
        else
            _file?.UnlockAreas(_interruptsWereOn);
    }
}
