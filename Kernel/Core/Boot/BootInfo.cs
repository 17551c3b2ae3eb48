using System;

namespace NanoVm.Core.Boot;

/// <summary>All that the loader tells, whichever loader it was.</summary>
/// <remarks>
/// It is read in place, through the direct map, so the memory in <see cref="LoaderData"/> and below 1 MiB must stay untouched;
/// both are small and are never given to an allocator. The boot page tables map the lowest 4 GiB, where loaders put everything.
/// </remarks>
internal unsafe struct BootInfo
{
    /// <summary>Virtual = physical + this. DESIGN.md, section 5.</summary>
    public const ulong DirectMapBase = 0xffff_8880_0000_0000;

    /// <summary>Bytes that the boot page tables map: nothing above may be touched before the final tables are loaded.</summary>
    public const ulong BootMappedLimit = 1UL << 32;

    /// <summary>Who has started us.</summary>
    public BootProtocol Protocol;

    /// <summary>The firmware's list of memory.</summary>
    public MemoryMap MemoryMap;

    /// <summary>The initramfs, in parts.</summary>
    public BootModules Modules;

    /// <summary>The screen, when there is one.</summary>
    public BootFramebuffer Framebuffer;

    /// <summary>Physical address of the structure through which ACPI's tables are found, or zero: then the BIOS area has it.</summary>
    public ulong AcpiRsdp;

    /// <summary>Where the loader's own structures lie (all of them, when they are not below 1 MiB).</summary>
    public BootRange LoaderData;

    /// <summary>Time-stamp counter at the kernel's first instructions.</summary>
    public ulong StartTsc;

    internal byte* CommandLineStart;

    /// <summary>Bytes of the command line that are looked at. Linux: <c>COMMAND_LINE_SIZE</c>, there 2,048 with the final zero.</summary>
    public const int LongestCommandLine = 4095;

    /// <summary>The kernel's command line, without the kernel's name, cut to <see cref="LongestCommandLine"/>.</summary>
    public readonly ReadOnlySpan<byte> CommandLine
    {
        get
        {
            int length = 0;
            while (CommandLineStart is not null && length < LongestCommandLine && CommandLineStart[length] != 0)
                length++;
            return new ReadOnlySpan<byte>(CommandLineStart, length);
        }
    }

    /// <summary>The loader's line goes on behind what <see cref="CommandLine"/> shows.</summary>
    public readonly bool IsCommandLineCut => CommandLine.Length == LongestCommandLine && CommandLineStart[LongestCommandLine] != 0;

    /// <summary>Reads what the loader left.</summary>
    /// <param name="handover">From boot/entry.asm.</param>
    /// <returns>Information of which <see cref="Protocol"/> is <see cref="BootProtocol.Unknown"/> when it could not be read.</returns>
    public static BootInfo Read(in BootHandover handover)
    {
        BootInfo info = handover.Protocol switch
        {
            BootProtocol.Multiboot2 => Multiboot2.Read(handover.Structure),
            BootProtocol.Pvh => Pvh.Read(handover.Structure),
            _ => default,
        };
        info.StartTsc = handover.Tsc;
        return info;
    }

    /// <summary>The address at which C# reads what the loader put at a physical one.</summary>
    internal static byte* At(ulong physical) => (byte*)(physical + DirectMapBase);
}
