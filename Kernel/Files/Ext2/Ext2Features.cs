using System;
using NanoVm.Core;
using static NanoVm.Files.Ext2.Ext2Layout;

namespace NanoVm.Files.Ext2;

/// <summary>What a disk says that one must know to read it, or to write it; unknown things are refused by their names.</summary>
/// <remarks>
/// Three words of bits. "Compatible" ones need no knowledge (hash trees of directories, reserved descriptors for growing, extended attributes);
/// "read-only compatible" ones must be known by who writes; "incompatible" ones by who mounts at all. Names are those of <c>dumpe2fs</c>.
/// </remarks>
internal static class Ext2Features
{
    private const uint IncompatRecover = 0x4;
    private const uint CompatJournal = 0x4;

    /// <summary>Whether the disk can be mounted so; a line in the log says why not.</summary>
    public static bool MayMount(ReadOnlySpan<byte> super, uint incompat, uint readOnly, bool onlyReading)
    {
        uint unknown = incompat & ~IncompatFileType;
        if ((unknown & IncompatRecover) != 0)
            Log.Warn($"ext2: the disk has a journal that must be recovered first: e2fsck or Linux's ext4 does it");
        for (uint bit = 1; bit != 0; bit <<= 1)
        {
            if ((unknown & bit) != 0)
                Log.Warn($"ext2: cannot mount: unknown feature {NameOfIncompat(bit)} ({bit})");
        }
        if (unknown != 0)
            return false;
        if (!onlyReading)
        {
            unknown = readOnly & ~ReadOnlyKnown;
            for (uint bit = 1; bit != 0; bit <<= 1)
            {
                if ((unknown & bit) != 0)
                    Log.Warn($"ext2: can only be mounted read-only: unknown feature {NameOfReadOnly(bit)} ({bit})");
            }
            if (unknown != 0)
                return false;
        }
        // A clean journal is a file like others: it stays clean, as nothing is put into it.
        if (Get32(super, Super.Revision) != 0 && (Get32(super, Super.Compat) & CompatJournal) != 0)
            Log.Info($"ext2: mounting an ext3: its journal is not used");
        return true;
    }

    private static ReadOnlySpan<byte> NameOfIncompat(uint bit) => bit switch
    {
        0x1 => "compression"u8,
        0x4 => "needs_recovery"u8,
        0x8 => "journal_dev"u8,
        0x10 => "meta_bg"u8,
        0x40 => "extents"u8,
        0x80 => "64bit"u8,
        0x100 => "mmp"u8,
        0x200 => "flex_bg"u8,
        0x400 => "ea_inode"u8,
        0x2000 => "metadata_csum_seed"u8,
        0x4000 => "large_dir"u8,
        0x8000 => "inline_data"u8,
        0x10000 => "encrypt"u8,
        _ => "bit"u8,
    };

    private static ReadOnlySpan<byte> NameOfReadOnly(uint bit) => bit switch
    {
        0x4 => "btree_dir"u8,
        0x8 => "huge_file"u8,
        0x10 => "uninit_bg"u8,
        0x20 => "dir_nlink"u8,
        0x40 => "extra_isize"u8,
        0x100 => "quota"u8,
        0x200 => "bigalloc"u8,
        0x400 => "metadata_csum"u8,
        0x2000 => "project"u8,
        _ => "bit"u8,
    };
}
