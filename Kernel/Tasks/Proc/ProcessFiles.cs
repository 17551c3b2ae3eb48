using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Files.Proc.Machine;

namespace NanoVm.Tasks.Proc;

/// <summary>The part of <c>/proc</c> that is about processes, and <c>/proc/sys</c>. Built once by <c>Kernel.cs</c>.</summary>
internal sealed class ProcessFiles
{
    /// <summary>Makes all nodes and installs the source of processes.</summary>
    public ProcessFiles(TaskSystem system, IoSystem io)
    {
        System = system;
        Io = io;
        BootIdHigh = Core.Random.Next();
        BootIdLow = Core.Random.Next();
        ProcFileSystem proc = io.Proc;

        var thread = new TaskDirectory(system, default);
        AddCommon(thread);
        var process = new TaskDirectory(system, default);
        process.Index = proc.NextIndex();
        AddCommon(process);
        AddOfProcess(process);
        process.Add(proc, new ThreadsDirectory(system, proc, thread));
        io.Processes = new ProcessSource(system, process);

        ProcDirectory root = proc.Root;
        root.Add(proc, new SelfLink("self"u8, thread: false));
        root.Add(proc, new SelfLink("thread-self"u8, thread: true));
        root.Add(proc, new FixedLink("mounts"u8, "self/mounts"u8));
        root.Add(proc, new VersionFile());
        var interprocess = new ProcDirectory("sysvipc"u8);
        root.Add(proc, interprocess);
        interprocess.Add(proc, new MessageQueuesFile(system.Messages));
        interprocess.Add(proc, new SemaphoreSetsFile(system.Semaphores));
        interprocess.Add(proc, new SharedSegmentsFile(io.Vfs.Segments));
        root.Add(proc, new SysrqTrigger(system));
        AddSettings(proc, root);
    }

    /// <summary>All tasks.</summary>
    public TaskSystem System { get; }

    /// <summary>The machine's files.</summary>
    public IoSystem Io { get; }

    /// <summary>Cases and failures of the kernel's own suites, for init. <c>/proc/sys/kernel/nanovm_selftest</c>.</summary>
    public int SelfTestsRun;
    public int SelfTestsFailed;

    internal ulong BootIdHigh { get; }

    internal ulong BootIdLow { get; }

    internal int DropCaches { get; set; }

    private void AddCommon(ProcDirectory directory)
    {
        ProcFileSystem proc = Io.Proc;
        TaskSystem s = System;
        directory.Add(proc, new DescriptorDirectory(s, proc, "fd"u8, new PlaceLink(s, default, PlaceKind.Descriptor)));
        directory.Add(proc, new DescriptorDirectory(s, proc, "fdinfo"u8, new DescriptorInfo(s), 0x16D));
        directory.Add(proc, new ArgumentFile(s, "environ"u8, environment: true));
        directory.Add(proc, new AuxvFile(s));
        directory.Add(proc, new StatusFile(s));
        directory.Add(proc, new PersonalityFile(s));
        directory.Add(proc, new LimitsFile(s));
        directory.Add(proc, new CommFile(s));
        directory.Add(proc, new SyscallFile(s));
        directory.Add(proc, new ArgumentFile(s, "cmdline"u8, environment: false));
        directory.Add(proc, new TaskStat(s));
        directory.Add(proc, new TaskStatm(s));
        directory.Add(proc, new MapsFile(s));
        directory.Add(proc, new NumaMapsFile(s));
        directory.Add(proc, new MemFile(s));
        directory.Add(proc, new PlaceLink(s, "cwd"u8, PlaceKind.WorkingDirectory));
        directory.Add(proc, new PlaceLink(s, "root"u8, PlaceKind.Root));
        directory.Add(proc, new PlaceLink(s, "exe"u8, PlaceKind.Program));
        directory.Add(proc, new MountsFile(s, "mounts"u8, info: false));
        directory.Add(proc, new MountsFile(s, "mountinfo"u8, info: true));
        directory.Add(proc, new SmapsFile(s));
        directory.Add(proc, new SmapsRollup(s));
        directory.Add(proc, new PagemapFile(s));
        directory.Add(proc, new ClearRefsFile(s));
        directory.Add(proc, new VmaTreeFile(s));
        directory.Add(proc, new PageTablesFile(s));
        directory.Add(proc, new ExplainFile(s));
        directory.Add(proc, new WchanFile(s));
        directory.Add(proc, new StackFile(s));
        directory.Add(proc, new CoreFilterFile(s));
        directory.Add(proc, new TimerSlackFile(s));
        directory.Add(proc, new SchedStatFile(s));
        directory.Add(proc, new CgroupFile(s));
        directory.Add(proc, new OomFile(s, "oom_score"u8, OomFile.Kind.Score));
        directory.Add(proc, new OomFile(s, "oom_adj"u8, OomFile.Kind.OldAdjustment));
        directory.Add(proc, new OomFile(s, "oom_score_adj"u8, OomFile.Kind.Adjustment));
        directory.Add(proc, new LoginUidFile(s));
        directory.Add(proc, new SessionIdFile(s));
        directory.Add(proc, new IoFile(s));
        directory.Add(proc, new IdMapFile(s, "uid_map"u8));
        directory.Add(proc, new IdMapFile(s, "gid_map"u8));
        directory.Add(proc, new IdMapFile(s, "projid_map"u8));
        directory.Add(proc, new SetgroupsFile(s));
        SecurityFile.AddDirectory(s, proc, directory);
        directory.Add(proc, new SameForAll(s, "cpuset"u8, "/"u8));
        directory.Add(proc, new SameForAll(s, "cpu_resctrl_groups"u8, "res:\nmon:"u8));
        directory.Add(proc, new SameForAll(s, "patch_state"u8, "-1"u8, 0x100));
        directory.Add(proc, new SameForAll(s, "ksm_merging_pages"u8, "0"u8, 0x100));
        directory.Add(proc, new SameForAll(s, "ksm_stat"u8, "ksm_rmap_items 0"u8, 0x100));
        directory.Add(proc, new SameForAll(s, "arch_status"u8, default));
        directory.Add(proc, new FailNthFile(s));
        directory.Add(proc, new FailKindsFile(s));
    }

