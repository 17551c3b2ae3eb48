using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>A name in a directory: what joins a path component to an inode, or remembers that there is none (a negative entry).</summary>
/// <remarks>
/// Linux: <c>dentry</c>.
/// <para>The tree of entries is guarded by nothing but the rule that kernel code is not preempted: a walk of the trees never sleeps, and
/// whoever changes a directory's contents holds that directory inode's <see cref="Inode.Lock"/>. Names and parents change only under
/// <see cref="Vfs.RenameLock"/>.</para>
/// <para>References: each holder counts one; a child counts one on its parent; a pinned entry (see <see cref="DentryRetention"/>) counts
/// one on itself while it is hashed and positive.</para>
/// </remarks>
internal sealed class Dentry
{
    private Vfs vfs = null!;
    private byte[]? name;               // null for the root, whose name is empty
    private int references;
    private DentryState state;

    /// <summary>The directory that this name is in; the root of a file system is its own parent.</summary>
    public Dentry Parent { get; private set; } = null!;

    /// <summary>The file; null for a negative entry.</summary>
    public Inode? Inode { get; private set; }

    public Superblock Superblock { get; private set; } = null!;

    /// <summary>Mounts whose mount point this is, linked by <see cref="Mount.NextOnDentry"/>: the test for a crossing is one null check.</summary>
    public Mount? Mounts;


    // The children, by name and by the order in which they came.
    internal DentryTree Children;

    // Links of the two trees of the parent's children; owned by DentryTree.
    internal Dentry? NameLeft;
    internal Dentry? NameRight;
    internal Dentry? OrderLeft;
    internal Dentry? OrderRight;
    internal uint NameHash;
    internal uint TreePriority;

    // List of unused entries; owned by DentryCache.
    internal Dentry? UnusedNext;
    internal Dentry? UnusedPrevious;

    /// <summary>Where this entry stands in its directory's stream of entries: grows, is never used twice while the directory lives.</summary>
    public ulong Order { get; internal set; }

    public ReadOnlySpan<byte> Name => name;
    public bool IsRoot => ReferenceEquals(Parent, this);
    public bool IsNegative => Inode is null;

    /// <summary>True while a lookup can find the entry: false after unlink, and for anonymous files.</summary>
    public bool IsHashed => (state & DentryState.Hashed) != 0;
    public bool IsDirectory => Inode is not null && FileMode.IsDirectory(Inode.Mode);
    public bool IsSymbolicLink => Inode is not null && FileMode.IsSymbolicLink(Inode.Mode);

    /// <summary>True while the entry is kept in the list of unused ones.</summary>
    internal bool IsUnusedListed
    {
        get => (state & DentryState.Unused) != 0;
        set => state = value ? state | DentryState.Unused : state & ~DentryState.Unused;
    }

    /// <summary>Linux: <c>d_alloc</c>. A new negative entry, not yet in its parent's trees, with one reference.</summary>
    /// <returns>Null when memory is out.</returns>
    public static Dentry? Allocate(Vfs vfs, Superblock superblock, Dentry? parent, ReadOnlySpan<byte> name)
    {
        byte[]? copy = null;
        if (name.Length > 0 && (copy = vfs.Arrays.Allocate<byte>(name.Length)) is null)
            return null;
        Dentry? entry = vfs.Dentries.Objects.Allocate();
        if (entry is null)
        {
            if (copy is not null)
                vfs.Arrays.Free(copy);
            return null;
        }
        name.CopyTo(copy);
        entry.vfs = vfs;
        entry.name = copy;
        entry.references = 1;
        entry.Superblock = superblock;
        entry.Parent = parent ?? entry;
        entry.NameHash = HashName(name);
        parent?.Get();
        return entry;
    }

    /// <summary>Linux: <c>full_name_hash</c>. FNV-1a over the bytes, then mixed so that the low bits carry all of it.</summary>
    public static uint HashName(ReadOnlySpan<byte> name)
    {
        uint hash = 2166136261;
        foreach (byte b in name)
            hash = (hash ^ b) * 16777619;
        return hash ^ (hash >> 15);
    }

    public Dentry Get()
    {
        if (IsUnusedListed)
            vfs.Dentries.RemoveUnused(this);
        references++;
        return this;
    }

    /// <summary>Linux: <c>dput</c>. Gives a reference back; the last one frees the entry or leaves it to the cache.</summary>
    /// <remarks>A loop and not a recursion: a freed entry gives back its reference to its parent.</remarks>
    public void Put()
    {
        Dentry? entry = this;
        while (entry is not null)
        {
            if (entry.references <= 0)
                Panic.Now("dentry put without a reference"u8);
            if (--entry.references > 0)
                return;
            if (entry.IsHashed && entry.Superblock.Retention == DentryRetention.Cached)
            {
                entry.vfs.Dentries.AddUnused(entry);
                return;
            }
            entry = entry.Destroy();
        }
    }

