using System;
using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Files;
using NanoVm.Files.Devices;
using NanoVm.Files.Initramfs;
using NanoVm.Files.Proc;
using NanoVm.Files.Proc.Machine;
using NanoVm.Files.Terminal;
using NanoVm.Files.Tmpfs;
using NanoVm.Hal;
using NanoVm.Memory.Check;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;
using NanoVm.SelfTest;
using NanoVm.Syscalls;
using NanoVm.Tasks;
using NanoVm.Tasks.Proc;

namespace NanoVm;

/// <summary>The machine: the root from which a debugger reaches every object, and the order in which they are built.</summary>
internal sealed unsafe class Machine
{
    private const int TerminalVector = 0x24;

    public CpuFeatures Features;
    public KernelTables Tables = null!;
    public PhysicalMemory Physical = null!;
    public MemorySystem Memory = null!;
    public PageCache PageCache = null!;
    public PageReclaim Reclaim = null!;
    public LogBuffer MessageLog = null!;
    public LocalApic Apic = null!;
    public Clock Clock = null!;
    public TimerQueue Timers = null!;
    public Uart16550 Terminal = null!;
    public InterruptTable InterruptHandlers = null!;
    public readonly PciBus Pci = new();
    public readonly Disks Disks = new();

    /// <summary>Null when the machine has none.</summary>
    public Screen? Screen;
    public TaskSystem Tasks = null!;
    public SyscallTable Calls = null!;
    public Vfs Vfs = null!;
    public IoSystem Io = null!;
    public ProcessFiles ProcessFiles = null!;

    /// <summary>Processor, page tables, frames, object caches.</summary>
    public void BuildMemory(in BootInfo info)
    {
        if (CommandLine.Has(info.CommandLine, "la57"u8) && !FiveLevelPaging.TryEnter(CpuFeatures.Read()))
            Log.Warn("la57: this processor has no five-level paging; four levels it is"u8);
        Features = Processor.Initialize();
        var boot = new BootMemory();
        BootHeap.Install(new BootMemoryHeap(boot));
        BootMemorySource.Fill(boot, info);
        Tables = KernelTables.Build(info, boot, Features);
        Physical = new PhysicalMemory(boot, new FrameTable((PageFrame*)KernelLayout.FrameDescriptors), Tables.Root);
        PerCpu.Failures = Physical.Failures;
        Memory = new MemorySystem(Physical, Tables.Root, pagingLevels: Mmu.IsFiveLevel ? 5 : 4);
        PageCache = new PageCache(Physical);
        Memory.PageCache = PageCache;
        PageCache.System = Memory;
        Memory.Swap = new SwapSystem(Memory, PageCache);
        Reclaim = new PageReclaim(Memory, PageCache, Memory.Swap);
        Memory.Reclaim = Reclaim;
        Physical.Frames.AddReclaimSource(Reclaim);
        Memory.HugePages.SetMode(CommandLine.ValueOf(info.CommandLine, "transparent_hugepage"u8));
        if (CommandLine.Has(info.CommandLine, "norandmaps"u8))
            Memory.RandomizeVaSpace = 0;
    }

    /// <summary>Log, interrupts, clocks, serial lines, screen.</summary>
    public void BuildDevices(in BootInfo info)
    {
        MessageLog = new LogBuffer();
        MessageLog.Install();
        MessageLog.AddSink(new SerialLog(), replay: false);
        Apic = new LocalApic(Tables.MapDevice(LocalApic.RegistersAddress, PageSize.Bytes));
        Apic.Enable();
        var ioApic = new IoApic(Tables.MapDevice(IoApic.RegistersAddress, PageSize.Bytes));
        ioApic.Enable();
        Clock = new Clock(info.StartTsc, Apic);
        Time.Install(Clock);
        InterruptHandlers = new InterruptTable(Apic);
        InterruptHandlers.Install();
        Timers = new TimerQueue(Apic, Clock, InterruptHandlers);
        SeedRandom(info);

        Log.Info($"NanoVM 6.1.0-nanovm, command line: {info.CommandLine}");
        ReportCommandLine(info);
        Log.Info($"memory: {Physical.Frames.FreeFrames.Bytes >> 10} KiB free of {Physical.Frames.TotalFrames.Bytes >> 10} KiB");
        Log.Info($"clock: TSC {Clock.TscHertz} Hz, APIC timer {Clock.ApicHertz} Hz");

        Terminal = new Uart16550(Uart16550.Com1);
        InterruptHandlers.Set(TerminalVector, Terminal);
        ioApic.RouteIsa(Uart16550.Com1Interrupt, TerminalVector, Apic.Number);
        Terminal.EnableInterrupts();
        Pci.Scan();
        Screen = Screen.Find(info.Framebuffer, BochsDisplay.Find(Pci), Tables);
        if (Screen is not null)
            MessageLog.AddSink(new FramebufferConsole(Screen), replay: true);
        Disks.Probe(Pci, Tables, InterruptHandlers, Apic, new DmaFrames(Physical.Frames));
    }

