using System;
using System.Threading;
using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Hal;

/// <summary>A virtio disk.</summary>
/// <remarks>
/// VIRTIO 1.2, 5.2. A fixed number of slots, each a page of its own with the request's header, status byte and table of segments; who
/// finds none free sleeps. The interrupt completes slots: it wakes who sleeps for one or tells the request's owner.
/// <code>
///   slot's page:   0  indirect table, 128 descriptors     2048  header: type, priority, sector     2064  status
/// </code>
/// </remarks>
internal sealed unsafe class VirtioBlock : BlockDevice
{
    private const ushort TransitionalNumber = 0x1001;
    private const ushort ModernNumber = 0x1042;

    private const ulong FeatureSizeMax = 1 << 1, FeatureSegmentMax = 1 << 2, FeatureReadOnly = 1 << 5, FeatureFlush = 1 << 9;

    // Offsets of the device's configuration.
    private const int CapacityOffset = 0, SizeMaxOffset = 8, SegmentMaxOffset = 12;

    private const uint TypeIn = 0, TypeOut = 1, TypeFlush = 4;
    private const byte StatusOk = 0;
    private const byte StatusPending = 0xff;
    private const ushort FlagNext = 1, FlagWrite = 2;

    private const int DescriptorBytes = 16;
    private const int TableEntries = 128;
    private const int HeaderOffset = TableEntries * DescriptorBytes;
    private const int HeaderBytes = 16;
    private const int StatusOffset = HeaderOffset + HeaderBytes;
    private const int MostSlots = 64;

    private readonly VirtioDevice _device;
    private readonly VirtioQueue _queue;
    private readonly ushort* _bell;
    private readonly byte[] _name;
    private readonly uint _largestSegment;

    private SpinLock _lock;
    /// <summary>Under <see cref="_lock"/>, as the queue and all slots.</summary>
    private readonly Slot[] _slots;
    private int _firstFree;
    private WaitQueue _slotFree;

    private VirtioBlock(VirtioDevice device, VirtioQueue queue, Slot[] slots, int index)
    {
        _device = device;
        _queue = queue;
        _slots = slots;
        _name = [(byte)'v', (byte)'d', (byte)('a' + index)];
        SectorCount = device.ReadDevice64(CapacityOffset);
        IsReadOnly = (device.Features & FeatureReadOnly) != 0;
        int segments = (device.Features & FeatureSegmentMax) != 0 ? (int)device.ReadDevice32(SegmentMaxOffset) : 1;
        MaximumSegments = Math.Clamp(segments, 1, TableEntries - 2);
        _largestSegment = (device.Features & FeatureSizeMax) != 0 ? device.ReadDevice32(SizeMaxOffset) & ~(uint)(SectorBytes - 1) : uint.MaxValue;
        if (_largestSegment == 0)
            _largestSegment = SectorBytes;
        _bell = device.SetQueue(0, queue, device.Interrupts is null ? -1 : 0);
    }

    public override ReadOnlySpan<byte> Name => _name;

    public override ulong SectorCount { get; }

    public override bool IsReadOnly { get; }

    public override int MaximumSegments { get; }

    public static bool IsOne(PciDevice device) =>
        device.Vendor == VirtioDevice.VendorNumber && device.Device is TransitionalNumber or ModernNumber;

    /// <summary>Brings a disk up.</summary>
    /// <param name="index">0 for vda, 1 for vdb …</param>
    /// <returns>Null, and a line in the log, when it does not work.</returns>
    public static VirtioBlock? Open(PciDevice pci, KernelTables tables, InterruptTable interrupts, LocalApic apic, DmaMemory memory, int index)
    {
        VirtioDevice? device = VirtioDevice.Open(pci, tables);
        const ulong wanted = FeatureSizeMax | FeatureSegmentMax | FeatureReadOnly | FeatureFlush | VirtioDevice.FeatureIndirect;
        if (device is null || !device.Negotiate(wanted) || (device.Features & VirtioDevice.FeatureIndirect) == 0)
        {
            device?.Fail();
            Log.Warn($"virtio disk {index}: it has no modern interface with indirect descriptors; not used");
            return null;
        }
        int size = Math.Min(device.QueueSize(0), 256);
        VirtioQueue? queue = size == 0 ? null : VirtioQueue.Create(memory, size);
        if (queue is null)
        {
            device.Fail();
            Log.Warn($"virtio disk {index}: no queue");
            return null;
        }

        var slots = new Slot[Math.Min(size, MostSlots)];
        for (int i = 0; i < slots.Length; i++)
        {
            if (memory.Allocate(PageSize.Bytes, out PhysAddr page) != Errno.None)
            {
                device.Fail();
                Log.Warn($"virtio disk {index}: no memory for its requests");
                return null;
            }

            slots[i] = new Slot(page) { NextFree = i + 1 < slots.Length ? i + 1 : -1 };
        }
        var disk = new VirtioBlock(device, queue, slots, index);
        if (device.Interrupts is not null && interrupts.Allocate(new Interrupt(disk)).TryGet(out int vector, out _))
        {
            device.Interrupts.Route(0, vector, apic.Number);
            device.Interrupts.Enable();
        }
        else
        {
            Log.Warn($"virtio disk {index}: no message-signalled interrupts; waiting by looking");
            disk._mustPoll = true;
        }
        device.Start();
        return disk;
    }

