using NanoVm.Core.Boot;

namespace NanoVm.Core;

/// <summary>Feeds the boot heap from early memory, until the frame allocator takes over.</summary>
internal sealed unsafe class BootMemoryHeap(BootMemory memory) : BootHeapSource
{
    public override void* Allocate(ulong bytes) => DirectMap.Pointer(memory.Allocate(bytes));
}
