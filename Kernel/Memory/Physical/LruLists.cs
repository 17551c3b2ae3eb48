using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;

namespace NanoVm.Memory.Physical;

/// <summary>The four lists that reclaim chooses from, and the one that it leaves alone.</summary>
/// <remarks>Linux: <c>enum lru_list</c>. "Anonymous" is what can go to swap only: shared memory, too.</remarks>
internal enum LruKind
{
    InactiveAnonymous,
    ActiveAnonymous,
    InactiveFile,
    ActiveFile,
    /// <summary>Locked in memory (<c>mlock</c>).</summary>
    Unevictable,
}

/// <summary>Frames that could be reclaimed, by how lately they were used.</summary>
/// <remarks>
/// Linux: <c>struct lruvec</c>. New pages join the inactive list at the head; reclaim looks at its tail. A page that was used since it
/// joined goes to the active list; pages at that one's tail come back when the inactive list is short: the second chance.
/// A page that <see cref="PageFrame.MlockCount"/> says is locked is kept apart: looking at it again and again would be in vain.
/// Linked through the descriptors, so moving is O(1).
/// <code>
///   new ──►[ inactive                  ]──► not used: reclaimed
///             ▲        used again │
///             │                   ▼
///          ◄──[ active                 ]    its tail, when inactive is the shorter one
/// </code>
/// </remarks>
internal sealed class LruLists
{
    private const int Kinds = 5;

    private readonly FrameTable _frames;

    /// <summary>Guards the links and counts, and the flags Lru and Active. Innermost.</summary>
    private SpinLock _lock;
    private readonly uint[] _first = new uint[Kinds];
    private readonly uint[] _last = new uint[Kinds];
    private readonly ulong[] _count = new ulong[Kinds];

    internal LruLists(FrameTable frames)
    {
        _frames = frames;
        for (int i = 0; i < Kinds; i++)
        {
            _first[i] = PageFrame.NoLink;
            _last[i] = PageFrame.NoLink;
        }
    }

    /// <summary>Frames on a list, for <c>/proc/meminfo</c>.</summary>
    public PageCount Count(LruKind kind) => new(_count[(int)kind]);

