using System.Runtime.InteropServices;

namespace NanoVm.Core.Boot;

/// <summary>What boot/entry.asm hands to C#.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct BootHandover
{
    /// <summary>Who has started us.</summary>
    public readonly BootProtocol Protocol;

    /// <summary>Physical address of that one's structure.</summary>
    public readonly ulong Structure;

    /// <summary>Time-stamp counter at the first instructions.</summary>
    public readonly ulong Tsc;
}

/// <summary>The two ways the kernel is started. Numbers as in boot/layout.inc.</summary>
internal enum BootProtocol : ulong
{
    /// <summary>A loader that follows none we know.</summary>
    Unknown = 0,

    /// <summary>GRUB, from the ISO.</summary>
    Multiboot2 = 1,

    /// <summary>QEMU's <c>-kernel</c>.</summary>
    Pvh = 2,
}
