using NanoVm.Core;

namespace NanoVm.Files.Ext2;

/// <summary>An open directory of an ext2. A position is the offset of a record in the directory.</summary>
/// <remarks>Linux: <c>ext2_readdir</c>. After changes a position may lie inside a record: each block is read from its start, up to the position.</remarks>
internal sealed class Ext2DirectoryFile : OpenFile
{
    /// <summary>Null when memory is out.</summary>
    internal static Ext2DirectoryFile? Allocate(Ext2Type type, in PathRef path, OpenFlags flags)
    {
        Ext2DirectoryFile? file = type.Directories.Allocate();
        file?.Initialize(path, flags);
        return file;
    }

    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position) => Errno.EISDIR;

    public override Errno Synchronize(bool dataOnly) => ((Ext2Inode)Inode).Synchronize(Path.Dentry, 0, ulong.MaxValue, dataOnly, ref seenErrors);

    private uint seenErrors;

    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        if (origin == SeekOrigin.Current)
            offset += Position;
        else if (origin == SeekOrigin.End)
            offset += (long)Inode.Size;
        else if (origin != SeekOrigin.Start)
            return Errno.EINVAL;
        if (offset < 0)
            return Errno.EINVAL;
        Position = offset;
        return offset;
    }

    public override Errno ReadDirectory(TaskFiles who, ref DirectoryWriter to)
        => ((Ext2Inode)Inode).ReadEntries(ref Position, ref to);

    protected override void FreeObject() => ((Ext2Inode)Inode).Superblock.Ext2.Directories.Free(this);
}
