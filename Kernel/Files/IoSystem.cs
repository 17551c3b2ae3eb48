using NanoVm.Core.Sync;
using NanoVm.Files.Anonymous;
using NanoVm.Files.Devices;
using NanoVm.Files.Events;
using NanoVm.Files.Pipes;
using NanoVm.Files.Proc;
using NanoVm.Files.Sockets;
using NanoVm.Files.Terminal;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>The root of pipes, terminals, devices, events and <c>/proc</c>: their object caches, tables, and what they need of others.</summary>
/// <remarks>Built once by <c>Kernel.cs</c>; reached from any inode through <see cref="Vfs.Io"/>.</remarks>
internal sealed class IoSystem
{
    /// <summary>Builds caches and tables, and registers the file systems <c>proc</c>, <c>pipefs</c> and their kin.</summary>
    public IoSystem(PhysicalMemory memory, Vfs vfs, JobControl jobs)
    {
        Memory = memory;
        Vfs = vfs;
        Jobs = jobs;
        vfs.Io = this;
        PollWaits = new ObjectCache<PollWait>(memory, "poll_wait"u8);
        PollNodes = new ObjectCache<PollNode>(memory, "poll_node"u8);
        Pipes = new ObjectCache<Pipe>(memory, "pipe_inode_info"u8);
        PipeFiles = new ObjectCache<PipeFile>(memory, "filp_pipe"u8);
        AnonymousInodes = new ObjectCache<AnonymousInode>(memory, "anon_inode"u8);
        EventPolls = new ObjectCache<EventPoll>(memory, "eventpoll"u8);
        EpollItems = new ObjectCache<EpollItem>(memory, "eventpoll_epi"u8);
        EventFiles = new ObjectCache<EventFile>(memory, "eventfd"u8);
        UserfaultFiles = new ObjectCache<Userfault.UserfaultFile>(memory, "userfaultfd"u8);
        UserfaultDeviceFiles = new ObjectCache<Userfault.UserfaultDeviceFile>(memory, "filp_userfault"u8);
        TtyFiles = new ObjectCache<TtyFile>(memory, "filp_tty"u8);
        PtyPairs = new ObjectCache<PtyPair>(memory, "pty"u8);
        PtyMasters = new ObjectCache<PtyMasterFile>(memory, "filp_ptmx"u8);
        MemoryFiles = new ObjectCache<MemoryDeviceFile>(memory, "filp_mem"u8);
        KernelLogFiles = new ObjectCache<KernelLogFile>(memory, "filp_kmsg"u8);
        ProcFiles = new ObjectCache<ProcOpenFile>(memory, "seq_file"u8);
        ProcInodes = new ObjectCache<ProcInode>(memory, "proc_inode_cache"u8);
        Ptys = new PtyTable(this);
        Sockets = new SocketTable(this);
        Proc = new ProcFileSystem(this);
        vfs.Register(Proc);
        Sys = new Sys.SysFileSystem(this);
        vfs.Register(Sys);
        PipeFileSystem = AnonymousFileSystem.Create(this, vfs, "pipefs"u8, 0x50495045);
        SocketFileSystem = AnonymousFileSystem.Create(this, vfs, "sockfs"u8, 0x534F434B);
        EventFileSystem = AnonymousFileSystem.Create(this, vfs, "anon_inodefs"u8, 0x09041934);
    }

    /// <summary>Frames, arrays and kernel memory.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>All files.</summary>
    public Vfs Vfs { get; }

    /// <summary>Sessions, groups and signals.</summary>
    public JobControl Jobs { get; }

    /// <summary>Character devices by number.</summary>
    public DeviceTable Devices { get; } = new();

    /// <summary>Pseudo terminals by number.</summary>
    public PtyTable Ptys { get; }

    /// <summary>Local sockets.</summary>
    public SocketTable Sockets { get; }

    /// <summary>The file system <c>proc</c>.</summary>
    public ProcFileSystem Proc { get; }

    /// <summary>The file system <c>sysfs</c>.</summary>
    public Sys.SysFileSystem Sys { get; }

    /// <summary>Where <c>/proc</c> finds processes; set by <c>Kernel.cs</c> when there are tasks.</summary>
    public ProcessDirectorySource? Processes { get; set; }

    /// <summary>Places for pipes.</summary>
    public AnonymousFileSystem PipeFileSystem { get; }

    /// <summary>Places for sockets.</summary>
    public AnonymousFileSystem SocketFileSystem { get; }

    /// <summary>Places for event files, epoll files and their like.</summary>
    public AnonymousFileSystem EventFileSystem { get; }

    /// <summary>Linux: <c>/proc/sys/fs/pipe-max-size</c>, in bytes.</summary>
    public ulong PipeMaximumBytes { get; set; } = Pipe.DefaultMaximumBytes;

    /// <summary>Held while epoll files are added to epoll files, and while watched files go. Linux: <c>epmutex</c>.</summary>
    internal Mutex EpollLock;

    /// <summary>Counts searches for epoll loops. Guarded by <see cref="EpollLock"/>.</summary>
    internal ulong EpollVisit;

    internal ObjectCache<PollWait> PollWaits { get; }

    internal ObjectCache<PollNode> PollNodes { get; }

    internal ObjectCache<Pipe> Pipes { get; }

    internal ObjectCache<PipeFile> PipeFiles { get; }

    internal ObjectCache<AnonymousInode> AnonymousInodes { get; }

    internal ObjectCache<EventPoll> EventPolls { get; }

    internal ObjectCache<EpollItem> EpollItems { get; }

    internal ObjectCache<EventFile> EventFiles { get; }

    internal ObjectCache<Userfault.UserfaultFile> UserfaultFiles { get; }

    internal ObjectCache<Userfault.UserfaultDeviceFile> UserfaultDeviceFiles { get; }

    internal ObjectCache<TtyFile> TtyFiles { get; }

    internal ObjectCache<PtyPair> PtyPairs { get; }

    internal ObjectCache<PtyMasterFile> PtyMasters { get; }

    internal ObjectCache<MemoryDeviceFile> MemoryFiles { get; }

    internal ObjectCache<KernelLogFile> KernelLogFiles { get; }

    internal ObjectCache<ProcOpenFile> ProcFiles { get; }

    internal ObjectCache<ProcInode> ProcInodes { get; }
}
