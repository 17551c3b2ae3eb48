using NanoVm.Core;
using NanoVm.Hal;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/partitions</c>: disks and their parts with their sizes. Linux: <c>show_partition</c>.</summary>
internal sealed class Partitions(MachineFiles machine) : ProcPage("partitions"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        BlockDevice? device = _machine.Io.Vfs.Blocks.First;
        if (device is null)
            return Errno.None;                              // not even the heading, as there
        w.Text("major minor  #blocks  name\n\n"u8);
        for (; device is not null; device = device.Next)
        {
            w.Decimal(DeviceNumber.Major(device.Number), 4);
            w.Text("  "u8);
            w.Decimal(DeviceNumber.Minor(device.Number), 7);
            w.Byte((byte)' ');
            w.Decimal(device.SectorCount >> 1, 10);
            w.Byte((byte)' ');
            w.Text(device.Name);
            w.Byte((byte)'\n');
        }
        return Errno.None;
    }
}

/// <summary><c>/proc/diskstats</c>. Linux: <c>diskstats_show</c>; times are not measured and are 0.</summary>
internal sealed class DiskStats(MachineFiles machine) : ProcPage("diskstats"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        for (BlockDevice? device = _machine.Io.Vfs.Blocks.First; device is not null; device = device.Next)
        {
            w.Decimal(DeviceNumber.Major(device.Number), 4);
            w.Byte((byte)' ');
            w.Decimal(DeviceNumber.Minor(device.Number), 7);
            w.Byte((byte)' ');
            w.Text(device.Name);
            w.Byte((byte)' ');
            w.Decimal(device.Reads);
            w.Text(" 0 "u8);
            w.Decimal(device.SectorsRead);
            w.Text(" 0 "u8);
            w.Decimal(device.Writes);
            w.Text(" 0 "u8);
            w.Decimal(device.SectorsWritten);
            w.Text(" 0 0 0 0 0 0 0 0 0 0\n"u8);
        }
        return Errno.None;
    }
}
