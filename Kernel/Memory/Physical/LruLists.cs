using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Memory.Physical;

/// <summary>The four lists that reclaim chooses from.</summary>
internal enum LruKind
{
    InactiveAnonymous,
    ActiveAnonymous,
    InactiveFile,
    ActiveFile,
}

/// <summary>Frames that could be reclaimed, by how lately they were used.</summary>
/// <remarks>
/// Linux: <c>struct lruvec</c>. New pages join the inactive list at the head; reclaim looks at its tail. A page that was used since it
/// joined goes to the active list; pages at that one's tail come back when the inactive list is short: the second chance.
/// Linked through the descriptors, so moving is O(1).
/// </remarks>
internal sealed class LruLists
{
    private const int Kinds = 4;

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

    /// <summary>A page that was just made joins the inactive list, or one that was taken off joins again.</summary>
    public void Add(Pfn pfn, LruKind kind)
    {
        bool enabled = _lock.AcquireRaw();
        ref PageFrame frame = ref _frames[pfn];
        if ((frame.Flags & FrameFlags.Lru) == 0)
        {
            frame.SetFlags(FrameFlags.Lru | (kind is LruKind.ActiveAnonymous or LruKind.ActiveFile ? FrameFlags.Active : FrameFlags.None));
            uint link = (uint)pfn.Value;
            ref uint first = ref _first[(int)kind];
            frame.Previous = PageFrame.NoLink;
            frame.Next = first;
            if (first == PageFrame.NoLink)
                _last[(int)kind] = link;
            else
                _frames[first].Previous = link;
            first = link;
            _count[(int)kind]++;
            if ((frame.Flags & FrameFlags.Huge) != 0)
                _count[(int)kind] += FrameAllocator.HugeFrames - 1;      // it stands on the list by its first frame, for all of them
        }

        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Takes a page off its list; no error when it is on none.</summary>
    public void Remove(Pfn pfn)
    {
        bool enabled = _lock.AcquireRaw();
        if ((_frames[pfn].Flags & FrameFlags.Lru) != 0)
            Unlink(pfn);
        _lock.ReleaseRaw(enabled);
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

    private void Unlink(Pfn pfn)
    {
        ref PageFrame frame = ref _frames[pfn];
        bool file = (frame.Flags & FrameFlags.SwapBacked) == 0;
        int kind = (int)((frame.Flags & FrameFlags.Active) != 0
            ? (file ? LruKind.ActiveFile : LruKind.ActiveAnonymous)
            : (file ? LruKind.InactiveFile : LruKind.InactiveAnonymous));
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
        frame.ClearFlags(FrameFlags.Lru | FrameFlags.Active);
        _count[kind]--;
        if ((frame.Flags & FrameFlags.Huge) != 0)
            _count[kind] -= FrameAllocator.HugeFrames - 1;
    }
}
