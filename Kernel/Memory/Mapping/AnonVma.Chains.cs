using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Check;
using NanoVm.Memory.Structures;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>Which areas can hold whose anonymous pages: made at the first write, inherited by fork, shared by splits.</summary>
/// <remarks>
/// Linux: <c>anon_vma_prepare</c>, <c>anon_vma_clone</c>, <c>anon_vma_fork</c>, <c>unlink_anon_vmas</c>. Lecture 002, "Reverse mapping".
/// A page names one AnonVma; every area that may map the page has a chain to it, so from the page all its entries can be found.
/// <code>
///   parent's area ──chain──► A ◄──chain── child's area ──chain──► B       pages from before the fork name A,
///                                                                         pages that the child made since name B
/// </code>
/// An area's list of chains is guarded by the <see cref="MmStruct.MmapLock"/> of its mm. The trees of a family of forks are guarded by the lock
/// of its first AnonVma: an area has a chain to every ancestor of what it has a chain to, so the first one lives longest.
/// </remarks>
internal sealed partial class AnonVma
{
    /// <summary>The one that this one was forked from; null for the first of a family.</summary>
    public AnonVma? Parent;

    /// <summary>The first of the family; itself when it is that. Never changes. Linux: <c>root</c>.</summary>
    public AnonVma Root = null!;

    /// <summary>Of a root: guards the trees of the whole family. Outside <see cref="MmStruct.PageTableLock"/>. Linux: <c>rwsem</c>, which sleeps; here nothing under it does.</summary>
    public SpinLock Lock;

    /// <summary>All chains to this object, by the pages of their areas: whose page 17 may be is found in O(log chains + hits). Linux: <c>rb_root</c>.</summary>
    private IntervalTree<AnonVmaChain, ChainTraits> _chains;

    /// <summary>The first chain whose area covers the page <paramref name="index"/>. Under the root's lock.</summary>
    public AnonVmaChain? FirstChain(ulong index) => _chains.FirstOverlap(index, index);

    /// <summary>The next one after <paramref name="chain"/>.</summary>
    public static AnonVmaChain? NextChain(AnonVmaChain chain, ulong index) => IntervalTree<AnonVmaChain, ChainTraits>.NextOverlap(chain, index, index);

    /// <summary>Those forked from it.</summary>
    public int Children;

    /// <summary>Areas that put their new pages here (<see cref="VmArea.AnonVma"/> is this).</summary>
    public int ActiveAreas;

    /// <summary>Makes sure that <paramref name="area"/> has one, before its first anonymous page.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>, or none.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Errno Prepare(VmArea area)
    {
        MemorySystem system = area.Mm.System;
        if (system.AnonVmaChains.Allocate() is not { } chain)
            return Errno.ENOMEM;
        // A neighbour's is taken when the two could become one area one day (by mprotect): different ones would keep them apart.
        AnonVma? anonVma = FindMergeable(area);
        AnonVma? made = anonVma is null ? Create(system, null) : null;
        anonVma ??= made;
        if (anonVma is null || area.AnonVma is not null)
        {
            // No memory; or another thread of the program was here while we waited for it.
            system.AnonVmaChains.Free(chain);
            if (made is not null)
                system.AnonVmas.Free(made);
            return area.AnonVma is null ? Errno.ENOMEM : Errno.None;
        }

        area.AnonVma = anonVma;
        anonVma.ActiveAreas++;
        Link(chain, area, anonVma);
        return Errno.None;
    }

    /// <summary>Gives <paramref name="to"/> chains to everything that <paramref name="from"/> has chains to: they may hold the same pages.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>; then <paramref name="to"/> is as before.</returns>
    public static Errno Clone(VmArea to, VmArea from)
    {
        if (from.AnonChain is null)
            return Errno.None;
        return CloneChains(to, from, reuse: false);
    }

