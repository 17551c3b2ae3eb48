using System.Runtime.CompilerServices;
using NanoVm.Core;
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
/// Lists guarded by the <see cref="MmStruct.MmapLock"/> of the area's mm and, across mms, by the kernel not being preempted (one processor);
/// an interval tree and its lock will take the list's place with reclaim.
/// </remarks>
internal sealed partial class AnonVma
{
    /// <summary>The one that this one was forked from; null for the first of a family.</summary>
    public AnonVma? Parent;

    /// <summary>All chains to this object.</summary>
    public AnonVmaChain? Chains;

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
        AnonVma? anonVma = FindMergeable(area) ?? system.AnonVmas.Allocate();
        if (anonVma is null)
        {
            system.AnonVmaChains.Free(chain);
            return Errno.ENOMEM;
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
        AnonVma? own = system.AnonVmas.Allocate();
        AnonVmaChain? chain = own is null ? null : system.AnonVmaChains.Allocate();
        if (chain is null)
        {
            if (own is not null)
                system.AnonVmas.Free(own);
            Unlink(child);
            return Errno.ENOMEM;
        }

        own!.Parent = parent.AnonVma;
        parent.AnonVma.Children++;
        own.ActiveAreas = 1;
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

        // First all the lists, then the objects: a child's goes on naming its parent until here.
        for (AnonVmaChain? chain = area.AnonChain; chain is not null; chain = chain.NextOfArea)
        {
            Detach(chain);
            if (chain.AnonVma.Chains is null && chain.AnonVma.Parent is { } parent)
                parent.Children--;
        }

        AnonVmaChain? walk = area.AnonChain;
        area.AnonChain = null;
        while (walk is not null)
        {
            AnonVmaChain done = walk;
            walk = done.NextOfArea;
            if (done.AnonVma.Chains is null)
                system.AnonVmas.Free(done.AnonVma);
            system.AnonVmaChains.Free(done);
        }
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

                to.AnonVma = activeBefore;
                return Errno.ENOMEM;
            }

            Link(copy, to, chain.AnonVma);
            // A parent that has gone left one nobody uses: the grandchild takes it over, so that chains of forks stay short.
            if (reuse && to.AnonVma is null && chain.AnonVma is { ActiveAreas: 0, Children: < 2, Parent: not null })
                to.AnonVma = chain.AnonVma;
        }

        if (!reuse)
            to.AnonVma = from.AnonVma;
        if (to.AnonVma is { } active && !ReferenceEquals(active, activeBefore))
            active.ActiveAreas++;
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

    private static void Link(AnonVmaChain chain, VmArea area, AnonVma anonVma)
    {
        chain.Area = area;
        chain.AnonVma = anonVma;
        chain.NextOfArea = area.AnonChain;
        area.AnonChain = chain;
        chain.NextOfAnon = anonVma.Chains;
        if (anonVma.Chains is { } first)
            first.PreviousOfAnon = chain;
        anonVma.Chains = chain;
    }

    private static void Detach(AnonVmaChain chain)
    {
        if (chain.PreviousOfAnon is { } previous)
            previous.NextOfAnon = chain.NextOfAnon;
        else
            chain.AnonVma.Chains = chain.NextOfAnon;
        if (chain.NextOfAnon is { } next)
            next.PreviousOfAnon = chain.PreviousOfAnon;
        chain.NextOfAnon = null;
        chain.PreviousOfAnon = null;
    }
}

internal sealed partial class AnonVmaChain
{
    public VmArea Area = null!;
    public AnonVma AnonVma = null!;

    /// <summary>The next chain of the same area. Linux: <c>same_vma</c>.</summary>
    public AnonVmaChain? NextOfArea;

    /// <summary>Neighbours among the chains to the same AnonVma. Linux: the interval tree <c>rb_root</c>.</summary>
    public AnonVmaChain? NextOfAnon;
    public AnonVmaChain? PreviousOfAnon;
}
