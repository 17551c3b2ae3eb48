using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>An open directory of a file system whose directories are their entries (tmpfs, devpts): reads them in the order of creation.</summary>
/// <remarks>
/// Linux: <c>dcache_readdir</c>, <c>simple_dir_operations</c>. Positions: 0 is ".", 1 is "..", then each entry's
/// <see cref="Dentry.Order"/> plus 1, so that removals and creations between two calls neither repeat nor skip a name.
/// </remarks>
internal sealed class DirectoryFile : OpenFile
{
    /// <summary>Null when memory is out.</summary>
    public static DirectoryFile? Allocate(in PathRef path, OpenFlags flags)
    {
        DirectoryFile? file = path.Mount.Superblock.Vfs.DirectoryFiles.Allocate();
        file?.Initialize(path, flags);
        return file;
    }

    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position) => Errno.EISDIR;

    public override Errno Synchronize(bool dataOnly) => Errno.None;

    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        if (origin == SeekOrigin.Current)
            offset += Position;
        else if (origin != SeekOrigin.Start)
            return Errno.EINVAL;
        if (offset < 0)
            return Errno.EINVAL;
        Position = offset;
        return offset;
    }

    public override Errno ReadDirectory(TaskFiles who, ref DirectoryWriter to)
    {
        Dentry directory = Path.Dentry;
        if (Position == 0)
        {
            if (!to.Add("."u8, Inode.Number, FileMode.ToDirectoryType(FileMode.Directory), 1))
                return to.Error;
            Position = 1;
        }
        if (Position == 1)
        {
            if (!to.Add(".."u8, directory.Parent.Inode!.Number, FileMode.ToDirectoryType(FileMode.Directory), 2))
                return to.Error;
            Position = 2;
        }
        for (; ; )
        {
            Dentry? entry = directory.Children.FirstFrom((ulong)Position - 1);
            if (entry is null)
                return Errno.None;
            if (entry.Inode is { } inode)
            {
                if (!to.Add(entry.Name, inode.Number, FileMode.ToDirectoryType(inode.Mode), entry.Order + 2))
                    return to.Error;
            }
            Position = (long)entry.Order + 2;
        }
    }

    protected override void FreeObject() => Vfs.DirectoryFiles.Free(this);
}
