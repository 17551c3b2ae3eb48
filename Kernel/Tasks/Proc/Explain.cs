using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/explain</c>: write an address, read in words what is there and what a touch would do. NanoVM's own.</summary>
/// <remarks>
/// <c>echo 0x400000 &gt; /proc/$$/explain; cat /proc/$$/explain</c>: the address stays with the process; an open file that was written
/// to keeps its own. What is told of faults
/// follows the decision tree of <c>Memory/Faults</c> without walking it: nothing is changed by asking.
/// </remarks>
internal sealed class ExplainFile(TaskSystem system) : ProcText("explain"u8, 0x180)
{
    private readonly TaskSystem _system = system;

    /// <inheritdoc/>
    public override Errno Open(TaskFiles who, ProcOpenFile file) => TaskPermission.Check(_system, who, file.Subject);

    /// <inheritdoc/>
    public override bool IsValid(in ProcSubject subject) => TaskNode.IsValid(_system, subject);

    /// <inheritdoc/>
    public override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
        => TaskNode.GetOwner(_system, subject, Mode, ref uid, ref gid);

    /// <summary>Takes the address: hexadecimal with or without 0x, as <c>maps</c> writes it.</summary>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        Span<byte> text = stackalloc byte[32];
        long total = (long)from.Remaining;
        Errno error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return error;
        if (from.Remaining != 0 || !TryParse(text.Slice(0, count), out ulong address))
            return Errno.EINVAL;
        file.Private = address;
        file.HasPrivate = true;
        if (ProcessSource.TaskOf(_system, file.Subject) is { } task)
        {
            task.Group.ExplainedAddress = new VirtAddr(address);
            task.Put();
        }
        position = 0;                                       // the next read tells of it from the beginning
        return total;
    }

    private static bool TryParse(ReadOnlySpan<byte> text, out ulong address)
    {
        address = 0;
        while (!text.IsEmpty && text[^1] is (byte)'\n' or (byte)' ')
            text = text.Slice(0, text.Length - 1);
        while (!text.IsEmpty && text[0] == ' ')
            text = text.Slice(1);
        if (text.Length > 2 && text[0] == '0' && (text[1] | 32) == 'x')
            text = text.Slice(2);
        if (text.IsEmpty || text.Length > 16)
            return false;
        for (int i = 0; i < text.Length; i++)
        {
            int c = text[i] | 32;
            int digit = text[i] is >= (byte)'0' and <= (byte)'9' ? text[i] - '0' : c is >= 'a' and <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                return false;
            address = address << 4 | (uint)digit;
        }
        return true;
    }

    /// <inheritdoc/>
    public override Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor)
    {
        Task? task = ProcessSource.TaskOf(_system, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        MmStruct? mm = TaskNode.MemoryOf(task);
        VirtAddr address = file.HasPrivate ? new VirtAddr(file.Private) : task.Group.ExplainedAddress;
        task.Put();
        if (mm is null)
        {
            w.Text("This is a kernel thread: it has no address space of its own.\n"u8);
            cursor.Ended = !w.Overflowed;
            return Errno.None;
        }
        Errno error = mm.MmapLock.ReadLockKillable();
        if (error == Errno.None)
        {
            Explanation.Write(ref w, mm, address);
            mm.MmapLock.ReadUnlock();
        }
        mm.Put();
        if (w.Overflowed)
            w.Truncate(0);
        else
            cursor.Ended = true;
        return error;
    }
}

/// <summary>The words of <see cref="ExplainFile"/>.</summary>
internal static class Explanation
{
    /// <summary>Tells all about one address. Holds <see cref="MmStruct.MmapLock"/>.</summary>
    public static void Write(ref TextWriter w, MmStruct mm, VirtAddr address)
    {
        w.Text("address 0x"u8);
        w.Hex(address.Value);
        w.Byte((byte)'\n');
        if (address >= mm.TaskSize)
        {
            OutsideUserSpace(ref w, mm, address);
            return;
        }
        VmArea? area = mm.FindVma(address);
        bool inside = area is not null && area.Start <= address;
        if (inside)
            Area(ref w, area!, address);
        else
            Hole(ref w, mm, area, address);
        Pte entry = Walk(ref w, mm, address);
        if (entry.IsMapped())
            Frame(ref w, mm, entry);
        Touches(ref w, mm, inside ? area : null, area, entry, address);
    }

    private static void OutsideUserSpace(ref TextWriter w, MmStruct mm, VirtAddr address)
    {
        int bits = mm.System.PagingLevels == 5 ? 57 : 48;
        ulong high = address.Value >> (bits - 1);
        bool canonical = high == 0 || high == ulong.MaxValue >> (bits - 1);
        if (!canonical)
        {
            w.Text("area: none; not canonical: bits 63 to "u8);
            w.Decimal((ulong)(bits - 1));
            w.Text(" differ, no page table can map it\nread, write, execute: general protection fault, SIGSEGV without an address (si_code SI_KERNEL)\n"u8);
            return;
        }
        w.Text(high == 0 ? "area: none; above the end of user space\n"u8 : "area: none; this half belongs to the kernel\n"u8);
        w.Text("read, write, execute: SIGSEGV (SEGV_MAPERR): user mode may not go there, whatever is mapped\n"u8);
    }

