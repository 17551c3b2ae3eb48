using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Every call that needs memory, with each of its requests made to fail in turn, and each of its copies; on a disk, each transfer.</summary>
/// <remarks>
/// Where the kernel cannot let requests fail (a Linux without fault injection) all cases are skipped. Run with an argument the program is what
/// the cases of <c>execve</c> start: it tells by its status whether a request is still to fail.
/// </remarks>
internal static unsafe class Program
{
    public static int Main()
    {
        if (Arguments.Count > 1)
            return ExecCases.Started();
        Walker.Open();
        return Run(
            new("A chosen request fails once and the file tells", &Switch),
            new("Which requests are counted can be chosen", &Kinds),
            new("fork", &ProcessCases.Fork),
            new("fork with many areas", &ProcessCases.ForkOfManyAreas),
            new("clone that writes numbers", &ProcessCases.CloneWithNumbers),
            new("clone that makes a descriptor", &ProcessCases.CloneWithDescriptor),
            new("clone3", &ProcessCases.Clone3),
            new("clone of a process that shares memory", &ProcessCases.CloneSharingMemory),
            new("vfork", &ProcessCases.Vfork),
            new("clone of a thread", &ProcessCases.Thread),
            new("execve of a static program", &ExecCases.Static),
            new("execve of a script", &ExecCases.Script),
            new("execve of a program with an interpreter", &ExecCases.WithInterpreter),
            new("wait4", &ProcessCases.Waiting),
            new("setgroups", &ProcessCases.Credentials),
            new("calls that fill structures", &ProcessCases.Names),
            new("rt_sigqueueinfo", &ProcessCases.QueuedSignal),
            new("A handled signal", &ProcessCases.HandledSignal),
            new("sigaltstack", &ProcessCases.AlternateStack),
            new("timer_create", &ProcessCases.PosixTimer),
            new("setitimer", &ProcessCases.IntervalTimer),
            new("futex that waits", &ProcessCases.FutexTimesOut),
            new("futex that wakes", &ProcessCases.FutexWakes),
            new("A core dump", &ProcessCases.CoreDump),
            new("execve with a megabyte of arguments", &ExecCases.LongArguments),
            new("execveat of a descriptor", &ExecCases.ByDescriptor),
            new("semget semop semctl", &IpcCases.Semaphores),
            new("msgget msgsnd msgrcv msgctl", &IpcCases.Messages),
            new("futex that inherits priority", &IpcCases.InheritingLock),
            new("futex_waitv, requeues, robust lists", &IpcCases.OtherFutexes),
            new("sendmmsg and recvmmsg", &IpcCases.ManyMessages),
            new("Settings of sockets", &IpcCases.SocketSettings),
            new("process_madvise", &CallCases.AdviceToAProcess),
            new("mbind set_mempolicy move_pages", &CallCases.Policies),
            new("mremap to a fixed place", &CallCases.RemapFixed),
            new("Rights of a process", &CallCases.Rights),
            new("unshare and close_range", &CallCases.Unsharing),
            new("Scheduling", &CallCases.Scheduling),
            new("Clocks", &CallCases.Clocks),
            new("Timers and their files", &CallCases.Timers),
            new("Waiting with masks of signals", &CallCases.Waits),
            new("pidfd_getfd and signals with data", &CallCases.Processes),
            new("prctl arch_prctl syslog rseq", &CallCases.Controls),
            new("mmap of anonymous memory", &MemoryCases.MapAnonymous),
            new("mmap that populates", &MemoryCases.MapPopulated),
            new("mmap that locks", &MemoryCases.MapLocked),
            new("mmap of shared memory", &MemoryCases.MapShared),
            new("mmap of a file shared", &MemoryCases.MapFileShared),
            new("mmap of a file private", &MemoryCases.MapFilePrivate),
            new("mmap over another area", &MemoryCases.MapOver),
            new("munmap in the middle", &MemoryCases.UnmapMiddle),
            new("mprotect in the middle", &MemoryCases.ProtectMiddle),
            new("mlock in the middle", &MemoryCases.LockMiddle),
            new("madvise in the middle", &MemoryCases.AdviseMiddle),
            new("mremap that grows and shrinks", &MemoryCases.RemapGrows),
            new("mremap that moves", &MemoryCases.RemapMoves),
            new("mremap that leaves the old place", &MemoryCases.RemapKeeps),
            new("brk", &MemoryCases.Break),
            new("mincore", &MemoryCases.Residence),
            new("mlockall", &MemoryCases.LockAll),
            new("pkey_mprotect", &MemoryCases.Keys),
            new("Faults of anonymous and of file memory", &MemoryCases.Faults),
            new("Copy on write", &MemoryCases.CopyOnWrite),
            new("A growing stack", &MemoryCases.StackGrows),
            new("Faults of the kernel in a copy", &MemoryCases.CopyFaults),
            new("process_vm_readv and process_vm_writev", &MemoryCases.OtherProcess),
            new("shmget shmat shmctl", &MemoryCases.SharedSegment),
            new("memfd_create and its file", &MemoryCases.MemoryFile),
            new("userfaultfd", &MemoryCases.Userfault),
            new("Answers to faults", &MoreMemoryCases.Answers),
            new("A fault that another thread answers", &MoreMemoryCases.AnsweredFault),
            new("Answers to faults of shared memory", &MoreMemoryCases.AnswersForSharedMemory),
            new("Shared memory out to swap and in again", &MoreMemoryCases.SharedInSwap),
            new("mremap that copies a shared mapping, remap_file_pages, msync", &MoreMemoryCases.SharedTwice),
            new("mlock2", &MoreMemoryCases.LockedOnFault),
            new("Holes in shared memory", &MoreMemoryCases.HolesInSharedMemory),
            new("mmap of huge pages of the pool", &HugeCases.Pool),
            new("Files and segments of huge pages of the pool", &HugeCases.PoolFile),
            new("Transparent huge pages", &HugeCases.Transparent),
            new("Transparent huge pages after a fork", &HugeCases.TransparentAfterFork),
            new("madvise that collapses", &HugeCases.Collapsed),
            new("Advice about pages in swap", &MoreMemoryCases.AdviceAboutSwap),
            new("lseek for data and holes", &MoreMemoryCases.DataAndHoles),
            new("Our own memory as a file", &MoreMemoryCases.OwnMemoryAsAFile),
            new("swapon and swapoff", &MoreMemoryCases.SwapAreas),
            new("Files in memory", &FilesInMemory),
            new("Files on a disk", &FilesOnDisk),
            new("Pages out to swap and in again", &MemoryCases.Swap),
            new("mount", &FileCases.Mounts),
            new("pipe2", &ChannelCases.Pipes),
            new("Bytes through a pipe", &ChannelCases.PipeBytes),
            new("fcntl that sizes a pipe", &ChannelCases.PipeSize),
            new("splice tee vmsplice sendfile", &ChannelCases.Splices),
            new("socketpair", &ChannelCases.SocketPairs),
            new("Bytes through a stream socket", &ChannelCases.StreamBytes),
            new("Datagrams", &ChannelCases.Datagrams),
            new("Descriptors through a socket", &ChannelCases.PassingDescriptors),
            new("listen connect accept", &ChannelCases.Connections),
            new("epoll", &ChannelCases.Epoll),
            new("poll and select", &ChannelCases.Polls),
            new("eventfd timerfd signalfd pidfd", &ChannelCases.EventFiles),
            new("Pseudo terminals", &ChannelCases.Terminals),
            new("Files of proc about areas", &ProcCases.Areas),
            new("Files of proc about a task", &ProcCases.Task),
            new("Files of proc about the machine", &ProcCases.Machine),
            new("The file of proc that explains an address", &ProcCases.Explain),
            new("Requests failed in their hundreds", &Enough));
    }

