using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.SelfTest;

/// <summary>Frames, object caches and vmalloc on the real machine.</summary>
internal sealed unsafe class PhysicalSuite(PhysicalMemory memory) : TestSuite
{
    private const int Held = 256;

    private readonly PhysicalMemory _memory = memory;
    private readonly Pfn[] _frames = new Pfn[Held];
    private readonly nuint[] _pointers = new nuint[Held];
    private readonly int[] _sizes = new int[Held];

    public override ReadOnlySpan<byte> Name => "physical"u8;

    public override int Count => 8;

    public override ReadOnlySpan<byte> CaseName(int number) => number switch
    {
        0 => "Frames_come_zeroed_and_are_counted_to_one"u8,
        1 => "Blocks_of_all_orders_are_aligned_and_join_again"u8,
        2 => "Zones_keep_their_limits"u8,
        3 => "Every_size_of_kernel_memory_is_zeroed_and_its_own"u8,
        4 => "Arrays_larger_than_a_block_are_contiguous"u8,
        5 => "Vmalloc_memory_is_mapped_and_its_guard_is_not"u8,
        6 => "A_freed_vmalloc_page_is_forgotten_by_the_processor"u8,
        _ => "Each_allocation_may_fail"u8,
    };

    public override void Run(int number, TestContext test)
    {
        switch (number)
        {
            case 0: Frames(test); break;
            case 1: Orders(test); break;
            case 2: Zones(test); break;
            case 3: Sizes(test); break;
            case 4: Arrays(test); break;
            case 5: Guards(test); break;
            case 6: Stale(test); break;
            default: Failing(test); break;
        }
    }

    private void Frames(TestContext test)
    {
        FrameAllocator frames = _memory.Frames;
        for (int round = 0; round < 2; round++)
        {
            for (int i = 0; i < Held; i++)
            {
                test.Check(frames.Allocate(AllocationFlags.Zeroed, out _frames[i]) == Errno.None, "there is a frame"u8);
                test.Check(IsZero(DirectMap.Pointer(_frames[i]), (int)PageSize.Bytes), "a frame is all zeros"u8);
                test.Check(frames[_frames[i]].ReferenceCount == 1, "a new frame has one reference"u8);
                DirectMap.Page(_frames[i]).Fill(0x5a);
            }

            for (int i = 0; i < Held; i++)
                frames.Put(_frames[i]);
        }
    }

    private void Orders(TestContext test)
    {
        FrameAllocator frames = _memory.Frames;
        for (int order = 0; order <= FrameTable.MaxOrder; order++)
        {
            test.Check(frames.Allocate(order, AllocationFlags.Compound, out Pfn block) == Errno.None, "there is a block"u8);
            if (block.IsNone)
                continue;
            test.Check((block.Value & ((1UL << order) - 1)) == 0, "a block is aligned"u8);
            test.Check(frames.HeadOf(block + ((1UL << order) - 1)) == block, "the last frame leads to the first"u8);
            frames.Put(block + ((1UL << order) - 1));
        }
    }

    private void Zones(TestContext test)
    {
        FrameAllocator frames = _memory.Frames;
        if (frames.Allocate(AllocationFlags.Dma, out Pfn low) == Errno.None)
        {
            test.Check(low.Address.Value < 16UL << 20, "DMA is below 16 MiB"u8);
            frames.Put(low);
        }

        test.Check(frames.Allocate(AllocationFlags.Dma32, out Pfn middle) == Errno.None, "there is a frame below 4 GiB"u8);
        test.Check(middle.Address.Value < 4UL << 30, "DMA32 is below 4 GiB"u8);
        frames.Put(middle);
    }