    /// <summary>The device cannot interrupt.</summary>
    private bool _mustPoll;

    public override Errno Transfer(BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
    {
        Errno error = Check(direction, sector, memory);
        if (error != Errno.None)
            return error;
        if (IsMadeToFail())
            return Errno.EIO;
        Count(direction, memory);

        // In as many requests as the device's limits make of it, one after the other.
        uint offset = 0;
        while (memory.Length > 0)
        {
            int slot = TakeSlot();
            ulong moved = Fill(_slots[slot], direction == BlockDirection.Read ? TypeIn : TypeOut, sector, ref memory, ref offset);
            error = Run(slot);
            if (error != Errno.None)
                return error;
            sector += moved >> SectorShift;
        }
        return Errno.None;
    }

    public override Errno Submit(BlockRequest request, BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
    {
        Errno error = Check(direction, sector, memory);
        if (error != Errno.None)
            return error;
        if (IsMadeToFail())
            return Errno.EIO;
        if (memory.Length > MaximumSegments)
            return Errno.EINVAL;
        foreach (BlockSegment segment in memory)
        {
            if (segment.Bytes > _largestSegment)
                return Errno.EINVAL;
        }
        Count(direction, memory);
        int slot = TakeSlot();
        uint offset = 0;
        _ = Fill(_slots[slot], direction == BlockDirection.Read ? TypeIn : TypeOut, sector, ref memory, ref offset);
        Start(slot, request);
        if (_mustPoll)
            Poll(_slots[slot]);                              // nobody else would look
        return Errno.None;
    }

    public override Errno Flush()
    {
        if ((_device.Features & FeatureFlush) == 0 || IsReadOnly)
            return Errno.None;
        if (IsMadeToFail())
            return Errno.EIO;
        int slot = TakeSlot();
        ReadOnlySpan<BlockSegment> nothing = default;
        uint offset = 0;
        _ = Fill(_slots[slot], TypeFlush, 0, ref nothing, ref offset);
        return Run(slot);
    }

    /// <summary>A test wants this transfer to fail. Linux: <c>should_fail_request</c>.</summary>
    private static bool IsMadeToFail() => PerCpu.FailuresArmed && PerCpu.Failures.ShouldFail(FailureKinds.Io);

    /// <summary>Takes a free slot; sleeps while there is none.</summary>
    private int TakeSlot()
    {
        KernelThread? self = PerCpu.CurrentOrNull;
        while (true)
        {
            using (_lock.Acquire())
            {
                int slot = _firstFree;
                if (slot >= 0)
                {
                    _firstFree = _slots[slot].NextFree;
                    return slot;
                }
            }
            if (self is null || _mustPoll || !Interrupts.AreEnabled)
            {
                Complete();
                continue;
            }
            _slotFree.PrepareToWait(self.WaitNode, ThreadState.Uninterruptible);
            if (Volatile.Read(ref _firstFree) < 0)
                PerCpu.Scheduler.Schedule();
            _slotFree.FinishWait(self.WaitNode);
        }
    }

    /// <summary>Writes header, segments and status descriptor; takes as many segments as one request may have.</summary>
    /// <param name="offset">What of the first segment earlier requests have moved.</param>
    /// <returns>The bytes that this request moves.</returns>
    private ulong Fill(Slot slot, uint type, ulong sector, ref ReadOnlySpan<BlockSegment> memory, ref uint offset)
    {
        byte* page = slot.Memory;
        *(uint*)(page + HeaderOffset) = type;
        *(uint*)(page + HeaderOffset + 4) = 0;
        *(ulong*)(page + HeaderOffset + 8) = sector;
        page[StatusOffset] = StatusPending;

        Describe(page, 0, slot.Page + HeaderOffset, HeaderBytes, FlagNext);
        int count = 1;
        ulong total = 0;
        while (memory.Length > 0 && count <= MaximumSegments)
        {
            BlockSegment segment = memory[0];
            uint bytes = Math.Min(segment.Bytes - offset, _largestSegment);
            Describe(page, count++, segment.Address + offset, bytes, type == TypeIn ? (ushort)(FlagNext | FlagWrite) : FlagNext);
            total += bytes;
            offset += bytes;
            if (offset == segment.Bytes)
            {
                memory = memory.Slice(1);
                offset = 0;
            }
        }
        Describe(page, count++, slot.Page + StatusOffset, 1, FlagWrite);
        slot.TableBytes = (uint)(count * DescriptorBytes);
        return total;
    }

    private static void Describe(byte* page, int index, PhysAddr address, uint bytes, ushort flags)
    {
        byte* descriptor = page + index * DescriptorBytes;
        *(ulong*)descriptor = address.Value;
        *(uint*)(descriptor + 8) = bytes;
        *(ushort*)(descriptor + 12) = flags;
        *(ushort*)(descriptor + 14) = (ushort)(index + 1);
    }

    private void Start(int number, BlockRequest? request)
    {
        using (_lock.Acquire())
        {
            Slot slot = _slots[number];
            slot.Request = request;
            slot.IsDone = false;
            if (_queue.Add(number, slot.Page, slot.TableBytes))
                Volatile.Write(ref *_bell, 0);
        }
    }

    /// <summary>Starts a filled slot and waits for its end.</summary>
    private Errno Run(int number)
    {
        Slot slot = _slots[number];
        Start(number, null);
        KernelThread? self = PerCpu.CurrentOrNull;
        if (self is null || _mustPoll || !Interrupts.AreEnabled)
        {
            Poll(slot);
        }
        else
        {
            while (true)
            {
                slot.Done.PrepareToWait(self.WaitNode, ThreadState.Uninterruptible);
                if (Volatile.Read(ref slot.IsDone))
                    break;
                PerCpu.Scheduler.Schedule();
            }
            slot.Done.FinishWait(self.WaitNode);
        }

        Errno error = slot.Memory[StatusOffset] == StatusOk ? Errno.None : Errno.EIO;
        using (_lock.Acquire())
            Free(number);
        return error;
    }

    /// <summary>Looks at the queue until the device is done with a slot. Nothing that is completed meanwhile sleeps, so nobody else gets the slot.</summary>
    private void Poll(Slot slot)
    {
        while (!Volatile.Read(ref slot.IsDone))
        {
            Complete();
            Interrupts.Pause();
        }
    }

    private void Free(int number)
    {
        _slots[number].NextFree = _firstFree;
        _firstFree = number;
        _slotFree.WakeOne();
    }

    /// <summary>Looks which requests the device is done with.</summary>
    private void Complete()
    {
        while (true)
        {
            BlockRequest? request;
            Errno error;
            using (_lock.Acquire())
            {
                if (!_queue.TryTake(out int number))
                    return;
                if ((uint)number >= (uint)_slots.Length)
                    continue;                                // a device that invents requests
                Slot slot = _slots[number];
                request = slot.Request;
                slot.Request = null;
                error = slot.Memory[StatusOffset] == StatusOk ? Errno.None : Errno.EIO;
                slot.IsDone = true;
                if (request is null)
                    slot.Done.WakeAll();
                else
                    Free(number);
            }
            request?.Completed(error);
        }
    }

    private sealed class Slot(PhysAddr page)
    {
        public readonly PhysAddr Page = page;
        public readonly byte* Memory = DirectMap.Pointer(page);
        public int NextFree;
        public uint TableBytes;
        public bool IsDone;
        public BlockRequest? Request;
        public WaitQueue Done;
    }

    private sealed class Interrupt(VirtioBlock disk) : InterruptHandler
    {
        public override void Handle(ref TrapFrame frame) => disk.Complete();
    }
}
