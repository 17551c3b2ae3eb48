using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>The root object of all files: the tree of mounts, the kinds of file systems, and where file objects come from.</summary>
/// <remarks>
/// Linux: what <c>fs/namei.c</c>, <c>fs/open.c</c> and <c>fs/namespace.c</c> keep in globals. Operations that walk paths are in
/// <see cref="PathWalk"/>, <see cref="OpenOperation"/>, <see cref="EntryOperations"/>, <see cref="AttributeOperations"/>,
/// <see cref="MountOperations"/>; this class holds what they share.
/// <para>Lock order, outermost first: <see cref="MountLock"/> → <see cref="Superblock.RenameLock"/> → <see cref="OpenFile.PositionLock"/>
/// → a directory's <see cref="Inode.Lock"/>, parents before children → a file's <see cref="Inode.Lock"/> → <c>mm.MmapLock</c> (by faults
/// on user memory while copying) → page cache.</para>
/// </remarks>
internal sealed class Vfs
{
    /// <summary>The longest path with its NUL, in bytes. Linux: <c>PATH_MAX</c>.</summary>
    public const int PathMaximum = 4096;

    /// <summary>The longest name in a directory. Linux: <c>NAME_MAX</c>.</summary>
    public const int NameMaximum = 255;

    /// <summary>How many symbolic links one walk follows. Linux: <c>MAXSYMLINKS</c>.</summary>
    public const int LinkMaximum = 40;

    /// <summary>Means the working directory where a call takes a directory's descriptor. Linux: <c>AT_FDCWD</c>.</summary>
    public const int AtWorkingDirectory = -100;

    private FileSystemType? firstType;
    private FileSystemType? lastType;
    private ulong lastDevice;

    /// <summary>Linux: <c>namespace_sem</c>. Held while the tree of mounts changes.</summary>
    public Mutex MountLock;

    public Vfs(PhysicalMemory memory)
    {
        Memory = memory;
        Dentries = new DentryCache(new ObjectCache<Dentry>(memory, "dentry"u8));
        // Some 700 bytes each with its inode: at most a twentieth of memory, and kswapd takes it back before (DentryShrinker).
        Dentries.UnusedLimit = (int)Math.Clamp(memory.Frames.TotalFrames.Value / 4, 256, 1 << 20);
        Mounts = new MountTree(new ObjectCache<Mount>(memory, "mnt_cache"u8));
        DescriptorTables = new ObjectCache<FileDescriptorTable>(memory, "files_cache"u8);
        FsContexts = new ObjectCache<FsContext>(memory, "fs_cache"u8);
        FileLockObjects = new ObjectCache<FileLock>(memory, "file_lock_cache"u8);
        LockLists = new ObjectCache<FileLocks>(memory, "file_lock_ctx"u8);
        DirectoryFiles = new ObjectCache<DirectoryFile>(memory, "filp_dir"u8);
        Blocks = new Block.BlockDeviceTable(memory);
        PathFiles = new ObjectCache<PathOnlyFile>(memory, "filp_path"u8);
    }

    public PhysicalMemory Memory { get; }

    /// <summary>Pipes, terminals, devices, <c>/proc</c>; set once at boot.</summary>
    public IoSystem Io { get; internal set; } = null!;

    /// <summary>Open files of all processes, those in flight and those behind mappings included. First number of <c>/proc/sys/fs/file-nr</c>.</summary>
    public long OpenFiles { get; internal set; }

    public KernelArrays Arrays => Memory.Arrays;
    public DentryCache Dentries { get; }
    public MountTree Mounts { get; }
    public ObjectCache<FileDescriptorTable> DescriptorTables { get; }
    public ObjectCache<FsContext> FsContexts { get; }
    /// <summary>Memory files without a name; set at boot.</summary>
    public Tmpfs.ShmemFiles Shmem = null!;

    /// <summary>Memory files of huge pages of the pool.</summary>
    public Tmpfs.ShmemFiles HugeFiles = null!;

    /// <summary>System V shared memory; set at boot.</summary>
    public Tmpfs.SharedSegments Segments = null!;

    internal ObjectCache<FileLock> FileLockObjects { get; }
    internal ObjectCache<FileLocks> LockLists { get; }
    internal ObjectCache<DirectoryFile> DirectoryFiles { get; }
    internal ObjectCache<PathOnlyFile> PathFiles { get; }

