using System;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary>Page-table entries in words, for <c>page_tables</c> and <c>explain</c>.</summary>
internal static class EntryWords
{
    /// <summary>Names of the levels, the last one first. With four levels the top one is what the lectures draw as the PGD.</summary>
    /// <param name="level">1 for the last level.</param>
    public static ReadOnlySpan<byte> NameOfLevel(int level, int levels) => level switch
    {
        1 => "pte"u8,
        2 => "pmd"u8,
        3 => "pud"u8,
        _ => level == levels ? "pgd"u8 : "p4d"u8,
    };

    /// <summary>Bits of an address below a level: 12 for the last one.</summary>
    public static int ShiftOf(int level) => PageSize.Shift + (level - 1) * 9;

    /// <summary>Writes the flags of an entry that is present, with a blank before each.</summary>
    public static void Flags(ref TextWriter w, Pte entry)
    {
        PteFlags flags = entry.Flags;
        w.Text(entry.IsPresent ? " present"u8 : " protected-from-all"u8);
        Word(ref w, flags, PteFlags.Writable, " writable"u8, " read-only"u8);
        Word(ref w, flags, PteFlags.User, " user"u8, " kernel"u8);
        Word(ref w, flags, PteFlags.NoExecute, " no-execute"u8, " executable"u8);
        Word(ref w, flags, PteFlags.Accessed, " accessed"u8, default);
        Word(ref w, flags, PteFlags.Dirty, " dirty"u8, default);
        Word(ref w, flags, PteFlags.SoftDirty, " soft-dirty"u8, default);
        Word(ref w, flags, PteFlags.Special, " special"u8, default);
        Word(ref w, flags, PteFlags.CacheDisable, " uncached"u8, default);
        Word(ref w, flags, PteFlags.WriteThrough, " write-combining"u8, default);
        Word(ref w, flags, PteFlags.UserfaultWriteProtect, " uffd-wp"u8, default);
        if (entry.ProtectionKey != 0)
        {
            w.Text(" key "u8);
            w.Decimal((ulong)entry.ProtectionKey);
        }
    }

    private static void Word(ref TextWriter w, PteFlags flags, PteFlags flag, ReadOnlySpan<byte> yes, ReadOnlySpan<byte> no)
        => w.Text((flags & flag) != 0 ? yes : no);
}