    private void Sizes(TestContext test)
    {
        KmallocCaches kmalloc = _memory.Kmalloc;
        for (int i = 0; i < Held; i++)
        {
            _sizes[i] = 1 + test.Next(i % 16 == 0 ? 40_000 : 3000);
            _pointers[i] = (nuint)kmalloc.Allocate((nuint)_sizes[i]);
            test.Check(_pointers[i] != 0 && IsZero((byte*)_pointers[i], _sizes[i]), "kernel memory is all zeros"u8);
            new Span<byte>((void*)_pointers[i], _sizes[i]).Fill((byte)i);
        }

        for (int i = 0; i < Held; i++)
        {
            var bytes = new ReadOnlySpan<byte>((void*)_pointers[i], _sizes[i]);
            test.Check(bytes[0] == (byte)i && bytes[^1] == (byte)i, "nobody else wrote to it"u8);
            kmalloc.Free((void*)_pointers[i], (nuint)_sizes[i]);
        }
    }

    private void Arrays(TestContext test)
    {
        ulong[]? array = _memory.Arrays.Allocate<ulong>(100_000);
        test.Check(array is not null, "there is an array"u8);
        if (array is null)
            return;
        for (int i = 0; i < array.Length; i++)
        {
            test.Check(array[i] == 0, "an array is all zeros"u8);
            array[i] = (ulong)i;
        }

        for (int i = 0; i < array.Length; i++)
            test.Check(array[i] == (ulong)i, "every element is its own"u8);
        _memory.Arrays.Free(array);
    }

    private void Guards(TestContext test)
    {
        Vmalloc vmalloc = _memory.Vmalloc;
        test.Check(vmalloc.Allocate(new PageCount(3), out VirtAddr first) == Errno.None, "there is vmalloc space"u8);
        test.Check(vmalloc.Allocate(new PageCount(5), out VirtAddr second) == Errno.None, "and more of it"u8);
        new Span<byte>((void*)first.Value, 3 * 4096).Fill(1);
        new Span<byte>((void*)second.Value, 5 * 4096).Fill(2);
        test.Check(*(byte*)(first + 3 * 4096 - 1).Value == 1, "the areas are apart"u8);
        test.Check(vmalloc.FrameOf(first + 3 * 4096).IsNone && vmalloc.FrameOf(second + 5 * 4096).IsNone, "a guard page is not mapped"u8);
        Pfn frame = vmalloc.FrameOf(second + 4096);
        test.Check(DirectMap.Page(frame)[17] == 2, "the direct map shows the same bytes"u8);
        vmalloc.Free(second);
        vmalloc.Free(first);
    }

    private void Stale(TestContext test)
    {
        Vmalloc vmalloc = _memory.Vmalloc;
        ulong last = 0;
        for (int round = 0; round < 50; round++)
        {
            test.Check(vmalloc.Allocate(new PageCount(2), out VirtAddr at) == Errno.None, "there is vmalloc space"u8);
            test.Check(last == 0 || at.Value == last, "the lowest place is taken again once it is purged"u8);
            last = at.Value;
            test.Check(*(ulong*)at.Value == 0, "the new frame is seen, not the old one"u8);
            *(ulong*)at.Value = 0x1234_5678;
            test.Check(*(ulong*)DirectMap.Pointer(vmalloc.FrameOf(at)) == 0x1234_5678, "the write went to the new frame"u8);
            vmalloc.Free(at);
            _ = vmalloc.Purge();
        }
    }

    private void Failing(TestContext test)
    {
        for (ulong fail = 1; fail < 64; fail++)
        {
            _memory.Shrink();
            ulong free = _memory.Frames.FreeFrames.Value;
            _memory.Failures.Arm(fail);
            byte[]? array = _memory.Arrays.Allocate<byte>(40_000);
            bool reached = _memory.Failures.Asked >= fail;
            _memory.Failures.Disarm();
            test.Check(array is null == reached, "a failed allocation fails the operation"u8);
            _memory.Arrays.Free(array);
            _memory.Shrink();
            test.Check(_memory.Frames.FreeFrames.Value == free, "and leaves nothing behind"u8);
            if (!reached)
                return;
        }

        test.Check(false, "the operation ends"u8);
    }

    private static bool IsZero(byte* bytes, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (bytes[i] != 0)
                return false;
        }

        return true;
    }
}
