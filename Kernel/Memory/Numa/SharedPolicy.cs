using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Structures;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Numa;

/// <summary>The policies of a file of shared memory, by page: who maps it sees what others have asked for.</summary>
/// <remarks>
/// Linux: <c>shared_policy</c>, <c>sp_node</c>. Made by the first <c>mbind</c> of such memory, freed with the file's pages. Ranges never
/// overlap, so the tree by interval is one by first page too.
/// <code>
///              first   last
///   before   [ a :      : a ][ b:b ]      the new range cuts off what reaches into it; what lies inside goes,
///   after    [ a ][ new    ]   [ b ]      and the range around it is left in two pieces.
/// </code>
/// </remarks>
internal sealed class SharedPolicy
{
    private MemorySystem _system = null!;

    /// <summary>Guards the tree. Innermost; no allocation under it.</summary>
    private SpinLock _lock;
    private IntervalTree<PolicyRange, PolicyRange.Traits> _ranges;

    /// <returns>Null when there is no memory.</returns>
    public static SharedPolicy? Create(MemorySystem system)
    {
        SharedPolicy? made = system.SharedPolicies.Allocate();
        if (made is not null)
            made._system = system;
        return made;
    }

    /// <summary>The policy of page <paramref name="index"/>, with a reference; null for none. O(log ranges). Linux: <c>mpol_shared_policy_lookup</c>.</summary>
    public MemoryPolicy? Find(ulong index)
    {
        using (_lock.Acquire())
            return _ranges.FirstOverlap(index, index)?.Policy.Get();
    }

    /// <summary>Sets the policy of the pages from <paramref name="first"/> to <paramref name="last"/>; null takes theirs away. Linux: <c>mpol_set_shared_policy</c>.</summary>
    /// <returns>False when there is no memory; then nothing has changed.</returns>
    public bool TrySet(ulong first, ulong last, MemoryPolicy? policy)
    {
        // Reserve: the range itself, and the upper rest of one that it may be cut out of.
        PolicyRange? made = policy is null ? null : _system.PolicyRanges.Allocate();
        PolicyRange? rest = _system.PolicyRanges.Allocate();
        if (rest is null || (made is null && policy is not null))
        {
            Free(made);
            Free(rest);
            return false;
        }

        // Commit.
        PolicyRange? gone = null;
        using (_lock.Acquire())
        {
            while (_ranges.FirstOverlap(first, last) is { } old)
            {
                bool below = old.First < first;
                bool above = old.Last > last;
                ulong oldLast = old.Last;
                _ranges.Remove(old);
                if (below)
                    Insert(old, old.First, first - 1);
                if (above && below)
                {
                    rest!.Policy = old.Policy.Get();        // the only range that there is here: nobody else wants the spare object
                    Insert(rest, last + 1, oldLast);
                    rest = null;
                }
                else if (above)
                {
                    Insert(old, last + 1, oldLast);
                }
                else if (!below)
                {
                    old.NextGone = gone;
                    gone = old;
                }
            }

            if (made is not null)
            {
                made.Policy = policy!.Get();
                Insert(made, first, last);
            }
        }

        Free(rest);
        FreeChain(gone);
        return true;
    }

    /// <summary>The file goes.</summary>
    public void Free()
    {
        PolicyRange? gone = null;
        while (_ranges.FirstOverlap(0, ulong.MaxValue) is { } range)
        {
            _ranges.Remove(range);
            range.NextGone = gone;
            gone = range;
        }

        FreeChain(gone);
        _system.SharedPolicies.Free(this);
    }

    private void Insert(PolicyRange range, ulong first, ulong last)
    {
        range.First = first;
        range.Last = last;
        _ranges.Insert(range);
    }

    private void FreeChain(PolicyRange? range)
    {
        while (range is not null)
        {
            PolicyRange? next = range.NextGone;
            range.Policy.Put();
            Free(range);
            range = next;
        }
    }

    private void Free(PolicyRange? unused)
    {
        if (unused is not null)
            _system.PolicyRanges.Free(unused);
    }
}

/// <summary>Pages of a shared file that have one policy. Linux: <c>sp_node</c>. Guarded by its <see cref="SharedPolicy"/>.</summary>
internal sealed class PolicyRange
{
    /// <summary>Numbers of the first and the last page.</summary>
    public ulong First;
    public ulong Last;

    /// <summary>With a reference.</summary>
    public MemoryPolicy Policy = null!;

    /// <summary>Among those that have been taken out and wait to be freed.</summary>
    public PolicyRange? NextGone;

    private RedBlackLinks<PolicyRange> _links;
    private ulong _subtreeLast;

    internal readonly struct Traits : IIntervalTraits<PolicyRange>
    {
        public static ref RedBlackLinks<PolicyRange> Links(PolicyRange node) => ref node._links;

        public static ref ulong SubtreeLast(PolicyRange node) => ref node._subtreeLast;

        public static ulong First(PolicyRange node) => node.First;

        public static ulong Last(PolicyRange node) => node.Last;
    }
}
