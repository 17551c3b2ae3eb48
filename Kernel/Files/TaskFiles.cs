using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files;

/// <summary>The part of a task that files need: its descriptors, its place in the tree, who it is.</summary>
/// <remarks>Linux: the fields <c>files</c>, <c>fs</c>, <c>cred</c> of <c>task_struct</c>. A kernel thread may have none of them.</remarks>
internal abstract class TaskFiles : TaskMemory
{
    /// <summary>Open files by number; shared by <c>CLONE_FILES</c>.</summary>
    public FileDescriptorTable Files = null!;

    /// <summary>Root, working directory, umask; shared by <c>CLONE_FS</c>.</summary>
    public FsContext Fs = null!;

    /// <summary>Users, groups, capabilities; the task's own.</summary>
    public Credentials Credentials = null!;

    /// <summary>How many descriptors the task may have. Linux: <c>rlimit(RLIMIT_NOFILE)</c>.</summary>
    public ulong DescriptorLimit => Limits.Soft(Resource.OpenFiles);

    /// <summary>The largest file that the task may make, in bytes. Linux: <c>rlimit(RLIMIT_FSIZE)</c>.</summary>
    public ulong FileSizeLimit => Limits.Soft(Resource.FileSize);

    /// <summary>Sends SIGXFSZ to the task: a write went beyond RLIMIT_FSIZE.</summary>
    public abstract void FileSizeExceeded();

    /// <summary>Sends SIGPIPE to the task: a write to a pipe or socket that nobody reads.</summary>
    public abstract void BrokenPipe();

    /// <summary>The process number, as record locks and /proc show it.</summary>
    public abstract int ProcessNumber { get; }

    /// <summary>The task that runs on this processor.</summary>
    public static TaskFiles CurrentFiles => (TaskFiles)PerCpu.Current;
}
