using System;
using NanoVm.Core;

namespace NanoVm.Files.Anonymous;

/// <summary>The hidden file systems of files without a name: pipes, sockets, events, and memory files.</summary>
/// <remarks>Linux: <c>pipefs</c>, <c>sockfs</c>, <c>anon_inodefs</c>. Each is one superblock that is never mounted where a path leads.</remarks>
internal sealed class AnonymousFileSystem : FileSystemType
{
    private readonly byte[] _name;
    private readonly ulong _magic;

    private AnonymousFileSystem(ReadOnlySpan<byte> name, ulong magic)
    {
        _name = BootBytes.Copy(name);
        _magic = magic;
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Name => _name;

    /// <summary>What <c>statfs</c> calls it.</summary>
    public ulong Magic => _magic;

    /// <summary>The mount that all its files stand on.</summary>
    public Mount Mount { get; private set; } = null!;

    /// <summary>The number of the next inode.</summary>
    internal ulong LastNumber;

    /// <summary>The machine's caches.</summary>
    internal IoSystem Io { get; private set; } = null!;

    /// <summary>Makes and registers one at boot.</summary>
    /// <param name="magic">Linux: <c>PIPEFS_MAGIC</c> and the like.</param>
    public static AnonymousFileSystem Create(IoSystem io, Vfs vfs, ReadOnlySpan<byte> name, ulong magic)
    {
        var type = new AnonymousFileSystem(name, magic) { Io = io };
        vfs.Register(type);
        var superblock = new AnonymousSuperblock();
        if (superblock.Initialize(vfs, type) != Errno.None)
            Panic.Now("no memory for a hidden file system at boot"u8);
        Mount? mount = Mount.Allocate(vfs, superblock, superblock.Root, MountFlags.None, name);
        if (mount is null)
            Panic.Now("no memory for a hidden mount at boot"u8);
        type.Mount = mount;
        return type;
    }

    /// <summary>Users may not mount it.</summary>
    public override Result<Superblock> Create(Vfs vfs, TaskFiles? who, ReadOnlySpan<byte> source, MountFlags flags, ReadOnlySpan<byte> options)
        => Errno.EINVAL;

    /// <summary>Makes a nameless place with a new inode.</summary>
    /// <param name="mode">Kind and rights, as <c>fstat</c> shows them.</param>
    /// <param name="label">What <c>/proc/PID/fd</c> shows: <c>[eventfd]</c>; empty for "pipe:[number]" and "socket:[number]".</param>
    /// <returns>A place whose references are the caller's; ENOMEM.</returns>
    public Result<PathRef> MakePlace(TaskFiles who, uint mode, ReadOnlySpan<byte> label)
    {
        AnonymousInode? inode = Io.AnonymousInodes.Allocate();
        if (inode is null)
            return Errno.ENOMEM;
        inode.Initialize(this, mode, who.Credentials.FileUid, who.Credentials.FileGid);
        Dentry? entry = Dentry.Allocate(Mount.Superblock.Vfs, Mount.Superblock, Mount.Root, label);
        if (entry is null)
        {
            inode.Put();
            return Errno.ENOMEM;
        }
        entry.Attach(inode);
        return new PathRef(Mount.Get(), entry);
    }
}