    /// <summary>Scheduler, the table of system calls, the traps' other end.</summary>
    public void BuildTasks(in BootInfo info)
    {
        Tasks = new TaskSystem(Memory, Timers) { Power = new PowerOff(Terminal), StartTsc = Clock.StartTsc };
        Tasks.Clocks.Clock = Clock;
        Physical.Frames.OutOfMemory = new OomKiller(Tasks);
        Tasks.AdoptBootThread();
        if (!CommandLine.ValueOf(info.CommandLine, "vdso"u8).SequenceEqual("0"u8))
            Tasks.Vdso = new Vdso(Memory, Clock);
        Calls = SyscallAreas.Build();
        var dispatcher = new Dispatcher(Calls, Memory.Statistics);
        bool trace = CommandLine.Has(info.CommandLine, "trace-calls"u8) || !CommandLine.ValueOf(info.CommandLine, "trace-calls"u8).IsEmpty;
        PerCpu.Hooks = new TaskTrapHooks(
            Tasks, trace ? new TracingDispatcher(dispatcher, Calls, CommandLine.ValueOf(info.CommandLine, "trace-calls"u8)) : dispatcher);
        Tasks.Load.StartCounting();
    }

    /// <summary>The root file system from the initramfs, devices, <c>/proc</c>.</summary>
    public void BuildFiles(in BootInfo info)
    {
        Vfs = FilesSetup.Build(PageCache, Memory.Hugetlb);
        Reclaim.Add(new DentryShrinker(Vfs.Dentries));
        Tasks.Vfs = Vfs;
        foreach (BootRange module in info.Modules)
        {
            var bytes = new ReadOnlySpan<byte>(DirectMap.Pointer(module.Start), (int)module.Length);
            Errno error = InitramfsUnpacker.Unpack(Vfs, bytes, out int count);
            if (error is Errno.ENOMEM or Errno.ENOSPC)
                Panic.Now("not enough memory to unpack the initramfs: give the machine 64 MiB or more"u8);
            if (error != Errno.None)
                Log.Warn($"the initramfs is damaged: error {error}");
            Log.Info($"initramfs: {count} files from {bytes.Length >> 10} KiB");
            Physical.Frames.FreeReserved(module.Start, module.End);
        }

        Io = new IoSystem(Physical, Vfs, new TaskJobControl(Tasks));
        Tasks.NamelessFiles = Io.EventFileSystem;
        Files.Sys.TransparentHugePageFiles.Add(Io.Sys, Memory.HugePages);
        _ = new MachineFiles(Io, Memory, PageCache, Clock, info.CommandLine) { Interrupts = InterruptHandlers };
        ProcessFiles = new ProcessFiles(Tasks, Io);
        HugePoolSetting.AddDirectory(Io.Sys, Memory.Hugetlb.Pool);
        Memory.Hugetlb.Pool.SetSize(Number(info, "hugepages"u8, 0));
        var terminal = new SerialTty(Io, Terminal, new WindowSize
        {
            Rows = Number(info, "rows"u8, 24),
            Columns = Number(info, "cols"u8, 80),
        });
        TmpfsCaches caches = ((TmpfsType)Vfs.FindType("tmpfs"u8)!).Caches;
        PerCpu.PanicCheck = new MemoryPanicCheck(Memory);
        Memory.ThreadHolds = new ThreadHoldsOfTasks(Tasks);
        Memory.SharedMemory = new SharedMemory(Memory, PageCache, caches.MapOperations);
        var devices = new DeviceFileSystem(Io, caches, terminal);
        devices.Mount();
        if (Screen is not null)
            devices.AddDevice(new ScreenDevice(Io, Screen));
        for (BlockDevice? disk = Disks.First; disk is not null;)
        {
            BlockDevice? next = disk.Next;
            Vfs.Blocks.Register(disk, devices.Root);
            disk = next;
        }
    }

