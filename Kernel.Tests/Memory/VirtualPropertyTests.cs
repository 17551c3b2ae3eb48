using FsCheck;
using FsCheck.Fluent;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>Random streams of memory calls: after each, the kernel's address spaces must be what a naive table of pages says.</summary>
public sealed class VirtualPropertyTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void A_long_stream_of_calls_equals_the_model(int seed)
    {
        using var run = new ModelRun(seed);
        for (int step = 0; step < 1500; step++)
            run.Step();
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void The_same_holds_with_five_levels(int seed)
    {
        using var run = new ModelRun(seed, levels: 5);
        for (int step = 0; step < 600; step++)
            run.Step();
    }

    [Theory]
    [InlineData(21)]
    [InlineData(22)]
    [InlineData(23)]
    public void Every_allocation_in_turn_may_fail(int seed)
    {
        using var run = new ModelRun(seed) { FailEach = true };
        for (int step = 0; step < 250; step++)
            run.Step();
    }

    [Fact]
    public void Short_streams_from_FsCheck_equal_the_model()
    {
        Prop.ForAll(ArbMap.Default.ArbFor<int>(), seed =>
        {
            using var run = new ModelRun(seed);
            for (int step = 0; step < 60; step++)
                run.Step();
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }
}

/// <summary>A machine, some tasks, and the model of each.</summary>
internal sealed class ModelRun : IDisposable
{
    private const ulong Page = 4096;
    private const ulong WindowFirst = 0x4000_0000 >> 12;       // fixed mappings lie here: 600 pages around a border of page tables
    private const ulong WindowPages = 600;

    private readonly HostMachine _machine;
    private readonly Ledger _before;
    private readonly System.Random _random;
    private readonly List<(HostTask Task, PageModel Model)> _tasks = [];
    private readonly List<(HostFile File, ModelObject Object)> _files = [];
    private readonly int _seed;
    private int _step;
    private string _last = "";

    /// <summary>Before each call is made for good, it is made to fail at its first allocation, its second, and so on.</summary>
    public bool FailEach { get; init; }

    public ModelRun(int seed, int levels = 4)
    {
        _seed = seed;
        _random = new System.Random(seed);
        _machine = new HostMachine(64UL << 20) { Levels = levels };
        _ = _machine.System;
        _before = Ledger.Of(_machine);
        _tasks.Add((_machine.StartTask(), new PageModel()));
        for (ulong i = 1; i <= 2; i++)
        {
            ulong number = i;
            _files.Add((_machine.CreateFile(40 * Page, number), new ModelObject(40, page => page + 1000 * number, "file")));
        }
    }

    public void Dispose()
    {
        try
        {
            foreach ((HostTask task, _) in _tasks)
            {
                if (task.Mm is not null)
                    _machine.Exit(task);
            }

            foreach ((HostFile file, _) in _files)
            {
                Assert.Equal(1, file.References);
                file.Put();
            }

            Assert.Equal(_before, Ledger.Of(_machine));
            _machine.Memory.Validate();
        }
        finally
        {
            _machine.Dispose();
        }
    }

    public void Step()
    {
        _step++;
        int which = _random.Next(_tasks.Count);
        (HostTask task, PageModel model) = _tasks[which];
        _machine.Run(task);
        try
        {
            switch (_random.Next(22))
            {
                case 0 or 1 or 2 or 3:
                    Mmap(task, model);
                    break;
                case 4 or 5:
                    Munmap(task, model);
                    break;
                case 6 or 7:
                    Mprotect(task, model);
                    break;
                case 8 or 9:
                    Mremap(task, model);
                    break;
                case 10:
                    Brk(task, model);
                    break;
                case 11:
                    Advise(task, model);
                    break;
                case 12:
                    Lock(task, model);
                    break;
                case 13:
                    ForkOrExit(which);
                    break;
                default:
                    Touch(task, model);
                    break;
            }

            Compare();
        }
        catch (Exception exception) when (exception is not InvalidProgramException)
        {
            throw new InvalidProgramException($"seed {_seed}, step {_step}, {_last}: {exception.Message}", exception);
        }
    }

    /// <summary>Runs a call; with <see cref="FailEach"/> first with each of its allocations failing, after which nothing may have changed.</summary>
    private T Call<T>(Func<T> call, Func<T, bool> failedForMemory, bool hasPartialEffects = false)
    {
        if (!FailEach)
            return call();
        for (ulong n = 1; ; n++)
        {
            Ledger before = Ledger.Of(_machine);
            ulong failures = _machine.Memory.Failures.Failures;
            _machine.Memory.Failures.Arm(n);
            T result = call();
            _machine.Memory.Failures.Disarm();
            if (_machine.Memory.Failures.Failures == failures || !failedForMemory(result))
                return result;
            if (!hasPartialEffects)
            {
                Assert.Equal(before, Ledger.Of(_machine));
                Compare();
            }
        }
    }

    private void Mmap(HostTask task, PageModel model)
    {
        ulong count = Some(40);
        bool fixedPlace = _random.Next(3) != 0;
        bool shared = _random.Next(3) == 0;
        int file = _random.Next(4);
        ulong offset = (ulong)_random.Next(30);
        Protection protection = SomeProtection();
        MapFlags flags = (shared ? MapFlags.Shared : MapFlags.Private) | (fixedPlace ? MapFlags.Fixed : 0) | (file >= 2 ? MapFlags.Anonymous : 0);
        if (fixedPlace && _random.Next(4) == 0)
            flags |= MapFlags.FixedNoReplace;
        ulong place = fixedPlace ? SomePlace(count) : 0;
        _last = $"mmap {place:x} {count} {protection} {flags} file {file} offset {offset}";

        Result<VirtAddr> result = Call(() =>
        {
            var request = new MmapRequest
            {
                File = file < 2 ? _files[file].File : null,
                Address = new VirtAddr(place * Page),
                Length = count * Page,
                Protection = protection,
                Flags = flags,
                PageOffset = offset,
            };
            task.Mm!.MmapLock.WriteLock();
            Result<VirtAddr> mapped = task.Mm.DoMmap(request);
            task.Mm.MmapLock.WriteUnlock();
            return mapped;
        }, r => r.Error == Errno.ENOMEM);

        if ((flags & MapFlags.FixedNoReplace) != 0 && !model.IsFree(place, count))
        {
            Assert.Equal(Errno.EEXIST, result.Error);
            return;
        }

        Assert.Equal(Errno.None, result.Error);
        ulong first = result.Value.Value / Page;
        Assert.Equal(fixedPlace ? place : model.HighestFree(count, task.Mm!.MmapBase.Value / Page), first);
        ModelObject? mapped = file < 2 ? _files[file].Object : shared ? new ModelObject(count, _ => 0, "shared") : null;
        VmFlags rights = Rights(protection) | (shared ? VmFlags.Shared : 0);
        model.Map(first, count, rights, mapped, file < 2 ? offset : 0);
    }

    private void Munmap(HostTask task, PageModel model)
    {
        ulong count = Some(30);
        ulong place = SomePlaceOrMapped(model, count);
        _last = $"munmap {place:x} {count}";
        Errno error = Call(() =>
        {
            task.Mm!.MmapLock.WriteLock();
            Errno e = task.Mm.DoMunmap(Range(place, count));
            task.Mm.MmapLock.WriteUnlock();
            return e;
        }, e => e == Errno.ENOMEM);
        Assert.Equal(Errno.None, error);
        model.Unmap(place, count);
    }

    private void Mprotect(HostTask task, PageModel model)
    {
        ulong count = Some(30);
        ulong place = SomePlaceOrMapped(model, count);
        Protection protection = SomeProtection();
        _last = $"mprotect {place:x} {count} {protection}";
        Errno error = Call(() => task.Mm!.Mprotect(new VirtAddr(place * Page), count * Page, protection), e => e == Errno.ENOMEM,
            hasPartialEffects: true);
        // Linux changes what comes before the first hole.
        ulong done = 0;
        while (done < count && model.Pages.ContainsKey(place + done))
            done++;
        Assert.Equal(done == count ? Errno.None : Errno.ENOMEM, error);
        model.Change(place, done, page => page with { Rights = (page.Rights & ~VmFlags.AccessMask) | Rights(protection) });
    }

    private void Mremap(HostTask task, PageModel model)
    {
        ulong oldCount = Some(12);
        ulong newCount = Some(20);
        ulong place = SomePlaceOrMapped(model, oldCount);
        RemapFlags flags = _random.Next(4) switch
        {
            0 => RemapFlags.None,
            1 => RemapFlags.MayMove,
            2 => RemapFlags.MayMove | RemapFlags.Fixed,
            _ => RemapFlags.MayMove | RemapFlags.DontUnmap,
        };
        if ((flags & RemapFlags.DontUnmap) != 0)
            newCount = oldCount;
        ulong to = (flags & RemapFlags.Fixed) != 0 ? SomePlace(newCount) : 0;
        _last = $"mremap {place:x} {oldCount} → {newCount} {flags} {to:x}";
        Result<VirtAddr> result = task.Mm!.Mremap(new VirtAddr(place * Page), oldCount * Page, newCount * Page, flags, new VirtAddr(to * Page), out _);
        if (!result.IsOk)
        {
            // MREMAP_FIXED clears the target, and a shrink happens, before the rest is checked; else nothing has changed.
            if ((flags & RemapFlags.Fixed) != 0 && result.Error is Errno.EFAULT or Errno.ENOMEM && model.Pages.ContainsKey(place)
                && !(place + oldCount > to && to + newCount > place))
            {
                model.Unmap(to, newCount);
                if (oldCount > newCount)
                    model.Unmap(place + newCount, oldCount - newCount);
            }

            return;
        }

        ulong at = result.Value.Value / Page;
        if (at == place)
        {
            if (newCount <= oldCount)
            {
                model.Unmap(place + newCount, oldCount - newCount);
                return;
            }

            ModelPage last = model.Pages[place + oldCount - 1];
            Assert.True(model.IsFull(place, oldCount) && model.IsFree(place + oldCount, newCount - oldCount));
            model.Map(place + oldCount, newCount - oldCount, last.Rights, last.Object, last.Index + 1);
            return;
        }

        if (oldCount > newCount)
        {
            model.Unmap(place + newCount, oldCount - newCount);
            oldCount = newCount;
        }

        model.Move(place, oldCount, at, newCount, (flags & RemapFlags.DontUnmap) != 0);
    }

    private void Brk(HostTask task, PageModel model)
    {
        MmStruct mm = task.Mm!;
        ulong start = mm.StartBreak.Value;
        ulong wanted = start + (ulong)_random.Next(60 * 4096);
        _last = $"brk {wanted:x}";
        ulong old = mm.Break.Value;
        ulong result = Call(() =>
        {
            mm.MmapLock.WriteLock();
            ulong end = mm.DoBrk(new VirtAddr(wanted), out _).Value;
            mm.MmapLock.WriteUnlock();
            return end;
        }, end => end != wanted);
        ulong oldEnd = (old + Page - 1) / Page;
        ulong newEnd = (wanted + Page - 1) / Page;
        if (newEnd < oldEnd && model.IsFree(newEnd, oldEnd - newEnd))
        {
            Assert.Equal(old, result);          // the heap was unmapped there: brk does not touch what is not its own
            return;
        }

        if (newEnd > oldEnd && !model.IsFree(oldEnd, newEnd - oldEnd + 1))
        {
            Assert.Equal(old, result);          // something was mapped or moved there: one page must stay free below it
            return;
        }

        Assert.Equal(wanted, result);
        if (newEnd < oldEnd)
            model.Unmap(newEnd, oldEnd - newEnd);
        else
            model.Map(oldEnd, newEnd - oldEnd, VmFlags.Read | VmFlags.Write, null, 0);
    }

    private void Advise(HostTask task, PageModel model)
    {
        ulong count = Some(20);
        ulong place = SomePlaceOrMapped(model, count);
        MemoryAdvice advice = _random.Next(6) switch
        {
            0 => MemoryAdvice.DontFork,
            1 => MemoryAdvice.DoFork,
            2 => MemoryAdvice.WipeOnFork,
            3 => MemoryAdvice.KeepOnFork,
            _ => MemoryAdvice.DontNeed,
        };
        _last = $"madvise {place:x} {count} {advice}";
        Errno error = Call(() => task.Mm!.Madvise(new VirtAddr(place * Page), count * Page, advice), e => e == Errno.EAGAIN, hasPartialEffects: true);
        bool refused = false;
        for (ulong i = place; i < place + count && !refused; i++)
        {
            if (!model.Pages.TryGetValue(i, out ModelPage? page))
                continue;
            refused = advice switch
            {
                MemoryAdvice.DontNeed => (page.Rights & VmFlags.Locked) != 0,
                MemoryAdvice.WipeOnFork => page.Object is not null || page.IsShared,
                _ => false,
            };
            if (!refused)
                model.Change(i, 1, p => Advised(p, advice));
        }

        Assert.Equal(refused ? Errno.EINVAL : model.IsFull(place, count) ? Errno.None : Errno.ENOMEM, error);
    }

    private static ModelPage Advised(ModelPage page, MemoryAdvice advice) => advice switch
    {
        MemoryAdvice.DontFork => page with { Rights = page.Rights | VmFlags.DontCopy },
        MemoryAdvice.DoFork => page with { Rights = page.Rights & ~VmFlags.DontCopy },
        MemoryAdvice.WipeOnFork => page with { Rights = page.Rights | VmFlags.WipeOnFork },
        MemoryAdvice.KeepOnFork => page with { Rights = page.Rights & ~VmFlags.WipeOnFork },
        _ => page with { Own = null },
    };

    private void Lock(HostTask task, PageModel model)
    {
        ulong count = Some(10);
        ulong place = SomePlaceOrMapped(model, count);
        bool unlock = _random.Next(2) == 0;
        _last = $"{(unlock ? "munlock" : "mlock")} {place:x} {count}";
        Errno error = Call(
            () => unlock ? task.Mm!.Munlock(new VirtAddr(place * Page), count * Page) : task.Mm!.Mlock(new VirtAddr(place * Page), count * Page, onFault: false),
            e => e is Errno.EAGAIN or Errno.ENOMEM, hasPartialEffects: true);
        ulong done = 0;
        while (done < count && model.Pages.ContainsKey(place + done))
            done++;
        model.Change(place, done, page => page with { Rights = unlock ? page.Rights & ~VmFlags.Locked : page.Rights | VmFlags.Locked });
        if (!unlock && done == count)
            CopyWritable(model, place, count);
        if (unlock)
            Assert.Equal(done == count ? Errno.None : Errno.ENOMEM, error);
        else
            Assert.Equal(done == count && IsReachable(model, place, count) ? Errno.None : Errno.ENOMEM, error);
    }

    /// <summary>Locking brings private writable pages in as if written, so each gets its copy; up to the first that cannot be had.</summary>
    private static void CopyWritable(PageModel model, ulong place, ulong count)
    {
        for (ulong i = place; i < place + count && IsReachable(model, i, 1); i++)
        {
            ModelPage page = model.Pages[i];
            if ((page.Rights & (VmFlags.Write | VmFlags.Shared)) == VmFlags.Write)
                model.Pages[i] = page with { Own = page.Value };
        }
    }

    private static bool IsReachable(PageModel model, ulong place, ulong count)
    {
        for (ulong i = place; i < place + count; i++)
        {
            ModelPage page = model.Pages[i];
            if (page.Value is null || (page.Rights & VmFlags.AccessMask) == 0)
                return false;
        }

        return true;
    }

    private void ForkOrExit(int which)
    {
        (HostTask task, PageModel model) = _tasks[which];
        if (_tasks.Count < 5 && (which == 0 || _random.Next(2) == 0))
        {
            _last = "fork";
            HostTask? child = Call(() => _machine.Fork(task, out _), c => c is null);
            Assert.NotNull(child);
            _tasks.Add((child, model.Fork()));
        }
        else if (which > 0)
        {
            _last = "exit";
            _machine.Exit(task);
            _tasks.RemoveAt(which);
            _machine.Run(_tasks[0].Task);
        }
    }

    private void Touch(HostTask task, PageModel model)
    {
        ulong place = SomePlaceOrMapped(model, 1);
        bool write = _random.Next(2) == 0;
        ulong value = (ulong)_random.NextInt64();
        _last = $"{(write ? "write" : "read")} {place:x}";
        bool exists = model.Pages.TryGetValue(place, out ModelPage? page);
        PageFaultResult expected = PageFaultResult.Handled;
        if (!exists)
            expected = PageFaultResult.SegvMaperr;
        else if (write ? (page!.Rights & VmFlags.Write) == 0 : (page!.Rights & VmFlags.AccessMask) == 0)
            expected = PageFaultResult.SegvAccerr;
        else if (page.Value is null)
            expected = PageFaultResult.Sigbus;

        ulong seen = 0;
        PageFaultResult result = Call(
            () => write ? _machine.Store(task, new VirtAddr(place * Page), value) : _machine.Load(task, new VirtAddr(place * Page), out seen),
            r => r == PageFaultResult.OutOfMemory, hasPartialEffects: true);
        Assert.Equal(expected, result);
        if (expected != PageFaultResult.Handled)
            return;
        if (!write)
            Assert.Equal(page!.Value, seen);
        else if (page!.IsShared)
            page.Object![page.Index] = value;
        else
            model.Pages[place] = page with { Own = value };
    }

    /// <summary>Every address space is what its model says, and sound.</summary>
    private void Compare()
    {
        foreach ((HostTask task, PageModel model) in _tasks)
        {
            MmStruct mm = task.Mm!;
            ReadOnlySpan<byte> broken = mm.Validate();
            if (!broken.IsEmpty)
                Assert.Fail(System.Text.Encoding.UTF8.GetString(broken));
            int count = 0;
            for (VmArea? area = mm.FirstArea; area is not null; area = area.Next)
            {
                for (VirtAddr at = area.Start; at < area.End; at += Page)
                {
                    if (!model.Pages.TryGetValue(at.Value / Page, out ModelPage? page))
                        Assert.Fail($"{at.Value:x} is mapped and should not be");
                    const VmFlags compared = VmFlags.AccessMask | VmFlags.Shared | VmFlags.DontCopy | VmFlags.WipeOnFork | VmFlags.Locked;
                    if ((area.Flags & compared) != (page.Rights & compared))
                        Assert.Fail($"{at.Value:x} has {area.Flags & compared}, not {page.Rights & compared}");
                    CompareContent(mm, area, at, page);
                    count++;
                }
            }

            Assert.Equal(model.Pages.Count, count);
        }

        _machine.CheckTlb();
    }

    /// <summary>What is in memory must be what the model says; looked at from outside, so that comparing faults nothing in.</summary>
    private static void CompareContent(MmStruct mm, VmArea area, VirtAddr at, ModelPage page)
    {
        Pte entry = mm.ReadPte(at);
        if (entry.IsMapped())
        {
            ulong seen = BitConverter.ToUInt64(DirectMap.Page(entry.Pfn));
            if (page.Value != seen)
                Assert.Fail($"{at.Value:x} holds {seen}, not {page.Value}");
        }
        else if (page.Own is not null and not 0)
        {
            Assert.Fail($"{at.Value:x} lost its content");
        }

        if (page.Object is not null && page.Object.Name == "file")
            Assert.Equal(page.Index, area.PageIndexOf(at));
    }

    private ulong Some(ulong most) => 1 + (ulong)_random.NextInt64((long)most);

    private ulong SomePlace(ulong count)
    {
        ulong border = (WindowFirst + 511) & ~511UL;
        ulong first = _random.Next(3) == 0 ? border - 20 : WindowFirst;
        return first + (ulong)_random.NextInt64((long)(_random.Next(3) == 0 ? 60 : WindowPages - count));
    }

    private ulong SomePlaceOrMapped(PageModel model, ulong count)
    {
        if (model.Pages.Count == 0 || _random.Next(4) == 0)
            return SomePlace(count);
        ulong place = model.Pages.Keys.ElementAt(_random.Next(model.Pages.Count));
        return _random.Next(3) == 0 && place > WindowFirst + 5 ? place - (ulong)_random.Next(3) : place;
    }

    private Protection SomeProtection() => _random.Next(6) switch
    {
        0 => Protection.None,
        1 => Protection.Read,
        2 => Protection.Read | Protection.Execute,
        _ => Protection.Read | Protection.Write,
    };

    private static VmFlags Rights(Protection protection) => (VmFlags)(ulong)protection;

    private static PageRange Range(ulong first, ulong count) => new(new VirtAddr(first * Page), new VirtAddr((first + count) * Page));
}
