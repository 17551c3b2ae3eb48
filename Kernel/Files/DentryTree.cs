using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>The children of one directory: found by name in O(log n), walked in the order of their creation from any point in O(log n).</summary>
/// <remarks>
/// Two treaps over the same entries (a search tree by key that is a heap by random priority, so that hostile names cannot make it deep).
/// Reading a directory goes by <see cref="Dentry.Order"/>, so an entry is seen exactly once whatever is created or removed meanwhile,
/// as POSIX wants of <c>readdir</c>. Linux: <c>d_hash</c> and <c>d_subdirs</c> (tmpfs: <c>simple_offset</c>).
/// </remarks>
internal struct DentryTree
{
    private Dentry? byName;
    private Dentry? byOrder;
    private ulong lastOrder;

    /// <summary>How many children there are, negative ones included.</summary>
    public int Count { get; private set; }

    /// <summary>The child called <paramref name="name"/>, or null. Takes no reference.</summary>
    public readonly Dentry? Find(ReadOnlySpan<byte> name, uint hash)
    {
        Dentry? entry = byName;
        while (entry is not null)
        {
            int order = Compare(hash, name, entry);
            if (order == 0)
                return entry;
            entry = order < 0 ? entry.NameLeft : entry.NameRight;
        }
        return null;
    }

    /// <summary>The first child whose <see cref="Dentry.Order"/> is at least <paramref name="order"/>, or null.</summary>
    public readonly Dentry? FirstFrom(ulong order)
    {
        Dentry? best = null;
        Dentry? entry = byOrder;
        while (entry is not null)
        {
            if (entry.Order >= order)
            {
                best = entry;
                entry = entry.OrderLeft;
            }
            else
            {
                entry = entry.OrderRight;
            }
        }
        return best;
    }

    /// <summary>Any child, or null: for taking a whole tree apart.</summary>
    public readonly Dentry? Any => byName;

    /// <summary>Adds an entry whose name is not there yet; it comes last in the directory's order.</summary>
    public void Insert(Dentry entry)
    {
        entry.TreePriority = (uint)Core.Random.Next();
        entry.Order = ++lastOrder;
        Count++;

        ref Dentry? place = ref byName;
        while (place is not null && place.TreePriority >= entry.TreePriority)
            place = ref Compare(entry.NameHash, entry.Name, place) < 0 ? ref place.NameLeft : ref place.NameRight;
        SplitByName(place, entry);
        place = entry;

        place = ref byOrder;
        while (place is not null && place.TreePriority >= entry.TreePriority)
            place = ref place.OrderRight;
        entry.OrderLeft = place;                             // all that is there came before
        entry.OrderRight = null;
        place = entry;
    }

    /// <summary>Takes an entry out that is in.</summary>
    public void Remove(Dentry entry)
    {
        Count--;
        ref Dentry? place = ref byName;
        while (!ReferenceEquals(place, entry))
        {
            if (place is null)
                Panic.Now("dentry is not among its parent's children"u8);
            place = ref Compare(entry.NameHash, entry.Name, place) < 0 ? ref place.NameLeft : ref place.NameRight;
        }
        MergeByName(ref place, entry.NameLeft, entry.NameRight);

        place = ref byOrder;
        while (!ReferenceEquals(place, entry))
        {
            if (place is null)
                Panic.Now("dentry is not in its parent's order"u8);
            place = ref entry.Order < place.Order ? ref place.OrderLeft : ref place.OrderRight;
        }
        MergeByOrder(ref place, entry.OrderLeft, entry.OrderRight);
        entry.NameLeft = entry.NameRight = entry.OrderLeft = entry.OrderRight = null;
    }

    // The tree is ordered by hash first: two words are compared where names would be.
    private static int Compare(uint hash, ReadOnlySpan<byte> name, Dentry other)
    {
        if (hash != other.NameHash)
            return hash < other.NameHash ? -1 : 1;
        ReadOnlySpan<byte> otherName = other.Name;
        if (name.Length != otherName.Length)
            return name.Length - otherName.Length;
        for (int i = 0; i < name.Length; i++)
        {
            if (name[i] != otherName[i])
                return name[i] - otherName[i];
        }
        return 0;
    }

    // Parts the subtree below what comes before the entry and what comes after; they become the entry's two subtrees.
    private static void SplitByName(Dentry? tree, Dentry entry)
    {
        ref Dentry? left = ref entry.NameLeft;
        ref Dentry? right = ref entry.NameRight;
        while (tree is not null)
        {
            if (Compare(entry.NameHash, entry.Name, tree) < 0)
            {
                right = tree;
                right = ref tree.NameLeft;
                tree = tree.NameLeft;
            }
            else
            {
                left = tree;
                left = ref tree.NameRight;
                tree = tree.NameRight;
            }
        }
        left = null;
        right = null;
    }

    private static void MergeByName(ref Dentry? place, Dentry? left, Dentry? right)
    {
        while (left is not null && right is not null)
        {
            if (left.TreePriority >= right.TreePriority)
            {
                place = left;
                place = ref left.NameRight;
                left = left.NameRight;
            }
            else
            {
                place = right;
                place = ref right.NameLeft;
                right = right.NameLeft;
            }
        }
        place = left ?? right;
    }

    private static void MergeByOrder(ref Dentry? place, Dentry? left, Dentry? right)
    {
        while (left is not null && right is not null)
        {
            if (left.TreePriority >= right.TreePriority)
            {
                place = left;
                place = ref left.OrderRight;
                left = left.OrderRight;
            }
            else
            {
                place = right;
                place = ref right.OrderLeft;
                right = right.OrderLeft;
            }
        }
        place = left ?? right;
    }
}
