using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Check;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

/// <summary>Swapping out and in, over generations of forks, against a plain model.</summary>
public sealed class SwapTests : VirtualTest
{
    /// <summary>A disk that is an array, with the header of <c>mkswap</c>.</summary>
    private sealed class MemoryDisk : BlockDevice
    {
        private readonly byte[] _bytes;
        public bool Fails;
        public int Transfers;

        public MemoryDisk(int pages)
        {
            _bytes = new byte[pages * 4096];
            _bytes[1024] = 1;
            BitConverter.TryWriteBytes(_bytes.AsSpan(1028), pages - 1);
            "SWAPSPACE2"u8.CopyTo(_bytes.AsSpan(4086));
        }

        public override ReadOnlySpan<byte> Name => "vda"u8;

        public override ulong SectorCount => (ulong)_bytes.Length / 512;

        public override int MaximumSegments => 64;

        public override Errno Transfer(BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
        {
            if (Fails)
                return Errno.EIO;
            Transfers += direction == BlockDirection.Read ? 1 : 0;
            int at = (int)sector * 512;
            foreach (BlockSegment segment in memory)
            {
                Span<byte> page = DirectMap.Page(segment.Address.Pfn);
                Span<byte> disk = _bytes.AsSpan(at, (int)segment.Bytes);
                if (direction == BlockDirection.Read)
                    disk.CopyTo(page);
                else
                    page.CopyTo(disk);
                at += (int)segment.Bytes;
            }

            return Errno.None;
        }

        public override Errno Submit(BlockRequest request, BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
        {
            request.Completed(Transfer(direction, sector, memory));
            return Errno.None;
        }
    }

    /// <summary>The disk opened as a file, as <c>swapon</c> does.</summary>
    private sealed class DiskFile(MemoryDisk disk) : MappableFile
    {
        public int References = 1;

        public override AddressSpace? Mapping => null;
        public override Access Allowed => Access.Read | Access.Write;
        public override ulong Device => 0;
        public override ulong InodeNumber => 0;
        public override BlockDevice Disk => disk;
        public override bool IsDisk => true;
        public override ulong DiskPages => disk.SectorCount / 8;

        public override void Get() => References++;

        public override void Put() => References--;

        public override Errno Mmap(VmArea area) => Errno.ENODEV;

        public override void WritePath(ref NanoVm.Core.TextWriter to) => to.Text("/dev/vda"u8);

        public override Errno BeginSwap() => disk.TryClaim() ? Errno.None : Errno.EBUSY;

        public override void EndSwap() => disk.ReleaseClaim();
    }

    private readonly MemoryDisk _disk = new(4000);
    private readonly DiskFile _file;
    private readonly SwapSystem _swap;
    private readonly PageReclaim _reclaim;

    public SwapTests()
    {
        _file = new DiskFile(_disk);
        _swap = new SwapSystem(Machine.System, Machine.Cache);
        Machine.System.Swap = _swap;
        _reclaim = new PageReclaim(Machine.System, Machine.Cache, _swap);
    }

    private void SwapOut(ulong pages)
    {
        _reclaim.Reclaim(new PageCount(pages));
        Check(Mm);
    }

    [Fact]
    public void A_page_comes_back_with_its_content_and_gives_its_slot_back()
    {
        Assert.Equal(Errno.None, _swap.Start(_file, -1));
        Assert.Equal(Errno.EBUSY, _swap.Start(_file, -1));
        ulong at = Map(100);
        for (ulong i = 0; i < 100; i++)
            Put(at + i * Page, i + 1);
        SwapOut(100);
        Assert.True(Mm.SwapEntries > 0);
        for (ulong i = 0; i < 100; i++)
            Assert.Equal(i + 1, Get(at + i * Page));
        Assert.Equal(0UL, Mm.SwapEntries);
        Assert.Equal(Machine.System.SwapPages, Machine.System.FreeSwapPages);
        Assert.Equal(0UL, _swap.CachedPages.Value);
        Assert.Equal(Errno.None, _swap.Stop(_file));
        Assert.Equal(Errno.EINVAL, _swap.Stop(_file));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_page_that_a_device_writes_to_stays_also_one_that_is_not_needed(bool isLazilyFreed)
    {
        Assert.Equal(Errno.None, _swap.Start(_file, -1));
        ulong at = Map(64);
        for (ulong i = 0; i < 64; i++)
            Put(at + i * Page, i + 1);
        var frames = new Pfn[1];
        Assert.Equal(1, Mm.PinPages(new VirtAddr(at + 7 * Page), write: true, frames));
        if (isLazilyFreed)
            Assert.Equal(Errno.None, Advise(at, 64, MemoryAdvice.Free));
        for (int i = 0; i < 20; i++)
            SwapOut(64);
        Assert.Equal(isLazilyFreed ? 0UL : 63UL, Mm.SwapEntries);
        DirectMap.Page(frames[0])[16] = 4;
        Mm.UnpinPages(frames, written: true);
        Assert.Equal((8UL, 4UL), (Get(at + 7 * Page), Get(at + 7 * Page + 16)));
        Assert.Equal(isLazilyFreed ? 0UL : 7UL, Get(at + 6 * Page));
        Assert.Equal(Errno.None, _swap.Stop(_file));
    }

    [Fact]
    public void Pages_that_go_out_in_order_lie_side_by_side_and_are_read_in_clusters()
    {
        Assert.Equal(Errno.None, _swap.Start(_file, -1));
        const int pages = 512;
        ulong at = Map(pages);
        for (ulong i = 0; i < pages; i++)
            Put(at + i * Page, i + 1);
        for (int i = 0; i < 40 && Mm.SwapEntries < pages; i++)
            SwapOut(32);
        Assert.Equal((ulong)pages, Mm.SwapEntries);

        var slots = new ulong[pages];
        for (ulong i = 0; i < pages; i++)
        {
            Assert.True(Mm.TryFindSwapped(Range(at + i * Page, 1), -1, out _, out SwapEntry slot));
            slots[i] = slot.Slot;
        }

        int neighbours = slots.Zip(slots.Skip(1)).Count(pair => pair.Second == pair.First + 1);
        Assert.True(neighbours > pages * 9 / 10, $"{neighbours} of {pages} pages lie behind the one before");

        _disk.Transfers = 0;
        for (ulong i = 0; i < pages; i++)
            Assert.Equal(i + 1, Get(at + i * Page));
        Assert.True(_disk.Transfers <= pages / 8 * 2, $"{_disk.Transfers} reads");
        VmStat counted = Machine.System.Statistics;
        Assert.Equal((ulong)_disk.Transfers, counted[VmCounter.FaultSwapIn]);
        Assert.Equal(pages - (ulong)_disk.Transfers, counted[VmCounter.SwapReadAhead]);
        Assert.Equal(counted[VmCounter.SwapReadAhead], counted[VmCounter.SwapReadAheadHits]);
        Assert.Equal(Errno.None, _swap.Stop(_file));
    }

    [Fact]
    public void A_disk_that_fails_is_a_SIGBUS_to_who_asks_and_nothing_else()
    {
        Assert.Equal(Errno.None, _swap.Start(_file, 5));
        ulong at = Map(40);
        for (ulong i = 0; i < 40; i++)
            Put(at + i * Page, i + 1);
        _disk.Fails = true;
        SwapOut(40);
        _disk.Fails = false;
        for (ulong i = 0; i < 40; i++)
            Assert.Equal(i + 1, Get(at + i * Page));
        SwapOut(40);
        Assert.True(Mm.SwapEntries > 0);
        _disk.Fails = true;
        int broken = 0;
        for (ulong i = 0; i < 40; i++)
            broken += Read(at + i * Page) == NanoVm.Memory.Faults.PageFaultResult.Sigbus ? 1 : 0;
        Assert.True(broken > 0);
        _disk.Fails = false;
        for (ulong i = 0; i < 40; i++)
            Assert.Equal(i + 1, Get(at + i * Page));
        Assert.Equal(Errno.None, _swap.Stop(_file));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Families_of_forks_keep_their_own_contents(int seed)
    {
        Assert.Equal(Errno.None, _swap.Start(_file, -1));
        var random = new System.Random(seed);
        const int pages = 64;
        ulong at = Map(pages);
        var family = new List<(HostTask Task, ulong[] Model)> { (Task, new ulong[pages]) };
        for (int step = 0; step < 1500; step++)
        {
            int who = random.Next(family.Count);
            (HostTask task, ulong[] model) = family[who];
            int page = random.Next(pages);
            switch (random.Next(10))
            {
                case 0 when family.Count < 5:
                    Machine.Run(task);
                    family.Add((Fork(task), (ulong[])model.Clone()));
                    break;
                case 1 when who != 0:
                    Exit(task);
                    family.RemoveAt(who);
                    break;
                case 2 or 3:
                    SwapOut(32);
                    break;
                case 4 or 5 or 6:
                    Machine.Run(task);
                    model[page] = (ulong)step + 1;
                    Put(at + (ulong)page * Page, model[page], task);
                    break;
                default:
                    Machine.Run(task);
                    Assert.Equal(model[page], Get(at + (ulong)page * Page, task));
                    break;
            }

            Machine.Run(Task);
            if (step % 100 == 0)
            {
                MemoryReport report = default;
                MemoryCheck.Run(Machine.System, ref report);
                Assert.Equal(0UL, report.Errors);
            }
        }

        Assert.True(_swap.PagesOut > 0 && _swap.PagesIn > 0);
        SwapOut(64);
        Assert.Equal(Errno.None, _swap.Stop(_file));
        foreach ((HostTask task, ulong[] model) in family)
        {
            Machine.Run(task);
            for (int i = 0; i < pages; i++)
                Assert.Equal(model[i], Get(at + (ulong)i * Page, task));
        }

        for (int i = family.Count - 1; i > 0; i--)
            Exit(family[i].Task);
        Assert.Equal(0UL, Machine.System.SwapPages);
    }
}
