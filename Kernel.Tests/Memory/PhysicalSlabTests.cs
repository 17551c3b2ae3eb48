using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Tests.Machine;
using Xunit;

namespace NanoVm.Tests.Memory;

public sealed unsafe class PhysicalSlabTests
{
    private sealed class Thing
    {
        public ulong A, B, C, D;
        public Thing? Next;
    }

    [Fact]
    public void Objects_come_zeroed_and_their_memory_goes_back()
    {
        using var machine = new HostMachine(16UL << 20);
        var cache = new ObjectCache<Thing>(machine.Memory, "thing"u8);
        machine.Memory.Shrink();
        ulong free = machine.Memory.Frames.FreeFrames.Value;
        var random = new System.Random(1);
        var held = new List<Thing>();
        for (int step = 0; step < 5000; step++)
        {
            if (random.Next(100) < (step / 1000 % 2 == 0 ? 70 : 30))
            {
                Thing thing = cache.Allocate()!;
                Assert.Equal(0UL, thing.A | thing.B | thing.C | thing.D);
                Assert.Null(thing.Next);
                thing.A = 5;
                held.Add(thing);
            }
            else if (held.Count > 0)
            {
                int at = random.Next(held.Count);
                cache.Free(held[at]);
                held.RemoveAt(at);
            }

            Assert.Equal((ulong)held.Count, cache.Count);
            if (step % 100 == 0)
                cache.Validate();
        }

        foreach (Thing thing in held)
            cache.Free(thing);
        cache.Validate();
        Assert.True(cache.Slabs.Slabs <= SlabCache.EmptyReserve);
        machine.Memory.Shrink();
        Assert.Equal(free, machine.Memory.Frames.FreeFrames.Value);
        machine.Memory.Validate();
    }

    [Fact]
    public void Freeing_an_object_twice_is_noticed()
    {
        using var machine = new HostMachine(16UL << 20);
        var cache = new ObjectCache<Thing>(machine.Memory, "thing"u8);
        Thing thing = cache.Allocate()!;
        cache.Free(thing);
        Assert.Throws<KernelPanicException>(() => cache.Free(thing));
    }

    [Fact]
    public void Writing_behind_an_object_is_noticed()
    {
        using var machine = new HostMachine(16UL << 20);
        byte* memory = (byte*)machine.Memory.Kmalloc.Allocate(64);
        memory[64] = 1;
        Assert.Throws<KernelPanicException>(() => machine.Memory.Kmalloc.Free(memory, 64));
    }

    [Fact]
    public void Every_size_is_served_zeroed_and_comes_back()
    {
        using var machine = new HostMachine(32UL << 20);
        KmallocCaches kmalloc = machine.Memory.Kmalloc;
        machine.Memory.Shrink();
        ulong free = machine.Memory.Frames.FreeFrames.Value;
        var held = new List<(nint Memory, nuint Bytes)>();
        for (nuint bytes = 1; bytes < 40000; bytes += bytes / 7 + 1)
        {
            byte* memory = (byte*)kmalloc.Allocate(bytes);
            Assert.True(memory is not null);
            Assert.Equal(-1, new Span<byte>(memory, (int)bytes).IndexOfAnyExcept((byte)0));
            new Span<byte>(memory, (int)bytes).Fill((byte)bytes);
            held.Add(((nint)memory, bytes));
        }

        foreach ((nint memory, nuint bytes) in held)
        {
            Assert.Equal(-1, new Span<byte>((void*)memory, (int)bytes).IndexOfAnyExcept((byte)bytes));
            kmalloc.Free((void*)memory, bytes);
        }

        machine.Memory.Shrink();
        Assert.Equal(free, machine.Memory.Frames.FreeFrames.Value);
        machine.Memory.Validate();
    }

    [Fact]
    public void Arrays_of_any_length_grow_and_go()
    {
        using var machine = new HostMachine(32UL << 20);
        KernelArrays arrays = machine.Memory.Arrays;
        // The first large one adds page tables, which stay.
        arrays.Free(arrays.Allocate<ulong>(1_000_000));
        machine.Memory.Shrink();
        ulong free = machine.Memory.Frames.FreeFrames.Value;
        ulong[] array = arrays.Allocate<ulong>(0)!;
        for (int length = 1; length < 300_000; length *= 3)
        {
            Assert.True(arrays.TryGrow(ref array, length));
            array[^1] = (ulong)length;
        }

        Assert.Null(arrays.Allocate<ulong>(100_000_000));
        Assert.Null(arrays.Allocate<ulong>(-1));
        arrays.Free(array);
        machine.Memory.Shrink();
        Assert.Equal(free, machine.Memory.Frames.FreeFrames.Value);
        machine.Memory.Validate();
    }
}