    private static void Switch()
    {
        if (!Walker.IsAble)
        {
            Skip("this kernel lets nothing fail");
            return;
        }

        Walker.Arm(1);
        nint failed = Syscall.Call(290, 0, 0);
        Equal(0, Walker.Left());
        nint made = Syscall.Call(290, 0, 0);
        Equal(Errno.NoMemory, failed);
        Check(made >= 0);
        Close((int)made);
        Walker.Arm(1000);
        Equal(1000, Walker.Left());
        Walker.Arm(0);
        Equal(0, Walker.Left());
    }

    private static void Kinds()
    {
        if (!Walker.IsAble)
        {
            Skip("this kernel lets nothing fail");
            return;
        }

        Walker.SetKinds("vmalloc,io"u8);
        Walker.Arm(1);
        nint made = Syscall.Call(290, 0, 0);
        Equal(1, Walker.Left());
        Walker.Arm(0);
        Check(made >= 0);
        Close((int)made);
        Walker.SetKinds("alloc"u8);
    }

    /// <summary>A switch that does nothing would let every case pass.</summary>
    private static void Enough()
    {
        if (!Walker.IsAble)
        {
            Skip("this kernel lets nothing fail");
            return;
        }

        Check(Walker.Steps > 1000);
        Check(Walker.Errors > 700);
        Output.Standard.Write($"# {Walker.Steps} requests failed, {Walker.Errors} calls with an error\n");
    }

