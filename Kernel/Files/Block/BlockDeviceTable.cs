using NanoVm.Core;
using NanoVm.Files.Tmpfs;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Block;

/// <summary>All disks and partitions, by number and by their node in /dev.</summary>
/// <remarks>Linux: the block part of <c>bdev_map</c>. Filled at boot. Numbers: major 254 (virtblk), minors in the order of registration.</remarks>
internal sealed class BlockDeviceTable
{
    private const uint Major = 254;

    private BlockDevice? last;
    private uint nextMinor;

    public BlockDeviceTable(PhysicalMemory memory) => Files = new ObjectCache<BlockDeviceFile>(memory, "filp_block"u8);

    public ObjectCache<BlockDeviceFile> Files { get; }

    /// <summary>The first device; follow <see cref="BlockDevice.Next"/>.</summary>
    public BlockDevice? First { get; private set; }

    /// <summary>Adds a device at boot and makes its node in <paramref name="devices"/>, the root of /dev.</summary>
    public void Register(BlockDevice device, Dentry devices)
    {
        device.Number = DeviceNumber.Make(Major, nextMinor++);
        device.Next = null;
        if (last is null)
            First = device;
        else
            last.Next = device;
        last = device;
        if (TmpfsEntries.Make(devices, device.Name, FileMode.BlockDevice | 0x1B0, device.Number).Error != Errno.None)
            Log.Warn($"no node for a disk in /dev");
    }

    /// <summary>The device of this number, or null.</summary>
    public BlockDevice? Find(ulong number)
    {
        BlockDevice? device = First;
        while (device is not null && device.Number != number)
            device = device.Next;
        return device;
    }
}