    /// <summary>A page that was just made joins a list, or one that was taken off joins again; a locked one always the unevictable list.</summary>
    public void Add(Pfn pfn, LruKind kind)
    {
        bool enabled = _lock.AcquireRaw();
        if ((_frames[pfn].Flags & FrameFlags.Lru) == 0)
            Link(pfn, kind);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Moves a page that is on some list; no error when it is on none, because somebody has it in his hands.</summary>
    /// <returns>Whether it is on the list now and was not before.</returns>
    public bool Move(Pfn pfn, LruKind kind)
    {
        bool enabled = _lock.AcquireRaw();
        ref PageFrame frame = ref _frames[pfn];
        bool moves = (frame.Flags & FrameFlags.Lru) != 0 && KindOf(frame) != kind;
        if (moves)
        {
            Unlink(pfn);
            Link(pfn, kind);
        }

        _lock.ReleaseRaw(enabled);
        return moves;
    }

    /// <summary>An anonymous page is not needed any more, unless it is written to: it waits among the pages of files, for it needs no swap to go. Linux: <c>mark_page_lazyfree</c>.</summary>
    /// <returns>False when somebody has it in his hands, or it is so already.</returns>
    public bool MakeLazyFree(Pfn pfn)
    {
        bool enabled = _lock.AcquireRaw();
        ref PageFrame frame = ref _frames[pfn];
        const FrameFlags wanted = FrameFlags.Lru | FrameFlags.SwapBacked;
        bool moves = frame.Has(wanted) && !frame.HasAny(FrameFlags.SwapCache | FrameFlags.Unevictable);
        if (moves)
        {
            Unlink(pfn);
            frame.ClearFlags(FrameFlags.SwapBacked | FrameFlags.Referenced);
            Link(pfn, LruKind.InactiveFile);
        }

        _lock.ReleaseRaw(enabled);
        return moves;
    }

    /// <summary>A page of a file was read: the second time it becomes active. Linux: <c>mark_page_accessed</c>.</summary>
    public void MarkAccessed(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        if ((frame.Flags & FrameFlags.Referenced) == 0)
        {
            frame.SetFlags(FrameFlags.Referenced);
        }
        else if ((frame.Flags & (FrameFlags.Lru | FrameFlags.Active | FrameFlags.Unevictable)) == FrameFlags.Lru)
        {
            Move(pfn, (frame.Flags & FrameFlags.SwapBacked) == 0 ? LruKind.ActiveFile : LruKind.ActiveAnonymous);
            frame.ClearFlags(FrameFlags.Referenced);
        }
    }

    /// <summary>Takes a page off its list; no error when it is on none.</summary>
    /// <returns>Whether it was on one.</returns>
    public bool Remove(Pfn pfn)
    {
        bool enabled = _lock.AcquireRaw();
        bool found = (_frames[pfn].Flags & FrameFlags.Lru) != 0;
        if (found)
            Unlink(pfn);
        _lock.ReleaseRaw(enabled);
        return found;
    }

    /// <summary>Takes the page off the tail of a list.</summary>
    /// <returns>False when the list is empty.</returns>
    public bool TryTakeLast(LruKind kind, out Pfn pfn)
    {
        bool enabled = _lock.AcquireRaw();
        uint last = _last[(int)kind];
        pfn = new Pfn(last);
        bool found = last != PageFrame.NoLink;
        if (found)
            Unlink(pfn);
        _lock.ReleaseRaw(enabled);
        return found;
    }

    /// <summary>The list that a page is on.</summary>
    private static LruKind KindOf(in PageFrame frame)
    {
        if ((frame.Flags & FrameFlags.Unevictable) != 0)
            return LruKind.Unevictable;
        bool active = (frame.Flags & FrameFlags.Active) != 0;
        if ((frame.Flags & FrameFlags.SwapBacked) != 0)
            return active ? LruKind.ActiveAnonymous : LruKind.InactiveAnonymous;
        return active ? LruKind.ActiveFile : LruKind.InactiveFile;
    }

    private void Link(Pfn pfn, LruKind kind)
    {
        ref PageFrame frame = ref _frames[pfn];
        if (frame.MlockCount > 0)
            kind = LruKind.Unevictable;
        FrameFlags flags = kind switch
        {
            LruKind.ActiveAnonymous or LruKind.ActiveFile => FrameFlags.Lru | FrameFlags.Active,
            LruKind.Unevictable => FrameFlags.Lru | FrameFlags.Unevictable,
            _ => FrameFlags.Lru,
        };
        frame.SetFlags(flags);
        uint link = (uint)pfn.Value;
        ref uint first = ref _first[(int)kind];
        frame.Previous = PageFrame.NoLink;
        frame.Next = first;
        if (first == PageFrame.NoLink)
            _last[(int)kind] = link;
        else
            _frames[first].Previous = link;
        first = link;
        _count[(int)kind] += PagesOf(frame);
    }

    private void Unlink(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        int kind = (int)KindOf(frame);
        if (frame.Previous == PageFrame.NoLink)
            _first[kind] = frame.Next;
        else
            _frames[frame.Previous].Next = frame.Next;
        if (frame.Next == PageFrame.NoLink)
            _last[kind] = frame.Previous;
        else
            _frames[frame.Next].Previous = frame.Previous;
        frame.Next = 0;
        frame.Previous = 0;
        frame.ClearFlags(FrameFlags.Lru | FrameFlags.Active | FrameFlags.Unevictable);
        _count[kind] -= PagesOf(frame);
    }

    /// <summary>Checks that each list is whole, that its frames say that they are on it, and the counts.</summary>
    internal void Check(FrameAllocator frames, ref MemoryReport report)
    {
        bool enabled = _lock.AcquireRaw();
        for (int kind = 0; kind < Kinds; kind++)
        {
            ulong count = 0;
            uint previous = PageFrame.NoLink;
            for (uint at = _first[kind]; at != PageFrame.NoLink; at = _frames[at].Next)
            {
                var pfn = new Pfn(at);
                if (!report.Unless(frames.IsRam(pfn) && count < _count[kind] && _frames[at].Previous == previous, "a reclaim list is broken"u8, pfn))
                    break;
                ref PageFrame frame = ref _frames[at];
                report.Unless(frame.Has(FrameFlags.Lru) && (int)KindOf(frame) == kind, "a page is on a reclaim list that it does not know of"u8, pfn);
                report.Unless(frame.ReferenceCount > 0, "a free frame is on a reclaim list"u8, pfn);
                count += PagesOf(frame);
                report.ListedFrames++;
                previous = at;
            }

            report.Unless(count == _count[kind] && _last[kind] == previous, "a reclaim list counts its pages wrong"u8);
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>A huge page stands on a list by its first frame, for all of them.</summary>
    private static ulong PagesOf(in PageFrame frame) => (frame.Flags & FrameFlags.Huge) != 0 ? FrameAllocator.HugeFrames : 1;
}
