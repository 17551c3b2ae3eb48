using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed class MappingPageCacheTests
{
    private sealed class Space : AddressSpace
    {
        public ulong Bytes;
        public bool Shmem;
        public int Reads;
        public int Charged;
        public int Quota;
        public Errno ReadError;

        public override ulong SizeBytes => Bytes;

        public override bool IsShmem => Shmem;

        public override Errno ReadPage(Pfn page, ulong index)
        {
            Reads++;
            if (ReadError == Errno.None)
                DirectMap.Page(page).Fill((byte)(index + 1));
            return ReadError;
        }

        protected override Errno ChargePage() => Charged == Quota ? Errno.ENOSPC : Done(Charged++);

        protected override void UnchargePage() => Charged--;

        private static Errno Done(int _) => Errno.None;
    }

    private static Space Create(HostMachine machine, out ObjectCache<Space> cache, bool shmem = false, int quota = int.MaxValue)
    {
        cache = new ObjectCache<Space>(machine.Memory, "space"u8);
        Space space = cache.Allocate()!;
        space.Initialize(new PageCache(machine.Memory));
        space.Shmem = shmem;
        space.Quota = quota;
        space.Bytes = 100 << 12;
        return space;
    }

    [Fact]
    public void A_page_is_read_once_and_found_afterwards()
    {
        using var machine = new HostMachine(16UL << 20);
        Space space = Create(machine, out _);
        Assert.Equal(Errno.ENOENT, space.FindPage(3).Error);
        Assert.True(space.FindOrCreatePage(3).TryGet(out Pfn page, out _));
        Assert.Equal(4, DirectMap.Page(page)[0]);
        Assert.True(space.FindOrCreatePage(3).TryGet(out Pfn again, out _));
        Assert.Equal(page.Value, again.Value);
        Assert.Equal(1, space.Reads);
        Assert.Equal(3, machine.Memory.Frames[page].ReferenceCount);
        machine.Memory.Frames.LetGo(page);
        machine.Memory.Frames.LetGo(page);
        space.Validate();
        space.Evict();
        Assert.Equal(0, space.Charged);
    }

    [Fact]
    public void A_failed_read_leaves_no_page()
    {
        using var machine = new HostMachine(16UL << 20);
        Space space = Create(machine, out _);
        space.FindOrCreatePage(0);
        machine.Memory.Shrink();
        ulong free = machine.Memory.Frames.FreeFrames.Value;
        space.ReadError = Errno.EIO;
        Assert.Equal(Errno.EIO, space.FindOrCreatePage(70).Error);
        Assert.Equal(1UL, space.PageTotal);
        machine.Memory.Shrink();
        Assert.Equal(free, machine.Memory.Frames.FreeFrames.Value);
    }

    [Fact]
    public void A_quota_is_kept_and_every_failed_allocation_changes_nothing()
    {
        using var machine = new HostMachine(16UL << 20);
        Space space = Create(machine, out _, shmem: true, quota: 2);
        for (ulong fail = 1; ; fail++)
        {
            machine.Memory.Failures.Arm(fail);
            Result<Pfn> page = space.FindOrCreatePage(4096);
            machine.Memory.Failures.Disarm();
            space.Validate();
            if (page.IsOk)
            {
                machine.Memory.Frames.LetGo(page.Value);
                break;
            }

            Assert.Equal(Errno.ENOMEM, page.Error);
            Assert.Equal(0, space.Charged);
            Assert.Equal(0UL, space.PageTotal);
        }

        machine.Memory.Frames.LetGo(space.FindOrCreatePage(5).Value);
        Assert.Equal(Errno.ENOSPC, space.FindOrCreatePage(6).Error);
        Assert.Equal(2UL, space.Cache.ShmemPages.Value);
        space.Evict();
        Assert.Equal(0UL, space.Cache.Pages.Value);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public void A_random_stream_of_writes_and_cuts_equals_an_array(int seed, bool shmem)
    {
        using var machine = new HostMachine(16UL << 20);
        Space space = Create(machine, out ObjectCache<Space> cache, shmem);
        machine.Memory.Shrink();
        ulong free = machine.Memory.Frames.FreeFrames.Value;
        const int size = 200 << 12;
        var random = new System.Random(seed);
        var model = new byte[size];
        for (int i = 0; i < size; i++)
            model[i] = (byte)((i >> 12) + 1);
        space.Bytes = size;
        for (int step = 0; step < 1000; step++)
        {
            int start = random.Next(size), length = random.Next(1, Math.Min(20000, size - start) + 1);
            switch (random.Next(5))
            {
                case 0:
                    space.PunchHole((ulong)start, (ulong)(start + length));
                    // What leaves the cache is read again; what stays in part is zero there.
                    for (int i = start; i < start + length; i++)
                    {
                        bool whole = (i >> 12) >= (start + 4095) >> 12 && (i >> 12) < (start + length) >> 12;
                        if (whole)
                            model[i] = (byte)((i >> 12) + 1);
                        else if (_resident.Contains(i >> 12))
                            model[i] = 0;
                    }

                    _resident.RemoveWhere(page => page >= (start + 4095) >> 12 && page < (start + length) >> 12);
                    break;
                default:
                    for (int i = start; i < start + length;)
                    {
                        int part = Math.Min(4096 - (i & 4095), start + length - i);
                        Pfn page = space.FindOrCreatePage((ulong)i >> 12).Value;
                        Assert.True(DirectMap.Page(page).SequenceEqual(new ReadOnlySpan<byte>(model, i & ~4095, 4096)));
                        DirectMap.Page(page).Slice(i & 4095, part).Fill((byte)step);
                        Array.Fill(model, (byte)step, i, part);
                        space.MarkDirty(page);
                        machine.Memory.Frames.LetGo(page);
                        _resident.Add(i >> 12);
                        i += part;
                    }

                    break;
            }

            if (step % 50 == 0)
                space.Validate();
        }

        space.Bytes = 5000;
        space.Truncate(5000);
        Assert.True(space.PageTotal <= 2);
        space.Validate();
        if (space.FindPage(1).TryGet(out Pfn tail, out _))
        {
            Assert.Equal(-1, DirectMap.Page(tail)[(5000 - 4096)..].IndexOfAnyExcept((byte)0));
            machine.Memory.Frames.LetGo(tail);
        }

        space.Evict();
        Assert.Equal(0UL, space.Cache.DirtyPages.Value);
        cache.Free(space);
        machine.Memory.Shrink();
        machine.Memory.Validate();
        Assert.True(machine.Memory.Frames.FreeFrames.Value >= free);
    }

    private readonly HashSet<int> _resident = [];
}
