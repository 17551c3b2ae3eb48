using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>Finds the machine's disks and their partitions.</summary>
internal sealed class Disks
{
    private const int MostDisks = 26;                        // vda to vdz

    private BlockDevice? _last;

    /// <summary>All of them, each disk before its partitions, linked by <see cref="BlockDevice.Next"/>.</summary>
    public BlockDevice? First { get; private set; }

    /// <summary>Looks for disks; at boot, with interrupts off.</summary>
    public void Probe(PciBus bus, KernelTables tables, InterruptTable interrupts, LocalApic apic, DmaMemory memory)
    {
        int index = 0;
        PhysAddr page = default;
        for (PciDevice? device = bus.First; device is not null && index < MostDisks; device = device.Next)
        {
            if (!VirtioBlock.IsOne(device))
                continue;
            VirtioBlock? disk = VirtioBlock.Open(device, tables, interrupts, apic, memory, index);
            if (disk is null)
                continue;
            index++;
            Append(disk);
            if (page.Value == 0 && memory.Allocate(PageSize.Bytes, out page) != Errno.None)
                continue;
            BlockDevice? partitions = PartitionTable.Scan(disk, page);
            int count = 0;
            while (partitions is not null)
            {
                BlockDevice? next = partitions.Next;
                Append(partitions);
                partitions = next;
                count++;
            }
            Log.Info($"{disk.Name}: virtio disk, {disk.SectorCount >> 11} MiB, {count} partitions");
        }
    }

    private void Append(BlockDevice device)
    {
        device.Next = null;
        if (_last is null)
            First = device;
        else
            _last.Next = device;
        _last = device;
    }
}