    private static void FilesInMemory()
    {
        ReadOnlySpan<byte> folder = "/tmp/inject"u8;
        FileCases.UseFolder(folder, May.NoSpace);
        Files();
        FileCases.LeaveFolder(folder);
    }

    /// <summary>The same on a disk; who runs the suite with one mounts it there.</summary>
    private static void FilesOnDisk()
    {
        ReadOnlySpan<byte> folder = "/mnt/disk/inject"u8;
        if (MakeDirectory(folder, 0x1C0) != 0)
        {
            Skip("there is no disk at /mnt/disk");
            return;
        }

        Walker.OnDisk = true;
        FileCases.UseFolder(folder, May.NoSpace | May.Io);
        Files();
        FileCases.LeaveFolder(folder);
        Walker.OnDisk = false;
    }

    private static void Files() => Children(
        new("open", &FileCases.OpenFile),
        new("open that creates", &FileCases.CreateFile),
        new("open without a name", &FileCases.CreateUnnamed),
        new("mkdir", &FileCases.Directories),
        new("mknod", &FileCases.Nodes),
        new("link", &FileCases.Links),
        new("symlink and readlink", &FileCases.SymbolicLinks),
        new("rename", &FileCases.Renames),
        new("rename that exchanges", &FileCases.Exchanges),
        new("unlink", &FileCases.Removes),
        new("getdents", &FileCases.Lists),
        new("stat chmod access statfs utimes", &FileCases.Attributes),
        new("read", &FileCases.Reads),
        new("write", &FileCases.Writes),
        new("truncate and fallocate", &FileCases.Sizes),
        new("preadv pwritev copy_file_range", &FileCases.VectorsAndCopies),
        new("flock and record locks", &FileCases.Locks),
        new("fchdir and getcwd", &FileCases.Places),
        new("dup2 and fcntl", &FileCases.Descriptors),
        new("Direct transfers and fadvise", &FileCases.Direct),
        new("Reading ahead", &FileCases.ReadsInOrder),
        new("Writing through a mapping", &FileCases.MappedWrites),
        new("setxattr getxattr listxattr removexattr", &FileCases.NamedAttributes),
        new("Calls by path", &FileCases.ByPath),
        new("readv preadv2 readahead openat2 and handles", &FileCases.OtherTransfers),
        new("fsync", &FileCases.Synchronizes));
}
