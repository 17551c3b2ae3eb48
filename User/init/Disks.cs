using System;

namespace NanoVm.User.Init;

/// <summary>The machine's disks: run-qemu.sh attaches them and says by number which is mounted where and which one is for swapping.</summary>
internal static class Disks
{
    /// <summary>What the kernel has not mounted itself: nothing on NanoVM, all of it when Linux runs this program for comparison.</summary>
    public static void MountKernelFileSystems()
    {
        if (Sys.Exists("/proc/self"u8))
            return;
        Sys.Mount("proc"u8, "/proc"u8, "proc"u8);
        Sys.Mount("sysfs"u8, "/sys"u8, "sysfs"u8);
        Sys.Mount("devtmpfs"u8, "/dev"u8, "devtmpfs"u8);
    }

    /// <summary>Mounts each <c>disk=N:MOUNT</c> and swaps to <c>swap=N</c>. False, with the reason on the console, when one cannot be used.</summary>
    public static bool Attach(Options options)
    {
        foreach (ReadOnlySpan<byte> word in options.Words)
        {
            if (Options.TryValue(word, "disk"u8, out ReadOnlySpan<byte> disk) && disk.IndexOf((byte)':') is > 0 and int colon
                && !TryMount(Options.Number(disk.Slice(0, colon)), disk.Slice(colon + 1)))
                return Fail("cannot mount "u8, disk);
            if (Options.TryValue(word, "swap"u8, out ReadOnlySpan<byte> swap) && !TrySwap(Options.Number(swap)))
                return Fail("cannot swap to disk "u8, swap);
        }
        return true;
    }

    private static bool TryMount(int number, ReadOnlySpan<byte> folder)
    {
        Span<byte> space = stackalloc byte[256];
        var mount = new Text(space);
        mount.Append(folder);
        Span<byte> target = mount.Terminated();
        Sys.MakeFolders(target);
        return Sys.Mount(Device(number, stackalloc byte[16]), target, "ext2"u8);
    }

    private static bool TrySwap(int number) => Sys.SwapOn(Device(number, stackalloc byte[16]));

    /// <summary><c>/dev/vda</c> for 0, <c>/dev/vdb</c> for 1 and so on.</summary>
    private static ReadOnlySpan<byte> Device(int number, Span<byte> space)
    {
        var text = new Text(space);
        text.Append("/dev/vd"u8);
        text.Append([(byte)('a' + number % 26)]);
        return text.Terminated();
    }

    private static bool Fail(ReadOnlySpan<byte> what, ReadOnlySpan<byte> which)
    {
        int console = Sys.Open("/dev/console"u8, Sys.ReadWrite);
        Sys.Write(console, "init: "u8);
        Sys.Write(console, what);
        Sys.Write(console, which);
        Sys.Write(console, "\n"u8);
        return false;
    }
}