    private static void Area(ref TextWriter w, VmArea area, VirtAddr address)
    {
        w.Text("area: "u8);
        MapsText.Line(ref w, area);
        w.Text("  page "u8);
        w.Decimal((address - area.Start) >> PageSize.Shift);
        w.Text(" of "u8);
        w.Decimal(area.Pages.Value);
        w.Text(", "u8);
        if (area.File is not null)
        {
            w.Text("page "u8);
            w.Decimal(area.PageIndexOf(address));
            w.Text(area.Has(VmFlags.Shared) ? " of the file, shared: writes reach the file"u8 : " of the file, private: writes are copied"u8);
        }
        else
        {
            w.Text(area.Operations is null ? "anonymous private memory"u8
                : area.Has(VmFlags.MayShare) ? "shared memory"u8 : "special pages of the kernel"u8);
        }
        if (area.Has(VmFlags.GrowsDown))
            w.Text(", a stack that grows down"u8);
        if (area.Has(VmFlags.Locked))
            w.Text(", locked in memory"u8);
        w.Text("\n  "u8);
        SmapsText.Flags(ref w, area.Flags);
    }

    private static void Hole(ref TextWriter w, MmStruct mm, VmArea? above, VirtAddr address)
    {
        w.Text("area: none; a hole"u8);
        if (above is not null)
        {
            w.Text(", the next area begins 0x"u8);
            w.Hex(above.Start - address);
            w.Text(" bytes above at "u8);
            w.Hex(above.Start.Value, 8);
        }
        w.Byte((byte)'\n');
    }

    // The entries from CR3 down to where the walk ends; answers the last-level entry, or none.
    private static Pte Walk(ref TextWriter w, MmStruct mm, VirtAddr address)
    {
        int levels = mm.System.PagingLevels;
        w.Text("walk: CR3 -> pgd in frame 0x"u8);
        w.Hex(mm.Root.Value);
        w.Byte((byte)'\n');
        Pfn table = mm.Root;
        for (int level = levels; level >= 1; level--)
        {
            int index = (int)(address.Value >> EntryWords.ShiftOf(level)) & (PageSize.TableEntries - 1);
            Pte entry = new PageTable<Pte>(table)[index];
            w.Text("  "u8);
            w.Text(EntryWords.NameOfLevel(level, levels));
            w.Byte((byte)'[');
            w.Decimal((ulong)index);
            w.Text("] = "u8);
            w.Hex(entry.Value, 16);
            if (entry.IsNone)
            {
                w.Text(": empty, the walk ends here\n"u8);
                return default;
            }
            if (level == 1 && entry.IsSwap())
            {
                w.Text(": a swap entry\n"u8);
                return entry;
            }
            // Of user space only 2 MiB pages stand above the last level.
            bool isLarge = level == 2 && (entry.Flags & PteFlags.Huge) != 0;
            Pfn target = isLarge ? new Pmd(entry.Value).Pfn : entry.Pfn;
            w.Text(isLarge ? " -> 2 MiB page from frame 0x"u8 : level == 1 ? " -> frame 0x"u8 : " -> table in frame 0x"u8);
            w.Hex(target.Value);
            w.Byte((byte)':');
            EntryWords.Flags(ref w, entry);
            w.Byte((byte)'\n');
            if (level == 1)
                return entry;
            if (isLarge)
                return new Pmd(entry.Value).ToPte(Pte.IndexOf(address));
            if (!entry.IsPresent)
                return default;
            table = entry.Pfn;
        }
        return default;
    }

    private static void Frame(ref TextWriter w, MmStruct mm, Pte entry)
    {
        Pfn pfn = entry.Pfn;
        w.Text("frame 0x"u8);
        w.Hex(pfn.Value);
        if (pfn == mm.System.ZeroPage)
        {
            w.Text(": the zero page, shared by all who have only read; never counted, never freed\n"u8);
            return;
        }
        if (!mm.System.Frames.IsRam(pfn))
        {
            w.Text(": device memory, it has no descriptor\n"u8);
            return;
        }
        ref PageFrame frame = ref mm.System.Frames[mm.System.Frames.HeadOf(pfn)];
        w.Text(": "u8);
        Count(ref w, frame.ReferenceCount, "reference"u8);
        w.Text(", mapped "u8);
        Count(ref w, mm.System.Frames.MappingsOf(pfn), "time"u8);
        w.Text(frame.IsAnonymous ? ", anonymous"u8 : frame.Has(FrameFlags.SwapBacked) ? ", shared memory"u8 : ", page cache"u8);
        if (frame.Has(FrameFlags.UpToDate))
            w.Text(", up to date"u8);
        if (frame.Has(FrameFlags.Dirty))
            w.Text(", dirty"u8);
        if (frame.Has(FrameFlags.Locked))
            w.Text(", locked"u8);
        if (frame.Has(FrameFlags.HugePool))
        {
            w.Text(", of the pool of huge pages\n"u8);
            return;
        }

        w.Text(", page "u8);
        w.Decimal(frame.Index);
        w.Text(frame.IsAnonymous ? " of its anonymous memory\n"u8 : " of its file\n"u8);
    }

