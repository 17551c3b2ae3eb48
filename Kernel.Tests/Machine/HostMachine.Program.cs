using System.Buffers.Binary;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tests.Machine;

/// <summary>Programs on the machine: tasks with address spaces, and their loads and stores, which fault and are tried again like real ones.</summary>
internal sealed unsafe partial class HostMachine
{
    private MemorySystem? _system;

    /// <summary>Page cache and operations for files that tests map.</summary>
    public PageCache Cache { get; private set; } = null!;
    public FileMapOperations FileOperations { get; private set; } = null!;

    /// <summary>The kernel's virtual memory, built at first use.</summary>
    public MemorySystem System => _system ??= BuildSystem();

    private MemorySystem BuildSystem()
    {
        Scheduler ??= new HostScheduler();
        var system = new MemorySystem(Memory, Root, Levels);
        Cache = new PageCache(Memory);
        FileOperations = new FileMapOperations(Cache);
        system.SharedMemory = new SharedMemory(system, Cache, FileOperations);
        return system;
    }

    /// <summary>A task with a fresh address space, laid out as exec does without randomness, made the running one.</summary>
    public HostTask StartTask()
    {
        MemorySystem system = System;
        var task = new HostTask();
        task.Limits.InitializeDefaults(1000);
        task.ActiveMm = system.InitMm.Grab();
        CurrentThread ??= task;
        MmStruct mm = MmStruct.AllocateForExec(system, 8 << 20, legacy: false, randomize: false) ?? throw new OutOfMemoryException();
        mm.EndData = mm.StartData = new VirtAddr(0x60_0000);
        mm.PlaceHeap(new VirtAddr(0x60_0000), isLoader: false);
        Run(task);
        SwitchMm.Adopt(task, mm);
        return task;
    }

    /// <summary>The child of a fork of the running task; not yet running. Null when there is no memory.</summary>
    public HostTask? Fork(HostTask parent, out Errno error)
    {
        if (!parent.Mm!.DupMmap().TryGet(out MmStruct mm, out error))
            return null;
        var child = new HostTask { Mm = mm, MayDoAll = parent.MayDoAll };
        child.Limits.CopyFrom(parent.Limits);
        return child;
    }

    /// <summary>Switches to <paramref name="task"/>.</summary>
    public void Run(HostTask task)
    {
        if (CurrentThread is HostTask previous && previous != task)
            SwitchMm.Switch(previous, task);
        CurrentThread = task;
    }

    /// <summary>Ends a task; the kernel's own thread runs on.</summary>
    public void Exit(HostTask task)
    {
        Run(task);
        MmStruct? mm = SwitchMm.Abandon(task);
        mm?.Put();
        // The dead task ran on lazily; a thread that runs on the kernel's own tables takes over, so that the mm goes at once.
        var idle = new HostTask { ActiveMm = System.InitMm.Grab() };
        idle.Limits.InitializeDefaults(1000);
        CurrentThread = idle;
        LoadRoot(System.InitMm.Root);
        task.ActiveMm!.Drop();
        task.ActiveMm = null;
    }

    /// <summary>The program loads or stores one byte after another; faults go to the kernel.</summary>
    /// <returns><see cref="PageFaultResult.Handled"/>, or what the signal would be.</returns>
    public PageFaultResult Touch(HostTask task, VirtAddr address, Access access, out PhysAddr physical, bool user = true)
    {
        Run(task);
        for (int attempt = 0; attempt < 8; attempt++)
        {
            if (Translate(address, access, user, out physical) is not { } code)
                return PageFaultResult.Handled;
            PageFaultResult result = PageFaultHandler.DoUserAddrFault(task, address, code);
            if (result != PageFaultResult.Handled)
                return result;
        }

        throw new InvalidOperationException($"the access to {address.Value:x} faults for ever");
    }