    /// <summary>As <see cref="Clone"/>, for the child's copy of an area; its new pages go to an AnonVma of its own.</summary>
    public static Errno Fork(VmArea child, VmArea parent)
    {
        if (parent.AnonVma is null)
            return Errno.None;
        Errno error = CloneChains(child, parent, reuse: true);
        if (error != Errno.None || child.AnonVma is not null)
            return error;

        MemorySystem system = child.Mm.System;
        AnonVma? own = Create(system, parent.AnonVma);
        AnonVmaChain? chain = own is null ? null : system.AnonVmaChains.Allocate();
        if (chain is null)
        {
            if (own is not null)
                system.AnonVmas.Free(own);
            Unlink(child);
            return Errno.ENOMEM;
        }

        parent.AnonVma.Children++;
        own!.ActiveAreas = 1;
        child.AnonVma = own;
        Link(chain, child, own);
        return Errno.None;
    }

    /// <summary>The area goes: its chains, and those objects that nobody has a chain to any more.</summary>
    public static void Unlink(VmArea area)
    {
        MemorySystem system = area.Mm.System;
        if (area.AnonVma is { } active)
        {
            active.ActiveAreas--;
            area.AnonVma = null;
        }

        // First all the trees, then the objects: a child's goes on naming its parent, and all of them their root, until here.
        for (AnonVmaChain? chain = area.AnonChain; chain is not null; chain = chain.NextOfArea)
        {
            Detach(chain);
            if (chain.AnonVma._chains.IsEmpty && chain.AnonVma.Parent is { } parent)
                parent.Children--;
        }

        AnonVmaChain? walk = area.AnonChain;
        area.AnonChain = null;
        while (walk is not null)
        {
            AnonVmaChain done = walk;
            walk = done.NextOfArea;
            if (done.AnonVma._chains.IsEmpty)
                system.AnonVmas.Free(done.AnonVma);
            system.AnonVmaChains.Free(done);
        }
    }

    /// <summary>The area's borders are about to change: it is out of all trees until <see cref="EnterTrees"/>.</summary>
    public static void LeaveTrees(VmArea area)
    {
        for (AnonVmaChain? chain = area.AnonChain; chain is not null; chain = chain.NextOfArea)
            Detach(chain);
    }

    /// <summary>Undoes <see cref="LeaveTrees"/>, with the new borders.</summary>
    public static void EnterTrees(VmArea area)
    {
        for (AnonVmaChain? chain = area.AnonChain; chain is not null; chain = chain.NextOfArea)
            Attach(chain);
    }

    /// <summary>The run of <c>memfsck</c> that looked at the tree last, and what it has found since: chains that areas have, and areas whose new pages go here.</summary>
    private ulong _checkRun, _foundChains;
    private int _foundAreas;

    /// <summary>Checks the tree, once a run, and that the chain of an area is in it. O(log chains), and once O(chains).</summary>
    internal void Check(AnonVmaChain chain, ref MemoryReport report)
    {
        ulong run = chain.Area.Mm.System.CheckRun;
        bool enabled = Root.Lock.AcquireRaw();
        if (_checkRun != run)
        {
            _checkRun = run;
            _foundChains = 0;
            _foundAreas = 0;
            report.Unless(_chains.Validate(out ulong count) && count != 0, "a tree of chains is broken"u8);
        }

        _foundChains++;
        if (ReferenceEquals(chain.Area.AnonVma, this))
            _foundAreas++;
        report.Unless(_chains.Contains(chain), "an area's chain is not in the tree of its reverse map"u8);
        Root.Lock.ReleaseRaw(enabled);
    }

    /// <summary>Compares what was found with the counts, when all areas have been met. For an area whose new pages go here, one for all.</summary>
    internal void CheckFound(ref MemoryReport report)
    {
        if (_foundAreas == 0)
            return;
        report.Unless(_foundAreas == ActiveAreas, "a reverse map counts its areas wrong"u8);
        report.Unless(_chains.Count() == _foundChains, "a tree of chains has chains that no area has"u8);
        _foundAreas = 0;
    }

    /// <summary>Whether the area's pages all belong to one AnonVma: there are some, and none came by fork. Linux: <c>list_is_singular(&amp;vma-&gt;anon_vma_chain)</c>.</summary>
    public static bool IsSingular(VmArea area) => area.AnonChain is { NextOfArea: null };

