using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/page_tables</c>: the tables of an address space, level by level, equal neighbours folded. NanoVM's own.</summary>
/// <remarks>
/// <code>
/// pgd frame 0x1f2, 4 levels, 9 tables
/// pgd[000]             0000000000000000-0000008000000000 -> table 0x1f8  present writable user executable accessed dirty
///   pud[000]           0000000000000000-0000000040000000 -> table 0x1f9  ...
///     pmd[002]         0000000000400000-0000000000600000 -> table 0x1fa  ...
///       pte[000]       0000000000400000-0000000000401000     1 page  frame 0x5a1  present read-only user no-execute accessed
///       pte[001-003]   0000000000401000-0000000000404000     3 pages frames 0x5a2.. present read-only user executable accessed
/// </code>
/// The cursor is the address of the next last-level table, so a piece costs O(tables in it) and no lock is held between pieces.
/// </remarks>
internal sealed class PageTablesFile(TaskSystem system) : MemoryText(system, "page_tables"u8, 0x100)
{
    /// <inheritdoc/>
    protected override void Show(Task task, MmStruct mm, ref TextWriter w, ref ProcCursor cursor)
    {
        int levels = mm.System.PagingLevels;
        if (cursor.Position == 0)
        {
            w.Text("pgd frame 0x"u8);
            w.Hex(mm.Root.Value);
            w.Text(", "u8);
            w.Decimal((ulong)levels);
            w.Text(" levels, "u8);
            w.Decimal(mm.PageTablePages);
            w.Text(" tables\n"u8);
        }
        ulong end = mm.TaskSize.Value;
        for (ulong address = cursor.Position; address < end;)
        {
            int before = w.Length;
            ulong next = ShowTable(mm, levels, address, ref w);
            if (w.Overflowed)
            {
                w.Truncate(cursor.Position == 0 ? 0 : before);      // the heading comes with the first table
                return;
            }
            address = next;
            cursor.Position = next;
        }
        cursor.Ended = true;
    }

    // Shows the way down to the last-level table of an address, as far as it has not been shown for an address before, and the table.
    // Answers where the next one may be.
    private static ulong ShowTable(MmStruct mm, int levels, ulong address, ref TextWriter w)
    {
        // Down first: a line is written only for what leads to pages.
        Span<ulong> way = stackalloc ulong[6];
        Pfn table = mm.Root;
        int bottom = 1;
        for (int level = levels; level > 1; level--)
        {
            int shift = EntryWords.ShiftOf(level);
            Pte entry = new PageTable<Pte>(table)[IndexOf(address, level)];
            if (!entry.IsPresent)
                return (address >> shift << shift) + (1UL << shift);
            way[level] = entry.Value;
            if (level <= 3 && (entry.Flags & PteFlags.Huge) != 0)
            {
                bottom = level;
                break;
            }
            table = entry.Pfn;
        }
        for (int level = levels; level > 1 && level >= bottom; level--)
        {
            var entry = new Pte(way[level]);
            if (level != bottom && !IsFirstWay(way, address, level, bottom))
                continue;
            int shift = EntryWords.ShiftOf(level);
            ulong start = address >> shift << shift;
            Line(ref w, level, levels, IndexOf(address, level), IndexOf(address, level), start, start + (1UL << shift));
            w.Text(level == bottom ? " -> large page 0x"u8 : " -> table 0x"u8);
            w.Hex(entry.Pfn.Value);
            w.Byte((byte)' ');
            EntryWords.Flags(ref w, entry);
            w.Byte((byte)'\n');
        }
        if (bottom == 1)
            ShowEntries(mm, levels, table, address >> 21 << 21, ref w);
        int step = EntryWords.ShiftOf(Math.Max(bottom, 2));
        return (address >> step << step) + (1UL << step);
    }

    // Is this the first way down below the entry of a level: does nothing stand before it in any of the tables further down?
    private static bool IsFirstWay(Span<ulong> way, ulong address, int level, int bottom)
    {
        for (int below = level - 1; below > 1 && below >= bottom; below--)
        {
            var entries = new PageTable<Pte>(new Pte(way[below + 1]).Pfn);
            for (int i = IndexOf(address, below) - 1; i >= 0; i--)
            {
                if (entries[i].IsPresent)
                    return false;
            }
        }
        return true;
    }

    private static int IndexOf(ulong address, int level)
        => (int)(address >> EntryWords.ShiftOf(level)) & (PageSize.TableEntries - 1);

    private static void ShowEntries(MmStruct mm, int levels, Pfn table, ulong start, ref TextWriter w)
    {
        var entries = new PageTable<Pte>(table);
        for (int first = 0; first < PageSize.TableEntries;)
        {
            Pte entry = entries[first];
            int last = first;
            if (entry.IsNone)
            {
                first++;
                continue;
            }
            bool mapped = entry.IsMapped();
            bool inRow = true;
            while (last + 1 < PageSize.TableEntries)
            {
                Pte other = entries[last + 1];
                if (other.IsNone || other.IsMapped() != mapped || (mapped && other.Flags != entry.Flags))
                    break;
                inRow &= other.Pfn.Value == entry.Pfn.Value + (ulong)(last + 1 - first);
                last++;
            }
            Line(ref w, 1, levels, first, last, start + ((ulong)first << PageSize.Shift), start + ((ulong)(last + 1) << PageSize.Shift));
            w.Decimal((ulong)(last - first + 1), 6);
            w.Text(last == first ? " page "u8 : " pages"u8);
            if (!mapped)
            {
                w.Text(" swapped out\n"u8);
            }
            else
            {
                if (entry.Pfn == mm.System.ZeroPage && last == first)
                    w.Text(" the zero page"u8);
                else
                    w.Text(last == first ? " frame 0x"u8 : inRow ? " frames from 0x"u8 : " frames 0x"u8);
                if (!(entry.Pfn == mm.System.ZeroPage && last == first))
                    w.Hex(entry.Pfn.Value);
                if (last != first && !inRow)
                    w.Text(" and others"u8);
                w.Byte((byte)' ');
                EntryWords.Flags(ref w, entry);
                w.Byte((byte)'\n');
            }
            first = last + 1;
        }
    }

    private static void Line(ref TextWriter w, int level, int levels, int first, int last, ulong start, ulong end)
    {
        int at = w.Length;
        w.Repeat((byte)' ', (levels - level) * 2);
        w.Text(EntryWords.NameOfLevel(level, levels));
        w.Byte((byte)'[');
        w.Decimal((ulong)first, 3, (byte)'0');
        if (last != first)
        {
            w.Byte((byte)'-');
            w.Decimal((ulong)last, 3, (byte)'0');
        }
        w.Byte((byte)']');
        w.PadTo(at, 22);
        w.Byte((byte)' ');
        w.Hex(start, 16);
        w.Byte((byte)'-');
        w.Hex(end, 16);
    }
}
