using System;
using NanoVm.Core;
using NanoVm.Files.Devices;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/stat</c>. Linux: <c>show_stat</c>. Times in hundredths of a second.</summary>
internal sealed class StatFile(MachineFiles machine) : ProcPage("stat"u8)
{
    private const ulong Tick = 10_000_000;
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        MachineStatistics s = default;
        _machine.Io.Processes?.GetStatistics(ref s);
        Processor(ref w, "cpu  "u8, s);
        Processor(ref w, "cpu0 "u8, s);
        w.Text("intr "u8);
        w.Decimal(_machine.Interrupts?.Total ?? 0);
        w.Text("\nctxt "u8);
        w.Decimal(s.ContextSwitches);
        w.Text("\nbtime "u8);
        w.Decimal(s.BootTime);
        w.Text("\nprocesses "u8);
        w.Decimal(s.Forks);
        w.Text("\nprocs_running "u8);
        w.Signed(s.Running);
        w.Text("\nprocs_blocked "u8);
        w.Signed(s.Blocked);
        w.Text("\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n"u8);
        return Errno.None;
    }

    private static void Processor(ref TextWriter w, ReadOnlySpan<byte> name, in MachineStatistics s)
    {
        w.Text(name);
        w.Decimal(s.UserTime / Tick);
        w.Byte((byte)' ');
        w.Decimal(s.NiceTime / Tick);
        w.Byte((byte)' ');
        w.Decimal(s.SystemTime / Tick);
        w.Byte((byte)' ');
        w.Decimal(s.IdleTime / Tick);
        w.Text(" 0 "u8);
        w.Decimal(s.InterruptTime / Tick);
        w.Text(" 0 0 0 0\n"u8);
    }
}

/// <summary><c>/proc/uptime</c>: seconds since boot, and idle seconds.</summary>
internal sealed class Uptime(MachineFiles machine) : ProcPage("uptime"u8)
{
    private const ulong Hundredth = 10_000_000;
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        MachineStatistics s = default;
        _machine.Io.Processes?.GetStatistics(ref s);
        Seconds(ref w, Time.MonotonicNanoseconds);
        w.Byte((byte)' ');
        Seconds(ref w, s.IdleTime);
        w.Byte((byte)'\n');
        return Errno.None;
    }

    private static void Seconds(ref TextWriter w, ulong nanoseconds)
    {
        ulong hundredths = nanoseconds / Hundredth;
        w.Decimal(hundredths / 100);
        w.Byte((byte)'.');
        w.Decimal(hundredths % 100, 2, (byte)'0');
    }
}

/// <summary><c>/proc/loadavg</c>. Linux: <c>loadavg_proc_show</c>.</summary>
internal sealed class LoadAverageFile(MachineFiles machine) : ProcPage("loadavg"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        ulong one = 0;
        ulong five = 0;
        ulong fifteen = 0;
        int running = 0;
        int threads = 0;
        int lastPid = 0;
        if (_machine.Io.Processes is { } processes)
        {
            processes.GetLoad(out one, out five, out fifteen);
            processes.GetCounts(out running, out threads, out lastPid);
        }
        Load(ref w, one);
        Load(ref w, five);
        Load(ref w, fifteen);
        w.Signed(running);
        w.Byte((byte)'/');
        w.Signed(threads);
        w.Byte((byte)' ');
        w.Signed(lastPid);
        w.Byte((byte)'\n');
        return Errno.None;
    }

    // Eleven bits behind the point, rounded to hundredths: LOAD_INT, LOAD_FRAC.
    private static void Load(ref TextWriter w, ulong load)
    {
        load += 2048 / 200;
        w.Decimal(load >> 11);
        w.Byte((byte)'.');
        w.Decimal((load & 2047) * 100 >> 11, 2, (byte)'0');
        w.Byte((byte)' ');
    }
}

/// <summary><c>/proc/filesystems</c>.</summary>
internal sealed class Filesystems(MachineFiles machine) : ProcPage("filesystems"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        for (FileSystemType? type = _machine.Io.Vfs.FirstType; type is not null; type = type.Next)
        {
            w.Text(type.NeedsDevice ? "\t"u8 : "nodev\t"u8);
            w.Text(type.Name);
            w.Byte((byte)'\n');
        }
        return Errno.None;
    }
}

/// <summary><c>/proc/devices</c>: the major numbers in use.</summary>
internal sealed class DevicesFile(MachineFiles machine) : ProcPage("devices"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text("Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"u8);
        for (CharDevice? device = _machine.Io.Devices.First; device is not null; device = device.Next)
        {
            uint major = DeviceNumber.Major(device.Number);
            if (major is 1 or 4 or 5)
                continue;
            w.Decimal(major, 3);
            w.Byte((byte)' ');
            w.Text(device.Name);
            w.Byte((byte)'\n');
        }
        w.Text("136 pts\n\nBlock devices:\n"u8);
        if (_machine.Io.Vfs.Blocks.First is not null)
            w.Text("254 virtblk\n"u8);
        return Errno.None;
    }
}

/// <summary><c>/proc/interrupts</c>.</summary>
internal sealed class InterruptsFile(MachineFiles machine) : ProcPage("interrupts"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text("            CPU0       \n"u8);
        if (_machine.Interrupts is { } interrupts)
        {
            for (int vector = 32; vector < 256; vector++)
            {
                if (interrupts.Count(vector) == 0)
                    continue;
                w.Decimal((ulong)vector, 3);
                w.Text(": "u8);
                w.Decimal(interrupts.Count(vector), 10);
                w.Text("   vector "u8);
                w.Decimal((ulong)vector);
                w.Byte((byte)'\n');
            }
        }
        w.Text("ERR:          0\nMIS:          0\n"u8);
        return Errno.None;
    }
}
