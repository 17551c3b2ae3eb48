using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>From what an area allows to what its page-table entries say.</summary>
/// <remarks>
/// Linux: <c>protection_map</c>, <c>vm_get_page_prot</c>. Two rules make it more than a copy of bits: the first write to a private page must
/// fault, because it copies; and x86 cannot forbid reading where it allows writing or executing.
/// <code>
///   ---   no access           PROT_NONE entry
///   r--   -w-(private)        read, no execute
///   -w-   rw- (shared)        read, write, no execute
///   --x   r-x  -wx(private)   read, execute
///   -wx   rwx (shared)        read, write, execute
/// </code>
/// </remarks>
internal static class ProtectionMap
{
    private const PteFlags Base = PteFlags.Present | PteFlags.User | PteFlags.Accessed;

    /// <summary>The entry bits of an area with <paramref name="flags"/>.</summary>
    public static PteFlags Of(VmFlags flags)
    {
        if ((flags & VmFlags.AccessMask) == 0)
            return PteExtensions.ProtNone | PteFlags.User | PteFlags.Accessed | PteFlags.NoExecute;
        PteFlags bits = Base;
        if ((flags & VmFlags.Execute) == 0)
            bits |= PteFlags.NoExecute;
        if ((flags & (VmFlags.Write | VmFlags.Shared)) == (VmFlags.Write | VmFlags.Shared))
            bits |= PteFlags.Writable;
        return bits | (PteFlags)((ulong)flags.ProtectionKey() << PageTableEntry.ProtectionKeyShift);
    }

    /// <summary>Sets <see cref="VmArea.PageProtection"/> from the flags; without Writable where the first write must be announced. Linux: <c>vma_set_page_prot</c>.</summary>
    public static void Apply(VmArea area)
    {
        PteFlags bits = Of(area.Flags);
        if ((bits & PteFlags.Writable) != 0 && WantsWriteNotify(area))
            bits &= ~PteFlags.Writable;
        area.PageProtection = bits;
    }

    /// <summary>
    /// Whether each page's first write must fault though the mapping is shared and writable: its file wants to know, or who tracks changes
    /// (<c>clear_refs</c>). Linux: <c>vma_wants_writenotify</c>.
    /// </summary>
    public static bool WantsWriteNotify(VmArea area)
        => (area.Flags & (VmFlags.Write | VmFlags.Shared)) == (VmFlags.Write | VmFlags.Shared)
            && (area.Operations is { HasPageMkwrite: true } || (area.Flags & (VmFlags.SoftDirty | VmFlags.HugeTlb)) == 0)
            && (area.Flags & (VmFlags.PfnMap)) == 0;
}