    private static Errno CloneChains(VmArea to, VmArea from, bool reuse)
    {
        MemorySystem system = to.Mm.System;
        AnonVmaChain? before = to.AnonChain;
        AnonVma? activeBefore = to.AnonVma;
        for (AnonVmaChain? chain = from.AnonChain; chain is not null; chain = chain.NextOfArea)
        {
            if (system.AnonVmaChains.Allocate() is not { } copy)
            {
                while (!ReferenceEquals(to.AnonChain, before))
                {
                    AnonVmaChain undo = to.AnonChain!;
                    to.AnonChain = undo.NextOfArea;
                    Detach(undo);
                    system.AnonVmaChains.Free(undo);
                }

                if (to.AnonVma is { } taken && !ReferenceEquals(taken, activeBefore))
                    taken.ActiveAreas--;
                to.AnonVma = activeBefore;
                return Errno.ENOMEM;
            }

            Link(copy, to, chain.AnonVma);
            // A parent that has gone left one nobody uses: the grandchild takes it over, so that chains of forks stay short.
            if (reuse && to.AnonVma is null && chain.AnonVma is { ActiveAreas: 0, Children: < 2, Parent: not null })
            {
                to.AnonVma = chain.AnonVma;
                to.AnonVma.ActiveAreas++;           // at once: the next allocation may sleep, and others fork
            }
        }

        if (!reuse && !ReferenceEquals(to.AnonVma, from.AnonVma))
        {
            to.AnonVma = from.AnonVma;
            if (from.AnonVma is { } active)
                active.ActiveAreas++;
        }

        return Errno.None;
    }

    private static AnonVma? FindMergeable(VmArea area)
    {
        if (area.Next is { } next && AreCompatible(area, next) && next.AnonVma is { } above && IsSingular(next))
            return above;
        if (area.Previous is { } previous && AreCompatible(previous, area) && previous.AnonVma is { } below && IsSingular(previous))
            return below;
        return null;
    }

    private static bool AreCompatible(VmArea low, VmArea high)
        => low.End == high.Start && ReferenceEquals(low.File, high.File)
            && ((low.Flags ^ high.Flags) & ~(VmFlags.AccessMask | VmFlags.SoftDirty)) == 0
            && high.PageOffset == low.PageOffset + low.Pages.Value;

    private static AnonVma? Create(MemorySystem system, AnonVma? parent)
    {
        if (system.AnonVmas.Allocate() is not { } made)
            return null;
        made.Parent = parent;
        made.Root = parent is null ? made : parent.Root;
        return made;
    }

    private static void Link(AnonVmaChain chain, VmArea area, AnonVma anonVma)
    {
        chain.Area = area;
        chain.AnonVma = anonVma;
        chain.NextOfArea = area.AnonChain;
        area.AnonChain = chain;
        Attach(chain);
    }

    private static void Attach(AnonVmaChain chain)
    {
        AnonVma anonVma = chain.AnonVma;
        bool enabled = anonVma.Root.Lock.AcquireRaw();
        anonVma._chains.Insert(chain);
        anonVma.Root.Lock.ReleaseRaw(enabled);
    }

    private static void Detach(AnonVmaChain chain)
    {
        AnonVma anonVma = chain.AnonVma;
        bool enabled = anonVma.Root.Lock.AcquireRaw();
        anonVma._chains.Remove(chain);
        anonVma.Root.Lock.ReleaseRaw(enabled);
    }

    private readonly struct ChainTraits : IIntervalTraits<AnonVmaChain>
    {
        public static ref RedBlackLinks<AnonVmaChain> Links(AnonVmaChain node) => ref node.TreeLinks;

        public static ref ulong SubtreeLast(AnonVmaChain node) => ref node.SubtreeLast;

        public static ulong First(AnonVmaChain node) => node.Area.PageOffset;

        public static ulong Last(AnonVmaChain node) => node.Area.PageOffset + node.Area.Pages.Value - 1;
    }
}

internal sealed partial class AnonVmaChain
{
    public VmArea Area = null!;
    public AnonVma AnonVma = null!;

    /// <summary>The next chain of the same area. Linux: <c>same_vma</c>.</summary>
    public AnonVmaChain? NextOfArea;

    /// <summary>Place in the AnonVma's tree, by the pages of <see cref="Area"/>; kept by <see cref="AnonVma"/> alone.</summary>
    public RedBlackLinks<AnonVmaChain> TreeLinks;

    /// <summary>The highest page that an area of the subtree covers. Linux: <c>rb_subtree_last</c>.</summary>
    public ulong SubtreeLast;
}