    /// <summary>Disks and partitions.</summary>
    public Block.BlockDeviceTable Blocks { get; }

    /// <summary>The first file-system type; follow <see cref="FileSystemType.Next"/>.</summary>
    public FileSystemType? FirstType => firstType;

    /// <summary>The time of day for inode times. Linux: <c>current_time</c>.</summary>
    public FileTime Now => FileTime.FromNanoseconds(Time.RealtimeNanoseconds);

    /// <summary>Linux: <c>register_filesystem</c>. At boot only.</summary>
    public void Register(FileSystemType type)
    {
        if (lastType is null)
            firstType = type;
        else
            lastType.Next = type;
        lastType = type;
    }

    /// <summary>The type of this name, or null. Linux: <c>get_fs_type</c>.</summary>
    public FileSystemType? FindType(ReadOnlySpan<byte> name)
    {
        for (FileSystemType? type = firstType; type is not null; type = type.Next)
        {
            if (type.Name.SequenceEqual(name))
                return type;
        }
        return null;
    }

    /// <summary>A device number for a file system without a device. Linux: <c>get_anon_bdev</c>; major 0.</summary>
    public ulong AllocateDevice() => DeviceNumber.Make(0, (uint)++lastDevice);

    /// <summary>Mounts the first file system as the root of everything. At boot, before the first task.</summary>
    public Errno MountRoot(FileSystemType type, ReadOnlySpan<byte> options)
    {
        if (!type.Create(this, null, "tmpfs"u8, MountFlags.None, options).TryGet(out Superblock superblock, out Errno error))
            return error;
        Mount? mount = Mount.Allocate(this, superblock, superblock.Root, MountFlags.None, "tmpfs"u8);
        superblock.Put();
        if (mount is null)
            return Errno.ENOMEM;
        Mounts.Root = mount;
        Mounts.Attach(mount, default);
        return Errno.None;
    }

    /// <summary>Opens a path for a task. Linux: <c>do_filp_open</c>. See <see cref="OpenOperation"/>.</summary>
    /// <param name="directory">A descriptor, or <see cref="AtWorkingDirectory"/>.</param>
    /// <param name="mode">Permission bits of a file that is created; the umask is applied.</param>
    /// <returns>An open file with one reference.</returns>
    public Result<OpenFile> Open(TaskFiles who, int directory, ReadOnlySpan<byte> path, OpenFlags flags, uint mode)
        => OpenOperation.Open(this, who, directory, path, flags, mode, WalkFlags.None);

    /// <summary>Opens a program to run it: needs the right to execute, refuses later writers with ETXTBSY until the file is put.</summary>
    /// <remarks>Linux: <c>do_open_execat</c>. <see cref="OpenFile.AllowWriting"/> ends the refusal early (an interpreter).</remarks>
    /// <param name="flags"><see cref="WalkFlags.EmptyPath"/> and the absence of <see cref="WalkFlags.FollowLast"/>, as <c>execveat</c> says.</param>
    public Result<OpenFile> OpenForExec(TaskFiles who, int directory, ReadOnlySpan<byte> path, WalkFlags flags)
        => OpenOperation.OpenForExec(this, who, directory, path, flags);

    /// <summary>Finds a place. The caller puts it. Linux: <c>user_path_at</c>.</summary>
    public Result<PathRef> Find(TaskFiles who, int directory, ReadOnlySpan<byte> path, WalkFlags flags)
        => PathWalk.Find(this, who, directory, path, flags);

    /// <summary>Reads a file into kernel memory without moving its position. Linux: <c>kernel_read</c>.</summary>
    /// <returns>Bytes read: fewer than asked for at the end of the file.</returns>
    public static Result<long> KernelRead(TaskFiles who, OpenFile file, long offset, Span<byte> to)
    {
        long total = 0;
        while (total < to.Length)
        {
            IovIter iter = IovIter.FromKernel(to[(int)total..]);
            long position = offset + total;
            if (!file.Read(who, ref iter, ref position).TryGet(out long count, out Errno error))
                return total > 0 ? total : error;
            if (count == 0)
                break;
            total += count;
        }
        return total;
    }
}