    // A number of the command line; anything else is the default.
    private static ushort Number(in BootInfo info, ReadOnlySpan<byte> name, ushort otherwise)
        => ProcNumber.TryParse(CommandLine.ValueOf(info.CommandLine, name), out int value) && value is > 0 and <= ushort.MaxValue
            ? (ushort)value
            : otherwise;

    /// <summary>Process 1 and the kernel's own threads; they run when the boot thread becomes idle.</summary>
    public void BuildInit(in BootInfo info)
    {
        SetFailure(CommandLine.ValueOf(info.CommandLine, "fail"u8));
        RunSelfTests(CommandLine.ValueOf(info.CommandLine, "test"u8));
        ReadOnlySpan<byte> path = CommandLine.ValueOf(info.CommandLine, "init"u8);
        if (KernelThreads.Create(Tasks, "init"u8, new InitProcess(Tasks, path), out _) != Errno.None
            || KernelThreads.Create(Tasks, "kthreadd"u8, new KernelThreadCollector(), out _) != Errno.None
            || (Disks.First is not null && KernelThreads.Create(Tasks, "kworker/flush"u8, new WritebackThread(Vfs, PageCache), out _) != Errno.None)
            || KernelThreads.Create(Tasks, "kswapd0"u8, new Kswapd(Reclaim), out _) != Errno.None)
        {
            Panic.Now("too little memory to start"u8);
        }
    }

    private void RunSelfTests(ReadOnlySpan<byte> chosen)
    {
        if (chosen.IsEmpty)
            return;
        var tests = new SelfTests(Terminal, Memory, PageCache, Timers, Features);
        tests.Run(chosen);
        ProcessFiles.SelfTestsRun = tests.Ran;
        ProcessFiles.SelfTestsFailed = tests.Failed;
    }

    /// <summary><c>fail=KINDS:N</c>: the Nth such request after the first program has been loaded fails.</summary>
    private void SetFailure(ReadOnlySpan<byte> wanted)
    {
        if (wanted.IsEmpty)
            return;
        if (FailureWords.TryParse(wanted, out FailureKinds kinds, out ulong number, out bool repeat))
            Physical.Failures.SetPending(kinds, number, repeat);
        else
            Log.Warn($"fail={wanted} is not understood: fail=KIND[,KIND...]:N or :N+, kinds alloc frame object bytes array vmalloc table swap copy io all");
    }

    /// <summary>Two lines at most: the words that nobody knows, and those that have no effect.</summary>
    private static void ReportCommandLine(in BootInfo info)
    {
        if (info.IsCommandLineCut)
            Log.Warn($"the command line is longer than {BootInfo.LongestCommandLine} bytes; the rest is not looked at");
        Span<byte> room = stackalloc byte[2 * LogText.Capacity];
        var unknown = new TextWriter(room[..LogText.Capacity]);
        var wrong = new TextWriter(room[LogText.Capacity..]);
        ReadOnlySpan<byte> line = info.CommandLine;
        while (CommandLine.TryNext(ref line, out ReadOnlySpan<byte> word))
        {
            CommandLineWord verdict = CommandLineWords.Judge(word);
            if (verdict == CommandLineWord.Unknown)
                AddWord(ref unknown, word);
            else if (verdict == CommandLineWord.Wrong)
                AddWord(ref wrong, word);
        }

        if (!unknown.Written.IsEmpty)
            Log.Info($"Unknown kernel command line parameters{unknown.Written}, will be passed to user space.");
        if (!wrong.Written.IsEmpty)
            Log.Warn($"command line: without effect, for the value is none that the word can have:{wrong.Written}");
    }

    private static void AddWord(ref Core.TextWriter to, ReadOnlySpan<byte> word)
    {
        to.Text(" "u8);
        foreach (byte b in word)
            to.Byte(b is > (byte)' ' and < 0x7f ? b : (byte)'?');
    }

    private void SeedRandom(in BootInfo info)
    {
        var generator = new RandomGenerator();
        for (int i = 0; i < 8; i++)
        {
            ulong value;
            if (Features.HasRdrand && Cpu.ReadRandom(&value) != 0)
                generator.AddSeed(value);
            generator.AddSeed(Cpu.ReadTsc());
        }
        generator.AddSeed(info.StartTsc);
        Core.Random.Install(generator);
    }
}
