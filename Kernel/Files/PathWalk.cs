using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>What the last component of a path is. Linux: <c>LAST_*</c>.</summary>
internal enum LastComponent : byte
{
    Name,
    Dot,
    DotDot,

    /// <summary>There is none: the path is "/" or ends where a link led.</summary>
    Root,
}

/// <summary>Walks a path, component by component, from a directory to a place.</summary>
/// <remarks>
/// Linux: <c>struct nameidata</c>, <c>link_path_walk</c>; man 7 path_resolution.
/// <code>
///     /usr/lib/x/file        WalkToParent stops at "x" with Last = "file";
///     ^current  ^rest        Finish looks Last up and follows it where it is a link:
///                            then the link's text is the new path and the walk goes on.
/// </code>
/// No recursion: the text of a link is put before what remains of the path. The walk holds references to <c>current</c> and to the
/// starting root; <see cref="Dispose"/> gives them back.
/// </remarks>
internal ref struct PathWalk
{
    private readonly Vfs vfs;
    private readonly TaskFiles who;
    private readonly WalkFlags flags;
    private PathRef root;
    private PathRef current;
    private ReadOnlySpan<byte> rest;

    // What "rest" lies in when it is not the caller's path: an array of this walk, or the text of a link that is kept alive.
    private byte[]? text;
    private Inode? textOwner;
    private int linksFollowed;

    private PathWalk(Vfs vfs, TaskFiles who, ReadOnlySpan<byte> path, WalkFlags flags)
    {
        this.vfs = vfs;
        this.who = who;
        this.flags = flags;
        rest = path;
    }

    /// <summary>The last component, when it is a name.</summary>
    public ReadOnlySpan<byte> Last { get; private set; }
    public LastComponent LastKind { get; private set; }

    /// <summary>Slashes follow the last component: it must be a directory, and a link there is followed.</summary>
    public bool HasTrailingSlash { get; private set; }

    /// <summary>After <see cref="WalkToParent"/>: the directory of the last component. The walk holds the references.</summary>
    public readonly PathRef Parent => current;

    /// <summary>Finds the place that a path names. The caller puts it.</summary>
    /// <returns>ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, EBADF, ENOMEM, EXDEV.</returns>
    public static Result<PathRef> Find(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, WalkFlags flags)
    {
        if (path.IsEmpty)
            return (flags & WalkFlags.EmptyPath) != 0 ? FromDescriptor(who, directory) : Errno.ENOENT;

        Errno error = Begin(vfs, who, directory, path, flags, out PathWalk walk);
        if (error == Errno.None)
            error = walk.WalkToEnd();
        PathRef place = error == Errno.None ? walk.current.Get() : default;
        walk.Dispose();
        return error == Errno.None ? place : error;
    }

    /// <summary>Starts a walk at the root, the working directory or a descriptor. Linux: <c>path_init</c>.</summary>
    /// <param name="walk">To be disposed in any case.</param>
    public static Errno Begin(Vfs vfs, TaskFiles who, int directory, ReadOnlySpan<byte> path, WalkFlags flags, out PathWalk walk)
    {
        walk = new PathWalk(vfs, who, path, flags);
        if (path.IsEmpty)
            return Errno.ENOENT;
        bool scoped = (flags & (WalkFlags.Beneath | WalkFlags.InRoot)) != 0;
        if (path[0] == (byte)'/' && (flags & WalkFlags.InRoot) == 0)
        {
            if ((flags & WalkFlags.Beneath) != 0)
                return Errno.EXDEV;
            walk.root = who.Fs.Root.Get();
            walk.current = walk.root.Get();
            return Errno.None;
        }
        if (directory == Vfs.AtWorkingDirectory)
        {
            walk.current = who.Fs.Working.Get();
        }
        else
        {
            OpenFile? file = who.Files.Peek(directory);
            if (file is null)
                return Errno.EBADF;
            if (!file.Inode.IsDirectory)
                return Errno.ENOTDIR;
            walk.current = file.Path.Get();
        }
        walk.root = scoped ? walk.current.Get() : who.Fs.Root.Get();
        return Errno.None;
    }

    /// <summary>Walks all components but the last. Linux: <c>link_path_walk</c>.</summary>
    /// <remarks>Afterwards <see cref="Parent"/>, <see cref="Last"/>, <see cref="LastKind"/> and <see cref="HasTrailingSlash"/> tell the rest.</remarks>
    public Errno WalkToParent()
    {
        rest = SkipSlashes(rest);
        Last = default;
        HasTrailingSlash = false;
        if (rest.IsEmpty)
        {
            LastKind = LastComponent.Root;
            return Errno.None;
        }
        for (; ; )
        {
            if (!current.Dentry.IsDirectory)
                return Errno.ENOTDIR;
            Errno error = Permission.Check(who, current.Dentry.Inode!, FileAccess.Execute);
            if (error != Errno.None)
                return error;

            int length = rest.IndexOf((byte)'/');
            if (length < 0)
                length = rest.Length;
            ReadOnlySpan<byte> name = rest[..length];
            ReadOnlySpan<byte> after = SkipSlashes(rest[length..]);
            LastKind = Classify(name);
            if (after.IsEmpty)
            {
                Last = name;
                HasTrailingSlash = length < rest.Length;
                return Errno.None;
            }
            rest = after;
            error = LastKind switch
            {
                LastComponent.Dot => Errno.None,
                LastComponent.DotDot => Up(),
                _ => Step(name),
            };
            if (error == Errno.None && current.Dentry.IsSymbolicLink)
                error = FollowLink(after);
            if (error != Errno.None)
                return error;
            rest = SkipSlashes(rest);
            if (rest.IsEmpty)
            {
                LastKind = LastComponent.Root;
                return Errno.None;
            }
        }
    }

    /// <summary>Walks the whole path: afterwards <see cref="Parent"/> is the place itself.</summary>
    public Errno WalkToEnd()
    {
        bool mustBeDirectory = (flags & WalkFlags.Directory) != 0;
        for (; ; )
        {
            Errno error = WalkToParent();
            if (error != Errno.None)
                return error;
            mustBeDirectory |= HasTrailingSlash;
            error = LastKind switch
            {
                LastComponent.DotDot => Up(),
                LastComponent.Name => Step(Last),
                _ => Errno.None,
            };
            if (error != Errno.None)
                return error;
            if (current.Dentry.IsSymbolicLink && LastKind == LastComponent.Name && ((flags & WalkFlags.FollowLast) != 0 || HasTrailingSlash))
            {
                error = FollowLink(HasTrailingSlash ? "/"u8 : default);
                if (error != Errno.None)
                    return error;
                continue;
            }
            return mustBeDirectory && !current.Dentry.IsDirectory ? Errno.ENOTDIR : Errno.None;
        }
    }

    /// <summary>Goes on with the text of the link that was found as <see cref="Last"/>: for open with O_CREAT, which looks Last up itself.</summary>
    /// <param name="link">The link; the walk takes references.</param>
    public Errno FollowLast(in PathRef link)
    {
        Move(link.Get());
        return FollowLink(HasTrailingSlash ? "/"u8 : default);
    }

    /// <summary>Moves to an entry of <see cref="Parent"/> that the caller has looked up, and through what is mounted there.</summary>
    public Errno MoveTo(Dentry entry)
    {
        Move(new PathRef(current.Mount.Get(), entry.Get()));
        return CrossDown();
    }

    /// <summary>Gives references and buffers back.</summary>
    public void Dispose()
    {
        current.Put();
        root.Put();
        current = root = default;
        DropText();
    }

    /// <summary>Looks one name up in a directory, in the cache or in its file system. Linux: <c>lookup_fast</c>, <c>lookup_slow</c>.</summary>
    /// <returns>An entry with a reference, negative or not.</returns>
    /// <remarks>The caller does not hold the directory's lock.</remarks>
    public static Result<Dentry> Lookup(Vfs vfs, TaskFiles who, Dentry directory, ReadOnlySpan<byte> name)
    {
        Inode inode = directory.Inode!;
        Dentry? entry = directory.Children.Find(name, Dentry.HashName(name));
        if (entry is not null && inode.IsEntryValid(entry))
            return entry.Get();
        if (entry is null && inode.Superblock.Retention == DentryRetention.Pinned)
            return name.Length > Vfs.NameMaximum ? Errno.ENAMETOOLONG : Errno.ENOENT;
        inode.Lock.Lock();
        Result<Dentry> result = LookupLocked(vfs, who, directory, name);
        inode.Lock.Unlock();
        return result;
    }

    /// <summary>As <see cref="Lookup"/>, with the directory's lock held; a name that does not exist yields a negative entry.</summary>
    public static Result<Dentry> LookupLocked(Vfs vfs, TaskFiles who, Dentry directory, ReadOnlySpan<byte> name)
    {
        if (name.Length > Vfs.NameMaximum)
            return Errno.ENAMETOOLONG;
        Inode inode = directory.Inode!;
        Dentry? entry = directory.Children.Find(name, Dentry.HashName(name));
        if (entry is not null)
        {
            if (inode.IsEntryValid(entry))
                return entry.Get();
            entry.Get();
            entry.Unhash();
            entry.Put();
        }
        entry = Dentry.Allocate(vfs, directory.Superblock, directory, name);
        if (entry is null)
            return Errno.ENOMEM;
        Errno error = inode.IsDead ? Errno.ENOENT : inode.Lookup(entry, who);
        if (error == Errno.ENOENT)
            error = Errno.None;                              // a negative entry says the same
        if (error != Errno.None)
        {
            entry.Put();
            return error;
        }
        if (!inode.IsDead && (!entry.IsNegative || directory.Superblock.Retention == DentryRetention.Cached))
            entry.Hash();
        return entry;
    }

    /// <summary>The place of a descriptor, for an empty path. The caller puts it.</summary>
    private static Result<PathRef> FromDescriptor(TaskFiles who, int descriptor)
    {
        if (descriptor == Vfs.AtWorkingDirectory)
            return who.Fs.Working.Get();
        OpenFile? file = who.Files.Peek(descriptor);
        return file is null ? Errno.EBADF : file.Path.Get();
    }

    private static LastComponent Classify(ReadOnlySpan<byte> name)
    {
        if (name[0] != (byte)'.' || name.Length > 2)
            return LastComponent.Name;
        if (name.Length == 1)
            return LastComponent.Dot;
        return name[1] == (byte)'.' ? LastComponent.DotDot : LastComponent.Name;
    }

    private static ReadOnlySpan<byte> SkipSlashes(ReadOnlySpan<byte> path)
    {
        int i = 0;
        while (i < path.Length && path[i] == (byte)'/')
            i++;
        return path[i..];
    }

    // One component down, and through whatever is mounted there. A name that does not exist is ENOENT.
    private Errno Step(ReadOnlySpan<byte> name)
    {
        if (!Lookup(vfs, who, current.Dentry, name).TryGet(out Dentry entry, out Errno error))
            return error;
        if (entry.IsNegative)
        {
            entry.Put();
            return Errno.ENOENT;
        }
        // A link's parent must be known while it is followed: the link's directory stays reachable as its dentry's parent.
        Move(new PathRef(current.Mount.Get(), entry));
        return CrossDown();
    }

    private Errno CrossDown()
    {
        while (current.Dentry.Mounts is not null && MountTree.MountedOn(current.Mount, current.Dentry) is { } mounted)
        {
            if ((flags & WalkFlags.NoCrossing) != 0)
                return Errno.EXDEV;
            Move(new PathRef(mounted.Get(), mounted.Root.Get()));
        }
        return Errno.None;
    }

    // "..": stays at the root, leaves a mount through its mount point.
    private Errno Up()
    {
        for (; ; )
        {
            if (current.IsSameAs(root))
            {
                if ((flags & WalkFlags.Beneath) != 0)
                    return Errno.EXDEV;
                break;
            }
            if (!ReferenceEquals(current.Dentry, current.Mount.Root))
            {
                Move(new PathRef(current.Mount.Get(), current.Dentry.Parent.Get()));
                break;
            }
            if (current.Mount.Parent is not { } parent)
                break;
            if ((flags & WalkFlags.NoCrossing) != 0)
                return Errno.EXDEV;
            Move(new PathRef(parent.Get(), current.Mount.Point!.Get()));
        }
        return CrossDown();
    }

    // current is a link: makes its text the path, followed by what remains, and its directory the current place.
    private Errno FollowLink(ReadOnlySpan<byte> after)
    {
        if ((flags & WalkFlags.NoLinks) != 0 || ++linksFollowed > Vfs.LinkMaximum || (current.Mount.Flags & MountFlags.NoSymbolicFollow) != 0)
            return Errno.ELOOP;
        Inode link = current.Dentry.Inode!;
        TouchAtime.Touch(current);
        if (link.IsMagicLink)
            return FollowMagicLink(link, after);

        Errno error = ReadText(link, after);
        if (error != Errno.None)
            return error;
        if (rest[0] != (byte)'/')
        {
            Move(new PathRef(current.Mount.Get(), current.Dentry.Parent.Get()));
            return Errno.None;
        }
        if ((flags & WalkFlags.Beneath) != 0)
            return Errno.EXDEV;
        if ((flags & WalkFlags.NoCrossing) != 0 && !ReferenceEquals(root.Mount, current.Mount))
            return Errno.EXDEV;
        Move(root.Get());
        return Errno.None;
    }

    private Errno FollowMagicLink(Inode link, ReadOnlySpan<byte> after)
    {
        if ((flags & WalkFlags.NoMagicLinks) != 0)
            return Errno.ELOOP;
        if ((flags & (WalkFlags.Beneath | WalkFlags.InRoot)) != 0)
            return Errno.EXDEV;
        Errno error = link.FollowMagicLink(who, out PathRef target);
        if (error != Errno.None)
            return error;
        if ((flags & WalkFlags.NoCrossing) != 0 && !ReferenceEquals(target.Mount, current.Mount))
        {
            target.Put();
            return Errno.EXDEV;
        }
        Move(target);
        rest = after;
        return Errno.None;
    }

    // Sets "rest" to the link's text followed by "after". A text that lies in memory is used where it is when nothing follows.
    private Errno ReadText(Inode link, ReadOnlySpan<byte> after)
    {
        ReadOnlySpan<byte> inMemory = link.LinkText;
        if (!inMemory.IsEmpty && after.IsEmpty)
        {
            link.Get();
            DropText();
            textOwner = link;
            rest = inMemory;
            return Errno.None;
        }
        bool needsSlash = !after.IsEmpty && after[0] != (byte)'/';
        int room = (inMemory.IsEmpty ? Vfs.PathMaximum : inMemory.Length) + after.Length + (needsSlash ? 1 : 0);
        byte[]? buffer = vfs.Arrays.Allocate<byte>(room);
        if (buffer is null)
            return Errno.ENOMEM;
        int length = inMemory.Length;
        Errno error = Errno.None;
        if (inMemory.IsEmpty)
        {
            link.ReadLink(who, buffer.AsSpan(0, Vfs.PathMaximum)).TryGet(out length, out error);
            if (error == Errno.None && length == 0)
                error = Errno.ENOENT;
        }
        else
        {
            inMemory.CopyTo(buffer);
        }
        if (error != Errno.None)
        {
            vfs.Arrays.Free(buffer);
            return error;
        }
        if (needsSlash)
            buffer[length++] = (byte)'/';
        after.CopyTo(buffer.AsSpan(length, after.Length));
        length += after.Length;
        DropText();                                          // only now: "after" may lie in the old text
        text = buffer;
        rest = buffer.AsSpan(0, length);
        return Errno.None;
    }

    private void DropText()
    {
        if (text is not null)
            vfs.Arrays.Free(text);
        text = null;
        Inode? owner = textOwner;
        textOwner = null;
        owner?.Put();
    }

    // The new place's references are the walk's from now on.
    private void Move(in PathRef to)
    {
        PathRef old = current;
        current = to;
        old.Put();
    }
}
