using System;
using System.Runtime.CompilerServices;

namespace NanoVm.Core;

/// <summary>All RAM, seen by the kernel at its physical address plus <see cref="KernelLayout.DirectMap"/>.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces. Linux: <c>__va</c>.</remarks>
internal static unsafe class DirectMap
{
    /// <summary>Where the kernel reads <paramref name="address"/>; only RAM is mapped there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Pointer(PhysAddr address) => (byte*)(address.Value + KernelLayout.DirectMap);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Pointer(Pfn pfn) => (byte*)((pfn.Value << PageSize.Shift) + KernelLayout.DirectMap);

    /// <summary>The bytes of a frame.</summary>
    public static Span<byte> Page(Pfn pfn) => new(Pointer(pfn), (int)PageSize.Bytes);

    /// <summary>The inverse of <see cref="Pointer(PhysAddr)"/>.</summary>
    public static PhysAddr PhysicalOf(void* pointer) => new((ulong)pointer - KernelLayout.DirectMap);

    public static void ZeroPage(Pfn pfn) => Cpu.ZeroPage(Pointer(pfn));

    public static void CopyPage(Pfn to, Pfn from) => Cpu.CopyPage(Pointer(to), Pointer(from));
}
