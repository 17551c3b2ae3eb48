using System.Threading;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The ring by which driver and device hand each other buffers: the split virtqueue.</summary>
/// <remarks>
/// VIRTIO 1.2, 2.7. Each descriptor here points to an indirect table of the request that has its number, so the ring itself is never
/// walked for free entries. The caller's lock guards it.
/// <code>
///   descriptors  16 bytes each: address, length, flags, next
///   available    flags, index, ring of descriptor numbers         written by the driver
///   used         flags, index, ring of (number, bytes written)    written by the device
/// </code>
/// </remarks>
internal sealed unsafe class VirtioQueue
{
    private const int DescriptorBytes = 16;
    private const ushort FlagIndirect = 4;
    private const ushort UsedNoNotify = 1;
    private const int UsedEntryBytes = 8;
    private const int RingHeaderBytes = 4;

    private readonly byte* _descriptors;
    private readonly ushort* _available;
    private readonly byte* _used;
    private ushort _nextAvailable;
    private ushort _lastUsed;

    public int Size { get; }

    public PhysAddr Descriptors { get; }

    public PhysAddr Available { get; }

    public PhysAddr Used { get; }

    private VirtioQueue(int size, PhysAddr memory)
    {
        Size = size;
        Descriptors = memory;
        Available = memory + (ulong)(size * DescriptorBytes);
        Used = memory + UsedOffset(size);
        _descriptors = DirectMap.Pointer(Descriptors);
        _available = (ushort*)DirectMap.Pointer(Available);
        _used = DirectMap.Pointer(Used);
    }

    /// <param name="size">A power of two that the device allows.</param>
    public static VirtioQueue? Create(DmaMemory memory, int size)
    {
        ulong bytes = UsedOffset(size) + RingHeaderBytes + (ulong)(size * UsedEntryBytes);
        return memory.Allocate(bytes, out PhysAddr address) == Errno.None ? new VirtioQueue(size, address) : null;
    }

    /// <summary>Hands a request to the device.</summary>
    /// <param name="number">Of the descriptor: below <see cref="Size"/>, not in use.</param>
    /// <param name="table">The indirect table and its length in bytes.</param>
    /// <returns>Whether the device wants to be woken.</returns>
    public bool Add(int number, PhysAddr table, uint bytes)
    {
        byte* descriptor = _descriptors + number * DescriptorBytes;
        *(ulong*)descriptor = table.Value;
        *(uint*)(descriptor + 8) = bytes;
        *(ushort*)(descriptor + 12) = FlagIndirect;
        *(ushort*)(descriptor + 14) = 0;
        _available[2 + _nextAvailable % Size] = (ushort)number;
        _nextAvailable++;
        Volatile.Write(ref _available[1], _nextAvailable);   // after the entry: the device may look at once
        Interlocked.MemoryBarrier();                         // before the look at the flag, which the device sets when it goes to sleep
        return (Volatile.Read(ref *(ushort*)_used) & UsedNoNotify) == 0;
    }

    /// <summary>Takes one request that the device is done with; false when there is none.</summary>
    public bool TryTake(out int number)
    {
        number = 0;
        if (Volatile.Read(ref ((ushort*)_used)[1]) == _lastUsed)
            return false;
        number = (int)*(uint*)(_used + RingHeaderBytes + _lastUsed % Size * UsedEntryBytes);
        _lastUsed++;
        return true;
    }

    private static ulong UsedOffset(int size) => ((ulong)(size * DescriptorBytes + RingHeaderBytes + size * 2) + 2 + 63) & ~63UL;
}
