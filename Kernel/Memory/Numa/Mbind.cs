using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Numa;

namespace NanoVm.Memory.Virtual;

/// <summary>What <c>mbind</c> does with pages that are there already. Linux: <c>MPOL_MF_*</c>.</summary>
[System.Flags]
internal enum BindFlags : uint
{
    None = 0,
    /// <summary>Pages on other nodes are an error.</summary>
    Strict = 1,
    /// <summary>They move, if only this program maps them.</summary>
    Move = 2,
    /// <summary>They move in any case.</summary>
    MoveAll = 4,
    All = Strict | Move | MoveAll,
}

/// <summary>Gives ranges of memory their own policies: the <c>mbind</c> and <c>set_mempolicy_home_node</c> calls.</summary>
/// <remarks>
/// Linux: <c>do_mbind</c>, <c>queue_pages_range</c>, <c>mbind_range</c>, <c>vma_replace_policy</c>. A policy is one of the things that areas
/// must agree in to be one area:
/// <code>
///              start        end
///   before   [ A :            : A ]        mbind(MPOL_BIND): A is cut, and the middle keeps its policy;
///   after    [ A ][ A: bind:0 ][ A ]       mbind(MPOL_DEFAULT) of the same range makes it one again.
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>Sets the policy of [<paramref name="start"/>, +<paramref name="length"/>).</summary>
    /// <returns>
    /// <see cref="Errno.EINVAL"/>, <see cref="Errno.ENOMEM"/>, as in mbind(2); <see cref="Errno.EFAULT"/> where nothing is mapped;
    /// <see cref="Errno.EIO"/>: <see cref="BindFlags.Strict"/>, and a page is elsewhere.
    /// </returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing. Areas before the one that fails keep the new policy.</remarks>
    public Errno Mbind(VirtAddr start, ulong length, PolicyMode mode, PolicyFlags modeFlags, in NodeMask nodes, BindFlags flags)
    {
        // Decode and check, in Linux's order.
        if (!start.IsPageAligned)
            return Errno.EINVAL;
        if (mode == PolicyMode.Default)
            flags &= ~BindFlags.Strict;
        VirtAddr end = start + ((length + PageSize.Mask) & ~PageSize.Mask);
        if (end < start)
            return Errno.EINVAL;
        if (end == start)
            return Errno.None;
        Errno error = MemoryPolicy.Create(System, mode, modeFlags, nodes, out MemoryPolicy? policy);
        if (error != Errno.None)
            return error;

        MmapLock.WriteLock();
        var range = new PageRange(start, end);
        error = CheckPlaces(range, nodes, flags, mayHaveHoles: policy is null);
        if (error == Errno.None)
            error = BindRange(range, policy);
        ValidateInDebug();
        MmapLock.WriteUnlock();
        policy?.Put();
        return error;
    }

    /// <summary>Names the node that the policies of a range try first.</summary>
    /// <returns><see cref="Errno.ENOENT"/>: no area there has a policy; <see cref="Errno.EOPNOTSUPP"/>: one has a policy of another kind.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing. Linux: <c>set_mempolicy_home_node</c>.</remarks>
    public Errno SetHomeNode(VirtAddr start, ulong length, int node)
    {
        VirtAddr end = start + ((length + PageSize.Mask) & ~PageSize.Mask);
        if (end < start)
            return Errno.EINVAL;
        if (end == start)
            return Errno.None;

        Errno error = Errno.ENOENT;
        MmapLock.WriteLock();
        VirtAddr at = start;
        while (at < end && FindVma(at) is { } area && area.Start < end)
        {
            PageRange part = area.Range.Intersect(new PageRange(start, end));
            at = part.End;
            if (area.Policy is not { } policy)
                continue;
            error = SetHomeNode(part, policy, node);
            if (error != Errno.None)
                break;
        }

        ValidateInDebug();
        MmapLock.WriteUnlock();
        return error;
    }

    private Errno SetHomeNode(PageRange part, MemoryPolicy policy, int node)
    {
        if (policy.Mode is not (PolicyMode.Bind or PolicyMode.PreferredMany))
            return Errno.EOPNOTSUPP;
        if (policy.WithHome(node) is not { } made)
            return Errno.ENOMEM;
        Errno error = BindRange(part, made);
        made.Put();
        return error;
    }

    /// <summary>Whether the range may get the policy: that it is mapped, and for the strict where its pages are. Linux: <c>queue_pages_range</c>.</summary>
    /// <remarks>
    /// Pages outside the nodes asked for would move here. On one node that can only be all or none: all where no node was named (the nearest
    /// is meant), and then they are where they would go.
    /// </remarks>
    private Errno CheckPlaces(PageRange range, in NodeMask nodes, BindFlags flags, bool mayHaveHoles)
    {
        bool refusesPages = flags == BindFlags.Strict && !nodes.Contains(0);
        VmArea? area = FindVmaIntersection(range);
        if (area is null || (!mayHaveHoles && area.Start > range.Start))
            return Errno.EFAULT;
        for (; area is not null && area.Start < range.End; area = area.Next)
        {
            bool holeBehind = area.End < range.End && (area.Next is null || area.Next.Start > area.End);
            if (holeBehind && !mayHaveHoles)
                return Errno.EFAULT;
            if (refusesPages && HasPages(area, area.Range.Intersect(range)))
                return Errno.EIO;
        }

        return Errno.None;
    }

    /// <summary>Whether a frame is mapped there that is not the page of zeros, the kernel's own nor a device's.</summary>
    private bool HasPages(VmArea area, PageRange part)
    {
        if ((area.Flags & VmFlags.PfnMap) != 0 || area.Operations is SpecialMapping)
            return false;
        using (PageTableLock.Acquire())
        {
            var walk = new PteTableWalk(this, part, HugeVisit.Look);
            while (walk.MoveNext())
            {
                if (walk.IsHuge)
                {
                    if (!walk.Huge.Entry.Has(PteFlags.Special))
                        return true;
                    continue;
                }

                for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
                {
                    Pte entry = walk.Table[i];
                    if (entry.IsMapped() && !entry.IsSpecial)
                        return true;
                }
            }
        }

        return false;
    }

    /// <summary>Gives all areas of the range the policy, cut and joined as that needs. Linux: <c>mbind_range</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>; areas before that one have changed.</returns>
    private Errno BindRange(PageRange range, MemoryPolicy? policy)
    {
        VmArea? area = FindVmaPrev(range.Start, out VmArea? previous);
        if (area is not null && range.Start > area.Start)
            previous = area;
        while (area is not null && area.Start < range.End)
        {
            if (!MemoryPolicy.AreAlike(area.Policy, policy))
            {
                PageRange part = area.Range.Intersect(range);
                AreaAttributes wanted = AreaAttributes.Of(area, part.Start, area.Flags);
                wanted.Policy = policy;
                Errno error = ApplyAttributes(ref previous, area, part, wanted, out area);
                if (error == Errno.None)
                    error = ReplacePolicy(area, policy);
                if (error != Errno.None)
                    return error;
            }

            previous = area;
            area = area.Next;
        }

        return Errno.None;
    }

    /// <summary>Linux: <c>vma_replace_policy</c>.</summary>
    private Errno ReplacePolicy(VmArea area, MemoryPolicy? policy)
    {
        if (SharedPoliciesOf(area) is { } file)
        {
            Errno error = file.SetPolicy(System, area.PageOffset, area.Pages.Value, policy);
            if (error != Errno.None)
                return error;
        }

        MemoryPolicy.Replace(ref area.Policy, policy);
        return Errno.None;
    }

    /// <summary>The shared memory behind an area: its policies are the file's.</summary>
    private static AddressSpace? SharedPoliciesOf(VmArea area)
        => area.Operations is { } operations && operations.IsShmem(area) ? area.File!.Mapping : null;

    /// <summary>The policy that the page at <paramref name="address"/> has of its own, with a reference; null for none. Linux: <c>__get_vma_policy</c>.</summary>
    /// <remarks>Holds <see cref="MmapLock"/>.</remarks>
    internal static MemoryPolicy? PolicyAt(VmArea area, VirtAddr address)
        => SharedPoliciesOf(area) is { } file ? file.FindPolicy(area.PageIndexOf(address)) : area.Policy?.Get();
}
