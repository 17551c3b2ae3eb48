using System;
using NanoVm.Core;
using NanoVm.Files.Sys;
using NanoVm.Hal;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Proc.Machine;

/// <summary>The files of <c>/proc</c> that are about the machine as a whole, and what they read.</summary>
/// <remarks>Built once by <c>Kernel.cs</c>; what tasks know (<c>sys/kernel</c>, mounts) is added by <c>Tasks/Proc</c>.</remarks>
internal sealed class MachineFiles
{
    private readonly byte[] _commandLine;

    /// <summary>Makes the files and adds them to <c>/proc</c>.</summary>
    public MachineFiles(IoSystem io, MemorySystem memory, PageCache cache, Clock clock, ReadOnlySpan<byte> commandLine)
    {
        Io = io;
        Memory = memory;
        Cache = cache;
        Clock = clock;
        _commandLine = BootBytes.Copy(commandLine);

        ProcFileSystem proc = io.Proc;
        ProcDirectory root = proc.Root;
        root.Add(proc, new MemInfo(this));
        root.Add(proc, new VmStatFile(this));
        root.Add(proc, new BuddyInfo(this));
        root.Add(proc, new SlabInfo(this));
        root.Add(proc, new ZoneInfo(this));
        root.Add(proc, new VmallocInfo(this));
        root.Add(proc, new PageTypeInfo(this));
        root.Add(proc, new StatFile(this));
        root.Add(proc, new Uptime(this));
        root.Add(proc, new LoadAverageFile(this));
        root.Add(proc, new CommandLineFile(this));
        root.Add(proc, new CpuInfo(this));
        root.Add(proc, new Filesystems(this));
        root.Add(proc, new DevicesFile(this));
        root.Add(proc, new FixedText("misc"u8, default));
        root.Add(proc, new Partitions(this));
        root.Add(proc, new DiskStats(this));
        root.Add(proc, new SwapsFile(this));
        root.Add(proc, new FixedText("modules"u8, default));
        root.Add(proc, new FixedText("consoles"u8, "ttyS0                -W- (EC p a)    4:64\n"u8));
        root.Add(proc, new InterruptsFile(this));
        root.Add(proc, new MemoryCheckFile(this));
        root.Add(proc, new LedgerFile(this));
        root.Add(proc, new FrameWords(this, "kpagecount"u8, FrameWordKind.MapCount));
        root.Add(proc, new FrameWords(this, "kpageflags"u8, FrameWordKind.Flags));
        NodeFiles.Add(io.Sys, this);
    }

    /// <summary>The root of files and processes.</summary>
    public IoSystem Io { get; }

    /// <summary>Virtual memory.</summary>
    public MemorySystem Memory { get; }

    /// <summary>The page cache.</summary>
    public PageCache Cache { get; }

    /// <summary>The clock.</summary>
    public Clock Clock { get; }

    /// <summary>The handlers of interrupts with their counts; null until set.</summary>
    public InterruptTable? Interrupts { get; init; }

    /// <summary>What the stacks of all threads in the kernel take.</summary>
    public ulong KernelStackKilobytes
    {
        get
        {
            const ulong each = 16;
            if (Io.Processes is not { } processes)
                return 0;
            processes.GetCounts(out int _, out int threads, out int _);
            return (ulong)threads * each;
        }
    }

    /// <summary>What the kernel was started with.</summary>
    public ReadOnlySpan<byte> CommandLine => _commandLine;
}

/// <summary>A file whose text never changes.</summary>
internal sealed class FixedText : ProcPage
{
    private readonly byte[] _text;

    /// <summary>Makes it.</summary>
    public FixedText(ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
        : base(name) => _text = BootBytes.Copy(text);

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text(_text);
        return Errno.None;
    }
}

/// <summary><c>/proc/cmdline</c>.</summary>
internal sealed class CommandLineFile(MachineFiles machine) : ProcPage("cmdline"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text(_machine.CommandLine);
        w.Byte((byte)'\n');
        return Errno.None;
    }
}
