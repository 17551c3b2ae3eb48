using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>The inode of a node of <c>/proc</c> for one subject; made by a lookup, gone with its last user.</summary>
internal sealed class ProcInode : Inode
{
    private IoSystem _io = null!;
    private ProcNode _node = null!;
    private ProcSubject _subject;

    /// <summary>Sets up a zeroed object with one reference.</summary>
    internal void Initialize(IoSystem io, Superblock superblock, ProcNode node, in ProcSubject subject)
    {
        _io = io;
        _node = node;
        _subject = subject;
        Initialize(superblock, node.NumberFor(subject), node.Mode, 0, 0);
        if (node is ProcDirectory directory)
            Links = directory.Links;
        Refresh();
    }

    // Owner and rights follow the process.
    private void Refresh() => _node.GetOwner(_subject, ref Uid, ref Gid, ref Mode);

    /// <inheritdoc/>
    public override Errno Lookup(Dentry entry, TaskFiles who)
    {
        if (_node is not ProcDirectory directory)
            return Errno.ENOTDIR;
        if (!_node.IsValid(_subject))
            return Errno.ENOENT;
        Errno error = directory.Find(who, _subject, entry.Name, out ProcNode? child, out ProcSubject childSubject);
        if (error != Errno.None || child is null)
            return error;
        ProcInode? inode = _io.ProcInodes.Allocate();
        if (inode is null)
            return Errno.ENOMEM;
        inode.Initialize(_io, Superblock, child, childSubject);
        entry.Attach(inode);
        return Errno.None;
    }

    /// <inheritdoc/>
    public override bool IsEntryValid(Dentry entry) => _node.IsValid(_subject);

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
    {
        if (!_node.IsValid(_subject))
            return Errno.ENOENT;
        return ProcOpenFile.Open(_io, who, path, flags, _node, _subject);
    }

    /// <inheritdoc/>
    public override void GetAttributes(ref FileStat stat)
    {
        Refresh();
        AccessTime = ModifyTime = ChangeTime = Superblock.Vfs.Now;
        base.GetAttributes(ref stat);
        stat.BlockSize = 1024;
        stat.Size = _node.ShownSize;
    }

    /// <inheritdoc/>
    public override Errno CheckAccess(TaskFiles who, FileAccess wanted)
    {
        Refresh();
        Errno error = base.CheckAccess(who, wanted);
        return error == Errno.None && _node.BindsRoot && who.Credentials.FileUid == Uid && ((uint)wanted & ~(Mode >> 6) & 7) != 0 ? Errno.EACCES : error;
    }

    /// <summary>Owner and rights are what they are; a size that is set (<c>O_TRUNC</c>) is forgotten, as are times.</summary>
    public override Errno SetAttributes(in AttributeChange change)
        => (change.Valid & (Attributes.Mode | Attributes.Uid | Attributes.Gid)) != 0 ? Errno.EPERM : Errno.None;

    /// <inheritdoc/>
    public override Result<int> ReadLink(TaskFiles who, Span<byte> to)
    {
        if (_node is not ProcLink link)
            return Errno.EINVAL;
        if (!_node.IsValid(_subject))
            return Errno.ENOENT;
        var w = new TextWriter(to);
        Errno error = link.Show(who, _subject, ref w);
        return error == Errno.None ? w.Length : error;
    }

    /// <inheritdoc/>
    public override bool IsMagicLink => _node is ProcLink { IsMagic: true };

    /// <inheritdoc/>
    public override Errno FollowMagicLink(TaskFiles who, out PathRef target)
    {
        target = default;
        if (_node is not ProcLink link || !_node.IsValid(_subject))
            return Errno.ENOENT;
        return link.Follow(who, _subject, out target);
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.ProcInodes.Free(this);
}
