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
public readonly unsafe struct KernelImage
{
    /// <summary>Virtual = physical + this, for every byte of the image.</summary>
    public const ulong Base = 0xffff_ffff_8000_0000;

    /// <summary>All of the image as physical addresses, boot code, boot page tables and boot stack included.</summary>
    public readonly ulong PhysicalStart, PhysicalEnd;

    /// <summary>Code: to be mapped read-execute.</summary>
    public readonly ulong TextStart, TextEnd;

    /// <summary>Constants, method tables, symbols: to be mapped read-only.</summary>
    public readonly ulong RodataStart, RodataEnd;

    /// <summary>Statics, zeroed data and the boot stack: to be mapped read-write.</summary>
    public readonly ulong DataStart, DataEnd;

    /// <summary>The compiler's module headers.</summary>
    public readonly ulong ModulesStart, ModulesEnd;

    /// <summary>The table of instructions that may fault on user memory, with where to go on.</summary>
    public readonly ulong ExceptionTableStart, ExceptionTableEnd;

    /// <summary>The table from addresses to names and lines.</summary>
    public readonly ulong SymbolsStart, SymbolsEnd;

    /// <summary>The part of the code that was C#.</summary>
    public readonly ulong ManagedTextStart, ManagedTextEnd;

    /// <summary>The one there is.</summary>
    public static ref readonly KernelImage Current => ref *GetTable();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "kernel_image_table")]
    private static extern KernelImage* GetTable();
}