    private static void Count(ref TextWriter w, int value, ReadOnlySpan<byte> thing)
    {
        w.Signed(value);
        w.Byte((byte)' ');
        w.Text(thing);
        if (value != 1)
            w.Byte((byte)'s');
    }

    private static void Touches(ref TextWriter w, MmStruct mm, VmArea? area, VmArea? above, Pte entry, VirtAddr address)
    {
        if (area is null)
        {
            if (above is not null && above.Has(VmFlags.GrowsDown))
                w.Text("read, write: the area above is a stack: it grows down to here if its limit and the gap below allow it, else SIGSEGV (SEGV_MAPERR)\nexecute: SIGSEGV\n"u8);
            else
                w.Text("read, write, execute: SIGSEGV (SEGV_MAPERR): no area\n"u8);
            return;
        }
        w.Text("read: "u8);
        if (!area.Has(VmFlags.Read) && !area.Has(VmFlags.Write) && !area.Has(VmFlags.Execute))
            w.Text("SIGSEGV (SEGV_ACCERR): the area allows nothing"u8);
        else if (entry.IsPresent)
            w.Text("no fault"u8);
        else
            Missing(ref w, area, entry, address, write: false);
        w.Text("\nwrite: "u8);
        if (!area.Has(VmFlags.Write))
            w.Text("SIGSEGV (SEGV_ACCERR): the area is not writable"u8);
        else if (entry.IsPresent && entry.IsWritable)
            w.Text("no fault"u8);
        else if (entry.IsPresent)
            Protected(ref w, mm, area, entry);
        else
            Missing(ref w, area, entry, address, write: true);
        w.Text("\nexecute: "u8);
        if (!area.Has(VmFlags.Execute))
            w.Text("SIGSEGV (SEGV_ACCERR): the area is not executable"u8);
        else if (entry.IsPresent)
            w.Text("no fault"u8);
        else
            Missing(ref w, area, entry, address, write: false);
        w.Byte((byte)'\n');
    }

    // HandlePteFault with an entry that is not present.
    private static void Missing(ref TextWriter w, VmArea area, Pte entry, VirtAddr address, bool write)
    {
        if (entry.IsSwap())
        {
            w.Text("DoSwapPage: the page comes back from swap"u8);
            return;
        }
        if (area.Operations is null)
        {
            w.Text(write ? "DoAnonymousPage: a frame of zeros is allocated and mapped"u8 : "DoAnonymousPage: the zero page is mapped read-only"u8);
            return;
        }
        if (area.File?.Mapping is { } mapping && area.PageIndexOf(address) >= mapping.SizePages)
        {
            w.Text("SIGBUS: beyond the end of the file"u8);
            return;
        }
        if (area.Has(VmFlags.HugeTlb))
            w.Text("HugetlbFault: a page of 2 MiB from the pool, or the file's, is mapped"u8);
        else if (!write)
            w.Text("DoReadFault: the page is found in the page cache (or read) and mapped, its neighbours with it"u8);
        else if (area.Has(VmFlags.Shared))
            w.Text("DoSharedFault: the page is found in the page cache and mapped writable"u8);
        else
            w.Text("DoCowFault: the page of the file is copied into a frame of its own"u8);
    }

    // HandlePteFault with a write to an entry that is present and read-only.
    private static void Protected(ref TextWriter w, MmStruct mm, VmArea area, Pte entry)
    {
        Pfn pfn = entry.Pfn;
        if (area.Has(VmFlags.Shared))
        {
            w.Text("DoWpPage: shared, the entry becomes writable and dirty"u8);
            return;
        }
        if (pfn == mm.System.ZeroPage)
        {
            w.Text("DoWpPage: a frame of zeros takes the place of the zero page"u8);
            return;
        }
        if (mm.System.Frames.IsRam(pfn) && mm.System.Frames[pfn] is { IsAnonymous: true, ReferenceCount: 1 })
            w.Text("DoWpPage: nobody else has the frame, the entry becomes writable"u8);
        else
            w.Text("DoWpPage: the frame is shared, it is copied and the copy mapped writable"u8);
    }
}
