using System;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>The lines of <c>smaps</c>. Linux: <c>__show_smap</c>, <c>show_smap_vma_flags</c>.</summary>
internal static class SmapsText
{
    /// <summary>A name that is padded already, and bytes shown as kB.</summary>
    public static void Kilobytes(ref TextWriter w, ReadOnlySpan<byte> name, ulong bytes)
    {
        w.Text(name);
        w.Decimal(bytes >> 10, 8);
        w.Text(" kB\n"u8);
    }

    /// <summary>How large an area is and of which pages. Linux: <c>vma_kernel_pagesize</c>.</summary>
    public static void Sizes(ref TextWriter w, ulong bytes, VmFlags flags)
    {
        ulong page = (flags & VmFlags.HugeTlb) != 0 ? PageSize.LargeBytes : PageSize.Bytes;
        Kilobytes(ref w, "Size:           "u8, bytes);
        Kilobytes(ref w, "KernelPageSize: "u8, page);
        Kilobytes(ref w, "MMUPageSize:    "u8, page);
    }

    /// <summary>The lines from Rss to Locked.</summary>
    public static void Usage(ref TextWriter w, in AreaUsage usage, bool rollup)
    {
        Kilobytes(ref w, "Rss:            "u8, usage.Rss);
        Kilobytes(ref w, "Pss:            "u8, usage.Pss);
        Kilobytes(ref w, "Pss_Dirty:      "u8, usage.PssDirty);
        if (rollup)
        {
            Kilobytes(ref w, "Pss_Anon:       "u8, usage.PssAnonymous);
            Kilobytes(ref w, "Pss_File:       "u8, usage.PssFile);
            Kilobytes(ref w, "Pss_Shmem:      "u8, usage.PssShmem);
        }
        Kilobytes(ref w, "Shared_Clean:   "u8, usage.SharedClean);
        Kilobytes(ref w, "Shared_Dirty:   "u8, usage.SharedDirty);
        Kilobytes(ref w, "Private_Clean:  "u8, usage.PrivateClean);
        Kilobytes(ref w, "Private_Dirty:  "u8, usage.PrivateDirty);
        Kilobytes(ref w, "Referenced:     "u8, usage.Referenced);
        Kilobytes(ref w, "Anonymous:      "u8, usage.Anonymous);
        Kilobytes(ref w, "LazyFree:       "u8, usage.LazyFree);
        Kilobytes(ref w, "AnonHugePages:  "u8, usage.AnonymousHuge);
        Kilobytes(ref w, "ShmemPmdMapped: "u8, 0);
        Kilobytes(ref w, "FilePmdMapped:  "u8, 0);
        Kilobytes(ref w, "Shared_Hugetlb: "u8, usage.SharedPool);
        Kilobytes(ref w, "Private_Hugetlb: "u8[..16], usage.PrivatePool);
        Kilobytes(ref w, "Swap:           "u8, usage.Swap);
        Kilobytes(ref w, "SwapPss:        "u8, usage.SwapPss);
        Kilobytes(ref w, "Locked:         "u8, usage.PssLocked);
    }

    /// <summary>The area's protection key, where the processor has keys. Linux: <c>arch_pkeys_enabled</c> in <c>show_smap</c>.</summary>
    public static void Key(ref TextWriter w, VmFlags flags)
    {
        if (!ProtectionKeys.Available)
            return;
        w.Text("ProtectionKey:  "u8);
        w.Decimal((ulong)flags.ProtectionKey(), 8);
        w.Text("\n"u8);
    }

    /// <summary>"VmFlags: rd wr mr mw me ac sd ".</summary>
    public static void Flags(ref TextWriter w, VmFlags flags)
    {
        // Two letters a bit, from bit 0 on. Linux shows no letters for the bits of protection keys, and has none yet for LockOnFault.
        ReadOnlySpan<byte> letters = "rdwrexshmrmwmemsgdumpf??uwloiosrrrdcde??acnrhtsfarwfddsdmmhgnhmg"u8;
        w.Text("VmFlags: "u8);
        for (int bit = 0; bit < letters.Length / 2; bit++)
        {
            if (((ulong)flags & 1UL << bit) == 0)
                continue;
            w.Text(letters.Slice(bit * 2, 2));
            w.Byte((byte)' ');
        }
        if ((flags & VmFlags.UserfaultMinor) != 0)
            w.Text("ui "u8);
        w.Byte((byte)'\n');
    }
}
