using System.Runtime;
using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>Where <see cref="BootHeap"/> gets more memory: early memory first, the frame allocator later. <c>Kernel.cs</c> installs it.</summary>
internal abstract unsafe class BootHeapSource
{
    /// <returns>Zeroed memory aligned to a page, or null.</returns>
    public abstract void* Allocate(ulong bytes);
}

/// <summary>The memory of what <c>new</c> makes: the objects of the machine that live as long as it does. Nothing is ever freed.</summary>
/// <remarks>No path that user space can reach may use <c>new</c>: objects that come and go are from object caches.</remarks>
internal static unsafe class BootHeap
{
    private const ulong ChunkBytes = 256 * 1024;
    private const ulong Alignment = 16;

    /// <summary>Makes the memory come from <paramref name="source"/> from now on.</summary>
    public static void Install(BootHeapSource source) => PerCpu.Area->HeapSource = RawObject.AddressOf(source);

    /// <summary>The compiler's <c>new</c>. Zeroed.</summary>
    [RuntimeExport("RuntimeAllocate")]
    private static void* Allocate(nuint size)
    {
        PerCpuArea* area = PerCpu.Area;
        ulong bytes = ((ulong)size + Alignment - 1) & ~(Alignment - 1);
        if (area->HeapNext is null)
        {
            area->HeapNext = Cpu.EarlyHeap();
            area->HeapEnd = Cpu.EarlyHeapEnd();
        }
        area->HeapUsed += bytes;
        if ((ulong)(area->HeapEnd - area->HeapNext) >= bytes)
        {
            void* result = area->HeapNext;
            area->HeapNext += bytes;
            return result;
        }
        return AllocateSlow(bytes);
    }

    private static void* AllocateSlow(ulong bytes)
    {
        PerCpuArea* area = PerCpu.Area;
        if (area->HeapSource is null)
            Panic.Now("new of an object before there is memory for it"u8);
        BootHeapSource source = RawObject.At<BootHeapSource>(area->HeapSource);
        bool alone = bytes >= ChunkBytes / 4;
        byte* memory = (byte*)source.Allocate(alone ? bytes : ChunkBytes);
        if (memory is null)
            Panic.Now("too little memory for the kernel's own objects"u8);
        if (alone)
            return memory;
        area->HeapNext = memory + bytes;
        area->HeapEnd = memory + ChunkBytes;
        return memory;
    }
}
