using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>The file system <c>proc</c>: one instance for the machine, however often it is mounted. Others made of the same nodes derive from it.</summary>
internal class ProcFileSystem : FileSystemType
{
    private readonly IoSystem _io;
    private ProcSuperblock? _superblock;
    private uint _lastIndex;

    /// <summary>Makes the type with an empty tree.</summary>
    public ProcFileSystem(IoSystem io)
        : this(io, new ProcRoot(io))
    {
    }

    /// <summary>Makes a type with another root.</summary>
    protected ProcFileSystem(IoSystem io, ProcDirectory root)
    {
        _io = io;
        Root = root;
        Root.Index = NextIndex();
    }

    /// <summary>The root directory; boot code adds files to it.</summary>
    public ProcDirectory Root { get; }

    /// <summary>What <c>statfs</c> calls the type. Linux: <c>PROC_SUPER_MAGIC</c>.</summary>
    public virtual ulong Magic => 0x9FA0;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Name => "proc"u8;

    /// <summary>The number of the next node. Each is told apart by it within one subject.</summary>
    internal uint NextIndex() => ++_lastIndex;

    /// <inheritdoc/>
    public override Result<Superblock> Create(Vfs vfs, TaskFiles? who, ReadOnlySpan<byte> source, MountFlags flags, ReadOnlySpan<byte> options)
    {
        if (_superblock is null)
        {
            var superblock = new ProcSuperblock();          // once, at boot or by the first mount; it is never freed
            Errno error = superblock.Initialize(_io, vfs, this);
            if (error != Errno.None)
                return error;
            _superblock = superblock;
        }
        return _superblock.Get();
    }
}

/// <summary>The instance of <see cref="ProcFileSystem"/>.</summary>
internal sealed class ProcSuperblock : Superblock
{
    private ProcFileSystem _type = null!;

    /// <inheritdoc/>
    public override DentryRetention Retention => DentryRetention.Dropped;

    /// <inheritdoc/>
    public override uint BlockSize => 4096;

    internal Errno Initialize(IoSystem io, Vfs vfs, ProcFileSystem type)
    {
        _type = type;
        Initialize(vfs, type, vfs.AllocateDevice(), MountFlags.None);
        ProcInode? root = io.ProcInodes.Allocate();
        if (root is null)
            return Errno.ENOMEM;
        root.Initialize(io, this, type.Root, default);
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
    protected override void FreeObject() => Panic.Now("the superblock of proc lost its last reference"u8);
}
