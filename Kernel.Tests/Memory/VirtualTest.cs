using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>A machine with one running program, short names for what programs do, and a ledger that is checked at the end.</summary>
public abstract class VirtualTest : IDisposable
{
    internal const ulong Page = 4096;
    internal const Protection R = Protection.Read;
    internal const Protection RW = Protection.Read | Protection.Write;
    internal const Protection RX = Protection.Read | Protection.Execute;

    internal readonly HostMachine Machine;
    internal readonly HostTask Task;
    private readonly Ledger _before;

    protected VirtualTest()
        : this(4)
    {
    }

    protected VirtualTest(int levels)
    {
        Machine = new HostMachine(64UL << 20) { Levels = levels };
        MemorySystem system = Machine.System;
        _before = Ledger.Of(Machine);
        Task = Machine.StartTask();
    }

    internal MmStruct Mm => Task.Mm!;

    /// <summary>Ends the program and checks that nothing is lost.</summary>
    public void Dispose()
    {
        try
        {
            if (Task.Mm is not null)
            {
                Check(Mm);
                Machine.Exit(Task);
            }

            Assert.Equal(_before, Ledger.Of(Machine));
            Machine.Memory.Validate();
        }
        finally
        {
            Machine.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>The structures agree with each other, and the TLB with the tables.</summary>
    internal void Check(MmStruct mm)
    {
        ReadOnlySpan<byte> broken = mm.Validate();
        if (!broken.IsEmpty)
            Assert.Fail(System.Text.Encoding.UTF8.GetString(broken));
        Machine.CheckTlb();
    }

    internal Result<VirtAddr> TryMap(ulong pages, Protection protection = RW, MapFlags flags = MapFlags.Private | MapFlags.Anonymous, ulong at = 0,
        MappableFile? file = null, ulong offset = 0)
    {
        var request = new MmapRequest
        {
            File = file,
            Address = new VirtAddr(at),
            Length = pages * Page,
            Protection = protection,
            Flags = flags,
            PageOffset = offset,
        };
        Mm.MmapLock.WriteLock();
        Result<VirtAddr> result = Mm.DoMmap(request, out ulong populate);
        Mm.MmapLock.WriteUnlock();
        if (populate != 0)
            Mm.Populate(new PageRange(result.Value, result.Value + populate));
        Check(Mm);
        return result;
    }

    internal ulong Map(ulong pages, Protection protection = RW, MapFlags flags = MapFlags.Private | MapFlags.Anonymous, ulong at = 0,
        MappableFile? file = null, ulong offset = 0)
    {
        Result<VirtAddr> result = TryMap(pages, protection, flags, at, file, offset);
        Assert.Equal(Errno.None, result.Error);
        return result.Value.Value;
    }

    internal ulong MapFixed(ulong at, ulong pages, Protection protection = RW) => Map(pages, protection, MapFlags.Private | MapFlags.Anonymous | MapFlags.Fixed, at);

    internal Errno Unmap(ulong start, ulong pages)
    {
        Mm.MmapLock.WriteLock();
        Errno error = Mm.DoMunmap(Range(start, pages));
        Mm.MmapLock.WriteUnlock();
        Check(Mm);
        return error;
    }

    internal Errno Protect(ulong start, ulong pages, Protection protection)
    {
        Errno error = Mm.Mprotect(new VirtAddr(start), pages * Page, protection);
        Check(Mm);
        return error;
    }

    internal Result<VirtAddr> Remap(ulong start, ulong oldPages, ulong newPages, RemapFlags flags = RemapFlags.MayMove, ulong to = 0)
    {
        Result<VirtAddr> result = Mm.Mremap(new VirtAddr(start), oldPages * Page, newPages * Page, flags, new VirtAddr(to), out _);
        Check(Mm);
        return result;
    }

    internal Errno Advise(ulong start, ulong pages, MemoryAdvice advice)
    {
        Errno error = Mm.Madvise(new VirtAddr(start), pages * Page, advice);
        Check(Mm);
        return error;
    }

    internal ulong Break(ulong wanted)
    {
        Mm.MmapLock.WriteLock();
        VirtAddr end = Mm.DoBrk(new VirtAddr(wanted), out _);
        Mm.MmapLock.WriteUnlock();
        Check(Mm);
        return end.Value;
    }

    internal static PageRange Range(ulong start, ulong pages) => new(new VirtAddr(start), new VirtAddr(start + pages * Page));

    internal PageFaultResult Write(ulong address, ulong value, HostTask? task = null)
    {
        PageFaultResult result = Machine.Store(task ?? Task, new VirtAddr(address), value);
        Machine.CheckTlb();
        return result;
    }

    internal void Put(ulong address, ulong value, HostTask? task = null) => Assert.Equal(PageFaultResult.Handled, Write(address, value, task));

    internal PageFaultResult Read(ulong address, HostTask? task = null) => Machine.Load(task ?? Task, new VirtAddr(address), out _);

    internal ulong Get(ulong address, HostTask? task = null)
    {
        Assert.Equal(PageFaultResult.Handled, Machine.Load(task ?? Task, new VirtAddr(address), out ulong value));
        Machine.CheckTlb();
        return value;
    }

    /// <summary>The areas as text: <c>start-end rwxs offset</c>, in pages from <paramref name="from"/>.</summary>
    internal string Areas(ulong from)
    {
        var text = new List<string>();
        for (VmArea? area = Mm.FirstArea; area is not null; area = area.Next)
        {
            if (area.Start.Value < from || (area.Flags & VmFlags.GrowsDown) != 0)
                continue;
            string rights = $"{(area.Has(VmFlags.Read) ? 'r' : '-')}{(area.Has(VmFlags.Write) ? 'w' : '-')}{(area.Has(VmFlags.Execute) ? 'x' : '-')}";
            text.Add($"{(area.Start.Value - from) / Page}-{(area.End.Value - from) / Page} {rights}");
        }

        return string.Join(", ", text);
    }

    internal HostTask Fork(HostTask? parent = null)
    {
        HostTask? child = Machine.Fork(parent ?? Task, out Errno error);
        Assert.Equal(Errno.None, error);
        Check(child!.Mm!);
        Check((parent ?? Task).Mm!);
        return child;
    }

    internal void Exit(HostTask task)
    {
        Machine.Exit(task);
        Machine.Run(Task);
    }
}

/// <summary>What must be the same before and after.</summary>
internal sealed record Ledger(ulong FreeFrames, ulong Mms, ulong Areas, ulong AnonVmas, ulong Chains, ulong Committed, ulong Tables, ulong Anonymous, ulong Mapped)
{
    public static Ledger Of(HostMachine machine)
    {
        MemorySystem system = machine.System;
        machine.Memory.Shrink();
        return new Ledger(machine.Memory.Frames.FreeFrames.Value, system.Mms.Count, system.Areas.Count, system.AnonVmas.Count, system.AnonVmaChains.Count,
            system.CommittedPages, system.PageTablePages, system.AnonymousPages, system.FileMappedPages);
    }
}
