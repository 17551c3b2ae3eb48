using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>What Memory reads into entries beyond what the processor does.</summary>
/// <remarks>
/// <code>
///   all zero                       nothing was ever here
///   Present                        a page that the processor may use
///   no Present, <see cref="ProtNone"/>          a page that is there but whose area allows no access (PROT_NONE)
///   no Present, no ProtNone        a swap entry: kind and slot as <see cref="Faults"/> wrote them
/// </code>
/// A PROT_NONE page cannot simply lose its User bit: the kernel's copies run with SMAP lifted and would reach it.
/// </remarks>
internal static class PteExtensions
{
    /// <summary>Linux: <c>_PAGE_PROTNONE</c>. The bit means "global" in a present entry, which user pages never are.</summary>
    public const PteFlags ProtNone = PteFlags.Global;

    /// <summary>Whether a frame is mapped here, accessible or not. Linux: <c>pte_present</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsMapped(this Pte entry) => (entry.Value & (ulong)(PteFlags.Present | ProtNone)) != 0;

    /// <summary>Whether it is a swap entry.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsSwap(this Pte entry) => entry.Value != 0 && (entry.Value & (ulong)(PteFlags.Present | ProtNone)) == 0;

    /// <summary>The same frame and history with the rights of <paramref name="protection"/>. Linux: <c>pte_modify</c>.</summary>
    public static Pte WithProtection(this Pte entry, PteFlags protection)
    {
        const PteFlags kept = PteFlags.Accessed | PteFlags.Dirty | PteFlags.Special | PteFlags.SoftDirty | PteFlags.UserfaultWriteProtect
            | PteFlags.WriteThrough | PteFlags.CacheDisable;
        return new Pte((entry.Value & (PageTableEntry.AddressMask | (ulong)kept)) | (ulong)protection);
    }
}
