using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files.Events;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files;

/// <summary>An open file: what descriptors point to, shared by <c>dup</c> and <c>fork</c>.</summary>
/// <remarks>
/// Linux: <c>struct file</c> with <c>file_operations</c>. References are counted: each descriptor, each mapping, each call under way
/// holds one; the last calls <see cref="Release"/> and gives the object back.
/// </remarks>
internal abstract class OpenFile : MappableFile
{
    // Linux: F_SETPIPE_SZ, F_GETPIPE_SZ, which say EBADF for what is no pipe.
    private const uint SetPipeSize = 1031;
    private const uint GetPipeSize = 1032;

    private int references;
    private PathRef path;
    private Inode inode = null!;

    /// <summary>Linux: <c>f_pos_lock</c>. Held by calls that use and move <see cref="Position"/>.</summary>
    public Mutex PositionLock;

    /// <summary>The next byte that <c>read</c> and <c>write</c> touch; guarded by <see cref="PositionLock"/>.</summary>
    public long Position;

    /// <summary>What epoll instances watch of this file; owned by <see cref="Events"/>.</summary>
    internal EpollItem? EpollItems;

    /// <summary>The failures of the file system that <c>syncfs</c> of this file has told. Linux: <c>f_sb_err</c>.</summary>
    internal uint SeenFileSystemErrors;

    /// <summary>Who gets SIGIO. Linux: <c>f_owner</c>: a process, or negative: a process group.</summary>
    public int Owner;
    public int OwnerSignal;

    /// <summary>How the file was opened, and what <c>F_SETFL</c> made of it.</summary>
    public OpenFlags Flags { get; set; }

    /// <summary>What the file was opened for and can do. Linux: <c>f_mode</c>.</summary>
    public OpenModes Modes { get; protected set; }

    /// <summary>Where it was found. A file without a place in the tree (a pipe) stands on the machine's hidden mount.</summary>
    public PathRef Path => path;
    public Inode Inode => inode;
    public Vfs Vfs => inode.Superblock.Vfs;

    public bool CanRead => (Modes & OpenModes.Read) != 0;
    public bool CanWrite => (Modes & OpenModes.Write) != 0;
    public bool IsPathOnly => (Modes & OpenModes.PathOnly) != 0;
    public bool IsNonBlocking => (Flags & OpenFlags.NonBlocking) != 0;

    /// <summary>Sets up what every open file has, with one reference. Takes references to the path. Counts the writer.</summary>
    /// <remarks>Cannot fail: the VFS has taken the right to write (<see cref="Inode.GetWriteAccess"/>) before it calls the inode's open.</remarks>
    protected void Initialize(in PathRef path, OpenFlags flags)
    {
        this.path = path.Get();
        inode = path.Dentry.Inode!;
        references = 1;
        Vfs.OpenFiles++;
        SeenFileSystemErrors = inode.Superblock.SampleErrors();
        Flags = flags & ~OpenFlags.OpenOnly;
        Modes = (flags & OpenFlags.Path) != 0
            ? OpenModes.PathOnly
            : (flags & OpenFlags.AccessMask) switch
            {
                OpenFlags.ReadOnly => OpenModes.Read,
                OpenFlags.WriteOnly => OpenModes.Write,
                OpenFlags.ReadWrite => OpenModes.Read | OpenModes.Write,
                _ => OpenModes.None,                         // 3: neither, only ioctl
            } | OpenModes.Seek | OpenModes.Positional;
    }

    public OpenFile GetFile()
    {
        references++;
        return this;
    }

    /// <inheritdoc/>
    public override bool MayTellResidency
    {
        get
        {
            TaskFiles who = TaskFiles.CurrentFiles;
            return Permission.IsOwner(who, inode) || Permission.Check(who, inode, FileAccess.Write) == Errno.None;
        }
    }

