using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Memory.Physical;

namespace NanoVm.Tests.Machine;

/// <summary>A machine in the test's own memory: RAM, frame descriptors, a root table, and the allocators of the kernel over them.</summary>
/// <remarks>
/// One a test, and one at a time a thread: the edge classes (<see cref="DirectMap"/> and its neighbours) find it through
/// <see cref="Current"/>. RAM that is never touched costs nothing, so a machine may be large.
/// </remarks>
internal sealed unsafe partial class HostMachine : IDisposable
{
    [ThreadStatic]
    private static HostMachine? s_current;

    private readonly byte* _ram;
    private readonly PageFrame* _descriptors;

    /// <summary>Physical address to host address.</summary>
    public byte* Ram => _ram;
    public ulong RamEnd { get; }

    /// <summary>Objects in the memory of object caches, both ways.</summary>
    public readonly Dictionary<nint, object> ObjectsByAddress = [];
    public readonly Dictionary<object, nint> AddressesByObject = new(ReferenceEqualityComparer.Instance);

    public bool InterruptsEnabled = true;
    public Pfn Root;
    public ulong TlbFlushes;
    public ulong Nanoseconds;
    public System.Random Seeded = new(1);
    public KernelThread? CurrentThread;
    public Scheduler? Scheduler;

    public PhysicalMemory Memory { get; }

    public static HostMachine Current => s_current ?? throw new InvalidOperationException("this test has no machine");

    public HostMachine(ulong ramBytes = 16 << 20)
        : this((0, ramBytes))
    {
    }

    /// <param name="ranges">Where the machine has RAM. Its first page is reserved, like page zero of a real one.</param>
    public HostMachine(params (ulong Start, ulong End)[] ranges)
    {
        if (s_current is not null)
            throw new InvalidOperationException("the test before this one has not disposed its machine");
        s_current = this;

        foreach ((_, ulong end) in ranges)
            RamEnd = Math.Max(RamEnd, end);
        ulong blockBytes = FrameTable.BlockFrames * PageSize.Bytes;
        RamEnd = (RamEnd + blockBytes - 1) & ~(blockBytes - 1);
        _ram = (byte*)NativeMemory.AlignedAlloc((nuint)RamEnd, 4 << 20);
        _descriptors = (PageFrame*)NativeMemory.AllocZeroed((nuint)(RamEnd >> PageSize.Shift), (nuint)sizeof(PageFrame));

        var boot = new BootMemory();
        boot.Reserve(new(0, PageSize.Bytes));
        foreach ((ulong start, ulong end) in ranges)
            boot.AddRam(new(start, end));
        boot.DirectMapComplete();
        Root = boot.Allocate(PageSize.Bytes).Pfn;
#if NANOVM_DEBUG
        // What the allocator takes over is poisoned there, page by page; that is for small machines.
#endif
        Memory = new PhysicalMemory(boot, new FrameTable(_descriptors), Root);
    }

    public void Dispose()
    {
        s_current = null;
        NativeMemory.AlignedFree(_ram);
        NativeMemory.Free(_descriptors);
    }
}
