using NanoVm.Core;

namespace NanoVm.Files.Anonymous;

/// <summary>The one instance of a hidden file system.</summary>
internal sealed class AnonymousSuperblock : Superblock
{
    private AnonymousFileSystem _type = null!;

    /// <inheritdoc/>
    public override DentryRetention Retention => DentryRetention.Dropped;

    /// <summary>Sets up the instance; its root is a directory that nobody sees.</summary>
    internal Errno Initialize(Vfs vfs, AnonymousFileSystem type)
    {
        _type = type;
        Initialize(vfs, type, vfs.AllocateDevice(), MountFlags.None);
        var root = new AnonymousRoot();
        root.Initialize(this);
        return SetRoot(root);
    }

    /// <inheritdoc/>
    public override void GetStatistics(ref FileSystemStat stat)
    {
        stat.Type = _type.Magic;
        stat.BlockSize = BlockSize;
        stat.NameLength = Vfs.NameMaximum;
    }

    /// <inheritdoc/>
    protected override void FreeObject()
    {
    }

    /// <summary>The root directory: a boot object.</summary>
    private sealed class AnonymousRoot : Inode
    {
        internal void Initialize(Superblock superblock) => Initialize(superblock, 1, FileMode.Directory | 0x1ED, 0, 0);

        protected override void FreeObject()
        {
        }
    }
}