    /// <inheritdoc/>
    public override void WillNeed(ulong firstPage, ulong pages)
        => Advise((long)(firstPage << PageSize.Shift), (long)(pages << PageSize.Shift), FileAdvice.WillNeed);

    /// <inheritdoc/>
    public override AddressSpace? Mapping => null;

    /// <inheritdoc/>
    public override Errno Mmap(VmArea area) => Errno.ENODEV;

    /// <inheritdoc/>
    public override Access Allowed
    {
        get
        {
            Access allowed = (CanRead ? Access.Read : 0) | (CanWrite ? Access.Write : 0);
            return (path.Mount.Flags & MountFlags.NoExecute) == 0 ? allowed | Access.Execute : allowed;
        }
    }

    /// <inheritdoc/>
    public override ulong Device => inode.Superblock.Device;

    /// <inheritdoc/>
    public override ulong InodeNumber => inode.Number;

    /// <inheritdoc/>
    public override void WritePath(ref TextWriter to)
        => PathText.Write(ref to, path, new PathRef(Vfs.Mounts.Root, Vfs.Mounts.Root.Root));

    /// <summary>Takes a reference for a mapping. Linux: <c>get_file</c>.</summary>
    public sealed override void Get() => references++;

    /// <summary>Linux: <c>fput</c>. The last reference closes the file.</summary>
    public sealed override void Put()
    {
        if (references <= 0)
            Panic.Now("file put without a reference"u8);
        if (--references > 0)
            return;
        if (EpollItems is not null)
            EventPoll.FileReleased(this);
        if (inode.Locks is not null)
            FileLock.FileReleased(this);
        Release();
        if ((Modes & OpenModes.CountsAsWriter) != 0)
        {
            inode.PutWriteAccess();
            path.Mount.Writers--;
            inode.Superblock.Writers--;
        }
        AllowWriting();
        PathRef oldPath = path;
        path = default;
        inode.Vfs.OpenFiles--;
        FreeObject();
        oldPath.Put();
    }

    public int References => references;

    /// <summary>Ends the refusal of writers early that <see cref="Vfs.OpenForExec"/> began. Linux: <c>allow_write_access</c>.</summary>
    public void AllowWriting()
    {
        if ((Modes & OpenModes.DeniesWriters) == 0)
            return;
        Modes &= ~OpenModes.DeniesWriters;
        inode.AllowWriteAccess();
    }

    internal void MarkAsDenyingWriters() => Modes |= OpenModes.DeniesWriters;

    /// <summary>Marks that the inode's count of writers includes this file. Called by the VFS.</summary>
    internal void CountAsWriter()
    {
        Modes |= OpenModes.CountsAsWriter;
        path.Mount.Writers++;
        inode.Superblock.Writers++;
    }

    // ---- Operations --------------------------------------------------------------------------------------------------------------

    /// <summary>Reads at <paramref name="position"/> and moves it.</summary>
    /// <returns>Bytes read, 0 at the end; an error only when nothing was read.</returns>
    public virtual Result<long> Read(TaskFiles who, ref IovIter to, ref long position) => Errno.EINVAL;

    /// <summary>Writes at <paramref name="position"/> (at the end with <see cref="OpenFlags.Append"/>) and moves it.</summary>
    public virtual Result<long> Write(TaskFiles who, ref IovIter from, ref long position) => Errno.EINVAL;

    /// <summary>Moves <see cref="Position"/>. Holds <see cref="PositionLock"/>. Linux: <c>llseek</c>.</summary>
    public virtual Result<long> Seek(long offset, SeekOrigin origin) => Errno.ESPIPE;