    /// <summary>What only whole processes have.</summary>
    private void AddOfProcess(ProcDirectory process)
    {
        ProcFileSystem proc = Io.Proc;
        process.Add(proc, new MapFilesDirectory(System, proc));
        process.Add(proc, new TimersFile(System));
        process.Add(proc, new SameForAll(System, "timens_offsets"u8, "monotonic           0         0\nboottime            0         0"u8, 0x1A4));
    }

    private void AddSettings(ProcFileSystem proc, ProcDirectory root)
    {
        var sys = new ProcDirectory("sys"u8) { BindsRoot = true };
        root.Add(proc, sys);
        var kernel = new ProcDirectory("kernel"u8);
        sys.Add(proc, kernel);
        Add(kernel, "hostname"u8, Setting.HostName);
        Add(kernel, "domainname"u8, Setting.DomainName);
        Add(kernel, "ostype"u8, Setting.KernelName, ReadOnly);
        Add(kernel, "osrelease"u8, Setting.Release, ReadOnly);
        Add(kernel, "version"u8, Setting.Version, ReadOnly);
        Add(kernel, "pid_max"u8, Setting.PidMax);
        Add(kernel, "threads-max"u8, Setting.ThreadsMax);
        Add(kernel, "randomize_va_space"u8, Setting.RandomizeVaSpace);
        Add(kernel, "nanovm_exit_status"u8, Setting.ExitStatus);
        Add(kernel, "nanovm_selftest"u8, Setting.SelfTest, ReadOnly);
        Add(kernel, "core_pattern"u8, Setting.CorePattern);
        Add(kernel, "core_uses_pid"u8, Setting.CoreUsesPid);
        Add(kernel, "printk"u8, Setting.Printk, ReadOnly);
        Add(kernel, "cap_last_cap"u8, Setting.CapLastCap, ReadOnly);
        Add(kernel, "ngroups_max"u8, Setting.GroupsMax, ReadOnly);
        Add(kernel, "sched_child_runs_first"u8, Setting.ChildRunsFirst);
        Add(kernel, "sched_rt_period_us"u8, Setting.RealTimePeriod);
        Add(kernel, "sched_rt_runtime_us"u8, Setting.RealTimeRuntime);
        Add(kernel, "panic_on_oops"u8, Setting.PanicOnOops, ReadOnly);
        Add(kernel, "kptr_restrict"u8, Setting.KptrRestrict, ReadOnly);
        Add(kernel, "dmesg_restrict"u8, Setting.DmesgRestrict, ReadOnly);
        Add(kernel, "overflowuid"u8, Setting.OverflowUid, ReadOnly);
        Add(kernel, "overflowgid"u8, Setting.OverflowGid, ReadOnly);
        kernel.Add(proc, new SharedMemorySetting(Io.Vfs.Segments, "shmmax"u8, SharedMemoryLimit.Bytes));
        kernel.Add(proc, new SharedMemorySetting(Io.Vfs.Segments, "shmall"u8, SharedMemoryLimit.Pages));
        kernel.Add(proc, new SharedMemorySetting(Io.Vfs.Segments, "shmmni"u8, SharedMemoryLimit.Segments));
        var random = new ProcDirectory("random"u8);
        kernel.Add(proc, random);
        Add(random, "boot_id"u8, Setting.BootId, ReadOnly);
        Add(random, "uuid"u8, Setting.Uuid, ReadOnly);
        Add(random, "entropy_avail"u8, Setting.EntropyAvailable, ReadOnly);
        Add(random, "poolsize"u8, Setting.PoolSize, ReadOnly);
        var pty = new ProcDirectory("pty"u8);
        kernel.Add(proc, pty);
        Add(pty, "max"u8, Setting.PtyMax, ReadOnly);
        Add(pty, "nr"u8, Setting.PtyCount, ReadOnly);

        var vm = new ProcDirectory("vm"u8);
        sys.Add(proc, vm);
        Add(vm, "max_map_count"u8, Setting.MaxMapCount);
        Add(vm, "overcommit_memory"u8, Setting.OvercommitMemory);
        Add(vm, "overcommit_ratio"u8, Setting.OvercommitRatio);
        Add(vm, "overcommit_kbytes"u8, Setting.OvercommitKilobytes);
        Add(vm, "mmap_min_addr"u8, Setting.MmapMinAddress);
        Add(vm, "swappiness"u8, Setting.Swappiness);
        Add(vm, "unprivileged_userfaultfd"u8, Setting.UnprivilegedUserfaults);
        Add(vm, "drop_caches"u8, Setting.DropCaches, 0x80);
        Add(vm, "admin_reserve_kbytes"u8, Setting.AdminReserve);
        Add(vm, "user_reserve_kbytes"u8, Setting.UserReserve);
        Add(vm, "page-cluster"u8, Setting.PageCluster, ReadOnly);
        Add(vm, "min_free_kbytes"u8, Setting.MinFree);
        Add(vm, "watermark_scale_factor"u8, Setting.WatermarkScale);
        Add(vm, "oom_kill_allocating_task"u8, Setting.OomKillAllocatingTask);
        Add(vm, "panic_on_oom"u8, Setting.PanicOnOom);
        Add(vm, "oom_dump_tasks"u8, Setting.OomDumpTasks);
        HugePoolSetting.AddSettings(proc, vm, System.Memory.Hugetlb.Pool);

        if (System.Memory.PageCache is { } cache)
        {
            vm.Add(proc, new DirtySetting(cache, "dirty_ratio"u8, DirtyLimitKind.Ratio));
            vm.Add(proc, new DirtySetting(cache, "dirty_background_ratio"u8, DirtyLimitKind.BackgroundRatio));
            vm.Add(proc, new DirtySetting(cache, "dirty_bytes"u8, DirtyLimitKind.Bytes));
            vm.Add(proc, new DirtySetting(cache, "dirty_background_bytes"u8, DirtyLimitKind.BackgroundBytes));
            vm.Add(proc, new DirtySetting(cache, "dirty_expire_centisecs"u8, DirtyLimitKind.Expire));
            vm.Add(proc, new DirtySetting(cache, "dirty_writeback_centisecs"u8, DirtyLimitKind.Writeback));
        }

        var fs = new ProcDirectory("fs"u8);
        sys.Add(proc, fs);
        Add(fs, "file-max"u8, Setting.FileMax, ReadOnly);
        Add(fs, "file-nr"u8, Setting.FileCount, ReadOnly);
        Add(fs, "nr_open"u8, Setting.OpenMax, ReadOnly);
        Add(fs, "pipe-max-size"u8, Setting.PipeMaxSize);
        Add(fs, "inode-nr"u8, Setting.InodeCount, ReadOnly);
        Add(fs, "dentry-state"u8, Setting.DentryState, ReadOnly);
        Add(fs, "protected_symlinks"u8, Setting.ProtectedLinks, ReadOnly);
        Add(fs, "protected_hardlinks"u8, Setting.ProtectedLinks, ReadOnly);
        Add(fs, "mount-max"u8, Setting.SomeMaximum, ReadOnly);
    }

    private const uint ReadOnly = 0x124;

    private void Add(ProcDirectory directory, ReadOnlySpan<byte> name, Setting setting, uint permissions = 0x1A4)
        => directory.Add(Io.Proc, new SysctlFile(this, name, setting, permissions));
}

/// <summary><c>/proc/version</c>.</summary>
internal sealed class VersionFile() : ProcPage("version"u8)
{
    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text(SystemNames.KernelName);
        w.Text(" version "u8);
        w.Text(SystemNames.Release);
        w.Text(" (nanovm@nanovm) (ilc 10.0.14) "u8);
        w.Text(SystemNames.Version);
        w.Byte((byte)'\n');
        return Errno.None;
    }
}
