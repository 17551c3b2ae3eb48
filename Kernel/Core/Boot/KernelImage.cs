using System.Runtime;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NanoVm.Core.Boot;

/// <summary>Where the linker has put the parts of the kernel: what the final page tables and the allocators must know.</summary>
/// <remarks>
/// The layout is the table in boot/image.asm. All bounds are on page boundaries except those inside of read-only data
/// (modules, exception table, symbols).
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct KernelImage
{
    /// <summary>Virtual = physical + this, for every byte of the image.</summary>
    public const ulong Base = 0xffff_ffff_8000_0000;

    /// <summary>All of the image as physical addresses, boot code, boot page tables and boot stack included.</summary>
    public readonly PhysAddr PhysicalStart, PhysicalEnd;

    /// <summary>Code: to be mapped read-execute.</summary>
    public readonly VirtAddr TextStart, TextEnd;

    /// <summary>Constants, method tables, symbols: to be mapped read-only.</summary>
    public readonly VirtAddr RodataStart, RodataEnd;

    /// <summary>Statics, zeroed data and the boot stack: to be mapped read-write.</summary>
    public readonly VirtAddr DataStart, DataEnd;

    /// <summary>The compiler's module headers.</summary>
    public readonly VirtAddr ModulesStart, ModulesEnd;

    /// <summary>The table of instructions that may fault on user memory, with where to go on.</summary>
    public readonly VirtAddr ExceptionTableStart, ExceptionTableEnd;

    /// <summary>The table from addresses to names and lines.</summary>
    public readonly VirtAddr SymbolsStart, SymbolsEnd;

    /// <summary>The part of the code that was C#.</summary>
    public readonly VirtAddr ManagedTextStart, ManagedTextEnd;

    /// <summary>The one there is.</summary>
    public static ref readonly KernelImage Current => ref *GetTable();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "kernel_image_table")]
    private static extern KernelImage* GetTable();
}