    public virtual Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument) => Errno.ENOTTY;

    /// <summary>Writes entries from <see cref="Position"/> on and moves it. Holds <see cref="PositionLock"/> and the inode's lock.</summary>
    public virtual Errno ReadDirectory(TaskFiles who, ref DirectoryWriter to) => Errno.ENOTDIR;

    public virtual Errno Synchronize(bool dataOnly) => Errno.EINVAL;

    /// <summary>Starts or awaits the writing of pages. Linux: <c>sync_file_range</c>.</summary>
    public virtual Errno SyncPages(ulong first, ulong last, SyncSteps steps) => Errno.None;

    /// <summary>What can be done now without waiting; with a table the caller is also woken when that changes.</summary>
    public virtual PollEvents Poll(PollTable? table) => PollEvents.In | PollEvents.Out | PollEvents.RdNorm | PollEvents.WrNorm;

    /// <summary>Reserves or frees space. Linux: <c>fallocate</c>. The VFS has checked rights and ranges.</summary>
    public virtual Errno Allocate(TaskFiles who, FallocateMode mode, ulong offset, ulong length) => Errno.EOPNOTSUPP;

    /// <summary>How the file is going to be used: a hint. The VFS has checked the range. Linux: <c>fadvise</c>.</summary>
    public virtual Errno Advise(long offset, long length, FileAdvice advice) => Errno.None;

    /// <summary>Commands of <c>fcntl</c> that only some files know (pipe sizes, seals).</summary>
    public virtual Result<long> Control(TaskFiles who, uint command, ulong argument)
        => command is SetPipeSize or GetPipeSize ? Errno.EBADF : Errno.EINVAL;

    /// <summary>May <c>O_DIRECT</c> be set?</summary>
    public virtual bool CanDirect => false;

    /// <summary>Adds to <c>/proc/PID/fdinfo</c> what only this kind of file knows, in whole lines. Linux: <c>show_fdinfo</c>.</summary>
    public virtual void WriteInfo(ref TextWriter w)
    {
    }

    /// <summary>A descriptor of the file is closed, others may remain. Linux: <c>flush</c>.</summary>
    public virtual Errno Flush(TaskFiles who) => Errno.None;

    /// <summary>The last reference is gone. Linux: <c>release</c>.</summary>
    protected virtual void Release()
    {
    }

    /// <summary>Gives the object back to the cache it came from.</summary>
    protected abstract void FreeObject();
}

/// <summary>What an open file can do. Linux: <c>FMODE_*</c>.</summary>
[Flags]
internal enum OpenModes : ushort
{
    None = 0,
    Read = 1,
    Write = 2,

    /// <summary>Has a position that can be moved.</summary>
    Seek = 4,

    /// <summary><c>pread</c> and <c>pwrite</c> work.</summary>
    Positional = 8,

    /// <summary>Opened with <c>O_PATH</c>: a name for the place and nothing else.</summary>
    PathOnly = 16,

    /// <summary>The inode counts this file among its writers.</summary>
    CountsAsWriter = 32,

    /// <summary>Calls do not use <see cref="OpenFile.Position"/> at all (pipes, terminals): no lock is needed. Linux: <c>FMODE_STREAM</c>.</summary>
    Stream = 64,

    /// <summary>Runs as a program: nobody may open the file for writing.</summary>
    DeniesWriters = 128,
}

/// <summary>Steps of <c>sync_file_range</c>. Linux: <c>SYNC_FILE_RANGE_*</c>.</summary>
[Flags]
internal enum SyncSteps : uint
{
    None = 0,
    WaitBefore = 1,
    Write = 2,
    WaitAfter = 4,
}

/// <summary>What <c>fallocate</c> shall do. Linux: <c>FALLOC_FL_*</c>.</summary>
[Flags]
internal enum FallocateMode : uint
{
    Allocate = 0,
    KeepSize = 1,
    PunchHole = 2,
    CollapseRange = 8,
    ZeroRange = 16,
    InsertRange = 32,
    UnshareRange = 64,
}

/// <summary>Linux: <c>POSIX_FADV_*</c>.</summary>
internal enum FileAdvice
{
    Normal = 0,
    Random = 1,
    Sequential = 2,
    WillNeed = 3,
    DontNeed = 4,
    NoReuse = 5,
}
