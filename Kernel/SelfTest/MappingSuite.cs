using System;
using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.SelfTest;

/// <summary>Radix tree and page cache on the real machine.</summary>
internal sealed class MappingSuite : TestSuite
{
    private const int Slots = 1024;

    private readonly PageCache _cache;
    private readonly ObjectCache<Space> _spaces;
    private readonly ulong[] _model = new ulong[Slots];

    public MappingSuite(PageCache cache)
    {
        _cache = cache;
        _spaces = new ObjectCache<Space>(cache.Memory, "selftest_space"u8);
    }

    /// <summary>A file whose page n is full of the byte n + 1.</summary>
    private sealed class Space : AddressSpace
    {
        public ulong Bytes;

        public override ulong SizeBytes => Bytes;

        public override Errno ReadPage(Pfn page, ulong index)
        {
            DirectMap.Page(page).Fill((byte)(index + 1));
            return Errno.None;
        }
    }

    public override ReadOnlySpan<byte> Name => "mapping"u8;

    public override int Count => 4;

    public override ReadOnlySpan<byte> CaseName(int number) => number switch
    {
        0 => "A_radix_tree_holds_what_an_array_holds"u8,
        1 => "A_radix_tree_frees_its_nodes_at_every_height"u8,
        2 => "A_page_is_read_once_and_leaves_by_truncation"u8,
        _ => "A_page_that_cannot_be_had_leaves_nothing"u8,
    };

    public override void Run(int number, TestContext test)
    {
        switch (number)
        {
            case 0: Radix(test); break;
            case 1: Heights(test); break;
            case 2: Pages(test); break;
            default: Failing(test); break;
        }
    }

    private void Radix(TestContext test)
    {
        var array = new XArray();
        array.Initialize(_cache.Nodes);
        Array.Clear(_model, 0, Slots);
        for (int step = 0; step < 20_000; step++)
        {
            int index = test.Next(Slots);
            if (test.Next(3) == 0)
            {
                test.Check(array.Erase((ulong)index) == _model[index], "an entry is what was stored"u8);
                _model[index] = 0;
            }
            else
            {
                _model[index] = 1 + (test.Next() >> 8);
                test.Check(array.Store((ulong)index, _model[index]) == Errno.None, "there is memory"u8);
            }
        }

        array.Validate();
        for (int i = 0; i < Slots; i++)
            test.Check(array.Erase((ulong)i) == _model[i], "an entry is what was stored"u8);
        test.Check(array.IsEmpty, "nothing is left"u8);
    }

    private void Heights(TestContext test)
    {
        var array = new XArray();
        array.Initialize(_cache.Nodes);
        for (int bits = 0; bits < 64; bits++)
        {
            ulong index = 1UL << bits;
            test.Check(array.Store(0, 1) == Errno.None && array.Store(index, 2) == Errno.None, "there is memory"u8);
            array.SetMark(index, XArrayMark.Dirty);
            ulong found = 1;
            test.Check(array.TryFindMarked(ref found, ulong.MaxValue, XArrayMark.Dirty, out ulong entry) && found == index && entry == 2, "a mark is found"u8);
            test.Check(array.Erase(index) == 2 && array.Erase(0) == 1 && array.IsEmpty, "both are there"u8);
        }
    }

    private void Pages(TestContext test)
    {
        Space? space = _spaces.Allocate();
        test.Check(space is not null, "there is memory"u8);
        if (space is null)
            return;
        space.Initialize(_cache);
        space.Bytes = 300 * PageSize.Bytes;
        for (ulong round = 0; round < 2; round++)
        {
            for (ulong index = 0; index < 300; index += 3)
            {
                test.Check(space.FindOrCreatePage(index).TryGet(out Pfn page, out _), "there is memory"u8);
                test.Check(DirectMap.Page(page)[100] == (byte)(index + 1 + round), "the page keeps what was written"u8);
                DirectMap.Page(page).Fill((byte)(index + 2));
                space.MarkDirty(page);
                _cache.Frames.LetGo(page);
            }
        }

        space.Validate();
        test.Check(space.PageTotal == 100, "100 pages are there"u8);
        space.Bytes = 10 * PageSize.Bytes;
        space.Truncate(space.Bytes);
        test.Check(space.PageTotal == 4, "those behind the end have gone"u8);
        space.Evict();
        _spaces.Free(space);
    }

    private void Failing(TestContext test)
    {
        FailureInjection failures = _cache.Memory.Failures;
        Space? space = _spaces.Allocate();
        if (space is null)
            return;
        space.Initialize(_cache);
        space.Bytes = ulong.MaxValue;
        for (ulong fail = 1; fail < 64; fail++)
        {
            failures.Arm(fail);
            Result<Pfn> page = space.FindOrCreatePage(1UL << 40);
            failures.Disarm();
            if (page.IsOk)
            {
                _cache.Frames.LetGo(page.Value);
                break;
            }

            test.Check(page.Error == Errno.ENOMEM && space.PageTotal == 0, "a failed page leaves nothing"u8);
        }

        test.Check(space.PageTotal == 1, "in the end there is a page"u8);
        space.Evict();
        _spaces.Free(space);
    }
}