    /// <summary>Frees an entry that nobody holds. Answers the parent, one of whose references is now the caller's to give back.</summary>
    internal Dentry? Destroy()
    {
        if (IsUnusedListed)
            vfs.Dentries.RemoveUnused(this);
        if (IsHashed)
            Unhash();
        Dentry? parent = IsRoot ? null : Parent;
        Inode? inode = Inode;
        Inode = null;
        if (name is not null)
            vfs.Arrays.Free(name);
        vfs.Dentries.Objects.Free(this);
        inode?.Put();
        return parent;
    }

    /// <summary>Linux: <c>d_add</c>, <c>d_rehash</c>. Makes the entry findable in its parent.</summary>
    public void Hash()
    {
        state |= DentryState.Hashed;
        Parent.Children.Insert(this);
        PinIfKept();
    }

    /// <summary>Linux: <c>d_drop</c>. Lookups no longer find the entry; holders keep it.</summary>
    /// <remarks>The caller holds a reference, or the entry is being destroyed.</remarks>
    public void Unhash()
    {
        if (!IsHashed)
            return;
        state &= ~DentryState.Hashed;
        Parent.Children.Remove(this);
        Unpin();
    }

    /// <summary>Linux: <c>d_instantiate</c>. Gives a negative entry its inode; takes over the caller's reference to it.</summary>
    public void Attach(Inode inode)
    {
        Inode = inode;
        if (IsHashed)
            PinIfKept();
    }

    /// <summary>Linux: <c>d_delete</c>. After an unlink: the name is gone. Whoever still has the entry open keeps the inode by it.</summary>
    public void Delete() => Unhash();

    /// <summary>A directory has been removed: forgets what the cache remembers of its contents, which would keep it alive. Linux: <c>shrink_dcache_parent</c>.</summary>
    public void DropChildren()
    {
        while (Children.Any is { } child)
        {
            child.Get();
            child.Unhash();
            child.Put();
        }
    }

    /// <summary>Linux: <c>d_move</c>. The entry takes <paramref name="newParent"/> and <paramref name="newName"/>; its reference to the
    /// old parent is exchanged for one to the new.</summary>
    /// <param name="newName">An array from <see cref="Vfs.Arrays"/>; the old one is freed. Reserved by the caller, so this cannot fail.</param>
    internal void Move(Dentry newParent, byte[] newName)
    {
        Parent.Children.Remove(this);
        vfs.Arrays.Free(name!);
        Dentry oldParent = Parent;
        name = newName;
        NameHash = HashName(newName);
        Parent = newParent.Get();
        newParent.Children.Insert(this);
        oldParent.Put();
    }

    /// <summary>Exchanges the places of two hashed entries. Linux: <c>d_exchange</c>.</summary>
    internal void Exchange(Dentry other)
    {
        Parent.Children.Remove(this);
        other.Parent.Children.Remove(other);
        (name, other.name) = (other.name, name);
        (NameHash, other.NameHash) = (other.NameHash, NameHash);
        (Parent, other.Parent) = (other.Parent, Parent);
        Parent.Children.Insert(this);
        other.Parent.Children.Insert(other);
    }

    /// <summary>Linux: <c>is_subdir</c>. Is this entry <paramref name="ancestor"/> or below it?</summary>
    public bool IsBelowOrSame(Dentry ancestor)
    {
        for (Dentry entry = this; ; entry = entry.Parent)
        {
            if (ReferenceEquals(entry, ancestor))
                return true;
            if (entry.IsRoot)
                return false;
        }
    }

    // A file system whose directories are nothing but their entries holds them by a reference of their own.
    private void PinIfKept()
    {
        if (Inode is null || Superblock.Retention != DentryRetention.Pinned || (state & DentryState.Pinned) != 0)
            return;
        state |= DentryState.Pinned;
        references++;
    }

    private void Unpin()
    {
        if ((state & DentryState.Pinned) == 0)
            return;
        state &= ~DentryState.Pinned;
        if (--references == 0)
            Panic.Now("dentry unpinned by one who does not hold it"u8);
    }
}

/// <summary>State bits of a <see cref="Dentry"/>.</summary>
[Flags]
internal enum DentryState : byte
{
    None = 0,
    Hashed = 1,
    Pinned = 2,
    Unused = 4,
}
