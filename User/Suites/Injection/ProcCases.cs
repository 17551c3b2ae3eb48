using System;
using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Reading what the kernel tells of itself.</summary>
internal static unsafe class ProcCases
{
    public static void Areas()
    {
        static nint Maps() => ReadWhole("/proc/self/maps"u8);
        static nint Smaps() => ReadWhole("/proc/self/smaps"u8);
        static nint Rollup() => ReadWhole("/proc/self/smaps_rollup"u8);
        static nint Tree() => ReadWhole("/proc/self/vma_tree"u8);
        static nint Tables() => ReadWhole("/proc/self/page_tables"u8);
        static nint Pages()
        {
            int file = Open("/proc/self/pagemap"u8, 0);
            if (file < 0)
                return file;
            nint got = PositionedRead(file, Data, 32, (nint)((ulong)Data / Page * 8));
            Close(file);
            return got;
        }

        Walk(&Maps, &Undo.Nothing);
        Walk(&Smaps, &Undo.Nothing);
        Walk(&Rollup, &Undo.Nothing);
        Walk(&Tree, &Undo.Nothing);
        Walk(&Tables, &Undo.Nothing);
        Walk(&Pages, &Undo.Nothing);
    }

    public static void Task()
    {
        static nint Status() => ReadWhole("/proc/self/status"u8);
        static nint Stat() => ReadWhole("/proc/self/stat"u8);
        static nint Line() => ReadWhole("/proc/self/cmdline"u8);
        static nint Memory() => ReadWhole("/proc/self/mounts"u8);
        static nint Names() => ListWhole("/proc/self/fd"u8);
        static nint Threads() => ListWhole("/proc/self/task"u8);
        static nint All() => ListWhole("/proc"u8);
        Walk(&Status, &Undo.Nothing);
        Walk(&Stat, &Undo.Nothing);
        Walk(&Line, &Undo.Nothing, May.Fault);
        Walk(&Memory, &Undo.Nothing);
        Walk(&Names, &Undo.Nothing);
        Walk(&Threads, &Undo.Nothing);
        Walk(&All, &Undo.Nothing);
    }

    public static void Machine()
    {
        static nint Info() => ReadWhole("/proc/meminfo"u8);
        static nint Statistics() => ReadWhole("/proc/vmstat"u8);
        static nint Slabs() => ReadWhole("/proc/slabinfo"u8);
        static nint Areas() => ReadWhole("/proc/vmallocinfo"u8);
        static nint Check() => ReadWhole("/proc/memfsck"u8);
        static nint Stat() => ReadWhole("/proc/stat"u8);
        Walk(&Info, &Undo.Nothing);
        Walk(&Statistics, &Undo.Nothing);
        Walk(&Slabs, &Undo.Nothing);
        Walk(&Areas, &Undo.Nothing);
        Walk(&Check, &Undo.Nothing);
        Walk(&Stat, &Undo.Nothing);
    }

    public static void Explain()
    {
        static nint Act()
        {
            int file = Open("/proc/self/explain"u8, 2);
            if (file < 0)
                return file;
            nint result = Write(file, Data, 10);
            if (result > 0)
                result = Read(file, Data + Page, 4 * Page);
            Close(file);
            return result;
        }

        "0x7fff0000"u8.CopyTo(new Span<byte>(Data, 10));
        Walk(&Act, &Undo.Nothing);
    }

    private static nint ReadWhole(ReadOnlySpan<byte> path)
    {
        int file = Open(path, 0);
        if (file < 0)
            return file;
        nint got;
        do
            got = Read(file, Data, DataBytes);
        while (got == DataBytes);
        Close(file);
        return got;
    }

    private static nint ListWhole(ReadOnlySpan<byte> path)
    {
        int file = Open(path, 0x10000);
        if (file < 0)
            return file;
        nint got = Syscall.Call(217, file, (nint)Data, DataBytes);
        Close(file);
        return got;
    }
}