    /// <summary>Reads or writes user memory as the kernel's user copy does, for the task that runs.</summary>
    /// <returns>Bytes not done: not zero when a fault was not handled.</returns>
    public ulong AccessKernel(VirtAddr address, Span<byte> data, bool write)
    {
        var task = (HostTask)PerCpu.Current;
        int done = 0;
        while (done < data.Length)
        {
            VirtAddr at = address + (ulong)done;
            int part = (int)Math.Min((ulong)(data.Length - done), PageSize.Bytes - at.PageOffset);
            PageFaultResult result = Touch(task, at, write ? Access.Write : Access.Read, out PhysAddr physical, user: false);
            if (result != PageFaultResult.Handled)
            {
                Xunit.Assert.Equal(PageFaultResult.KernelFixup, result);
                break;
            }

            var ram = new Span<byte>(DirectMap.Pointer(physical), part);
            Span<byte> mine = data.Slice(done, part);
            if (write)
                mine.CopyTo(ram);
            else
                ram.CopyTo(mine);
            done += part;
        }

        return (ulong)(data.Length - done);
    }

    /// <summary>Stores eight bytes.</summary>
    public PageFaultResult Store(HostTask task, VirtAddr address, ulong value)
    {
        PageFaultResult result = Touch(task, address, Access.Write, out PhysAddr physical);
        if (result == PageFaultResult.Handled)
            *(ulong*)DirectMap.Pointer(physical) = value;
        return result;
    }

    /// <summary>Loads eight bytes.</summary>
    public PageFaultResult Load(HostTask task, VirtAddr address, out ulong value)
    {
        PageFaultResult result = Touch(task, address, Access.Read, out PhysAddr physical);
        value = result == PageFaultResult.Handled ? *(ulong*)DirectMap.Pointer(physical) : 0;
        return result;
    }

    /// <summary>A file in memory whose page n is filled with n + 1000 times <paramref name="number"/> until it is written.</summary>
    public HostFile CreateFile(ulong bytes, ulong number = 1, Access allowed = Access.Read | Access.Write | Access.Execute)
    {
        _ = System;
        HostFile.Space space = (_spaces ??= new(Memory, "test_space"u8)).Allocate()!;
        space.Initialize(Cache, bytes, number);
        return new HostFile(this, space, number, allowed);
    }

    private NanoVm.Memory.Physical.ObjectCache<HostFile.Space>? _spaces;

    internal void FreeSpace(HostFile.Space space)
    {
        space.Evict();
        _spaces!.Free(space);
    }
}

/// <summary>A task of a test.</summary>
internal sealed class HostTask : TaskMemory
{
    public HostTask() => Limits = new ResourceLimits();

    /// <summary>All capabilities.</summary>
    public bool MayDoAll;

    public override bool HasCapability(int capability) => MayDoAll;
}

/// <summary>Nobody else ever runs.</summary>
internal sealed class HostScheduler : Scheduler
{
    public override void Schedule() => throw new InvalidOperationException("a test would sleep");

    public override void Wake(KernelThread thread)
    {
    }

    public override ulong ScheduleTimeout(ulong deadlineNanoseconds) => throw new InvalidOperationException("a test would sleep");
}

/// <summary>A file of a test.</summary>
internal sealed class HostFile(HostMachine machine, HostFile.Space space, ulong number, Access allowed) : MappableFile
{
    private int _references = 1;

    /// <summary>Its page cache.</summary>
    internal sealed class Space : AddressSpace
    {
        private ulong _bytes;
        private ulong _number;

        public void Initialize(PageCache cache, ulong bytes, ulong number)
        {
            Initialize(cache);
            _bytes = bytes;
            _number = number;
        }

        public override ulong SizeBytes => _bytes;

        public void SetSize(ulong bytes)
        {
            _bytes = bytes;
            Truncate(bytes);
        }

        /// <summary>The next read fails.</summary>
        public bool IsBroken;

        public override Errno ReadPage(Pfn page, ulong index)
        {
            if (IsBroken)
                return Errno.EIO;
            BinaryPrimitives.WriteUInt64LittleEndian(DirectMap.Page(page), index + _number * 1000);
            return Errno.None;
        }
    }

    public Space Pages => space;
    public int References => _references;

    public override AddressSpace? Mapping => space;
    public override Access Allowed => allowed;
    public override ulong Device => 1;
    public override ulong InodeNumber => number;

    public override void Get() => _references++;

    public override void Put()
    {
        if (--_references == 0)
            machine.FreeSpace(space);
    }

    public override Errno Mmap(VmArea area)
    {
        area.Operations = machine.FileOperations;
        return Errno.None;
    }

    public override void WritePath(ref Core.TextWriter to) => to.Text("/test/file"u8);
}
