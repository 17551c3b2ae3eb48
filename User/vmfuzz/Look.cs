using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>What an actor sees of the arena: its areas, which pages are there, what they hold.</summary>
internal static unsafe class Look
{
    private const int Size = 1 << 20;
    private const ulong Present = 1UL << 63, Swapped = 1UL << 62, FileOrShared = 1UL << 61, Exclusive = 1UL << 56;

    private static byte* s_text;
    private static ulong* s_entries;
    private static int s_clean;

    public static void Prepare()
    {
        s_text = (byte*)Linux.Mmap(0, Size, Protection.ReadWrite, Map.SharedAnonymous);
        s_entries = (ulong*)Linux.Mmap(0, 16 * Linux.Page, Protection.ReadWrite, Map.SharedAnonymous);
    }

    public static void Run(Stage* stage, int what)
    {
        ref Writer text = ref stage->Text;
        // What is present changes when memory is short; what all pages hold does not.
        bool steady = stage->Steady != 0;
        bool smaps = what != 1 && !steady;
        Areas(ref text, smaps ? Read("/proc/self/smaps"u8) : Read("/proc/self/maps"u8), stage->Plain != 0, stage->Dirty != 0);
        if (!steady)
        {
            text.Put("\n   pages "u8);
            PageMap(ref text, -Arena.Pages, 2 * Arena.Pages);
            text.Put(" heap "u8);
            PageMap(ref text, Arena.Heap, Arena.HeapPages);
        }
        text.Put("\n   holds "u8);
        text.Hex(Digest(-Arena.Pages, 2 * Arena.Pages, steady || what == 2) ^ Digest(Arena.Heap, Arena.HeapPages, steady || what == 2));
    }

    /// <summary>The lines of maps or smaps that lie in the arena or the heap.</summary>
    private static void Areas(ref Writer text, ReadOnlySpan<byte> lines, bool plain, bool dirty)
    {
        bool shown = false;
        while (lines.Length > 0)
        {
            int end = lines.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = lines.Slice(0, end);
            lines = lines.Slice(end + 1);
            if (line[0] is (>= (byte)'0' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'f'))
                shown = Area(ref text, line);
            else if (shown)
                Field(ref text, line, plain, dirty);
        }
    }

    private static bool Area(ref Writer text, ReadOnlySpan<byte> line)
    {
        int at = 0;
        nint start = Hex(line, ref at);
        at++;
        nint end = Hex(line, ref at);
        if (!Arena.IsShown(start) && !Arena.IsShown(end - 1))
            return false;
        text.Put("\n   "u8);
        text.Address(start);
        text.Put('+');
        text.Number((end - start) >> 12);
        text.Put(line.Slice(at, 5));
        at += 6;
        text.Put(' ');
        text.Hex((ulong)Hex(line, ref at) >> 12);
        // What it is: memfd, System V segment, anonymous shared memory, file, heap.
        if (line.IndexOf("/memfd:"u8) >= 0)
            text.Put(" memfd"u8);
        else if (line.IndexOf("/SYSV"u8) >= 0)
            text.Put(" segment"u8);
        else if (line.IndexOf("/dev/zero"u8) >= 0)
            text.Put(" zero"u8);
        else if (line.IndexOf((byte)'/') >= 0)
            text.Put(" file"u8);
        else if (line.IndexOf("[heap]"u8) >= 0)
            text.Put(" heap"u8);
        return true;
    }

    /// <summary>The fields of smaps that are the same on every machine.</summary>
    private static void Field(ref Writer text, ReadOnlySpan<byte> line, bool plain, bool dirty)
    {
        if (line.StartsWith("VmFlags:"u8))
        {
            ReadOnlySpan<byte> flags = line.Slice(8);
            text.Put(" "u8);
            while (true)
            {
                ReadOnlySpan<byte> flag = Operation.Word(ref flags);
                if (flag.Length == 0)
                    break;
                // Soft-dirty is an option of the kernel's build. Whether untouched memory that became read-only counts as promised (ac) has changed since 6.1.
                if (!flag.SequenceEqual("sd"u8) && !(plain && flag.SequenceEqual("ac"u8)))
                    text.Put(flag);
            }
            return;
        }
        bool shared = line.StartsWith("Shared_"u8);
        if (!shared && !line.StartsWith("Private_C"u8) && !line.StartsWith("Private_D"u8) && !line.StartsWith("Rss:"u8) && !line.StartsWith("Anonymous:"u8)
            && !line.StartsWith("Locked:"u8) && !line.StartsWith("ProtectionKey:"u8))
            return;
        int colon = line.IndexOf((byte)':');
        ReadOnlySpan<byte> rest = line.Slice(colon + 1);
        Operation.Number(ref rest, out int value);
        byte kind = shared ? line[7] : line[0] == (byte)'P' ? line[8] : (byte)0;
        if (kind is (byte)'C' or (byte)'D' && !dirty)
        {
            // What the kernel itself has noted of a page makes it dirty too: the sum is the same everywhere.
            if (kind == (byte)'C')
            {
                s_clean = value;
                return;
            }
            value += s_clean;
        }
        if (value == 0)
            return;
        text.Put(' ');
        text.Put(line.Slice(0, 1));
        if (kind != 0 && (dirty || kind is not ((byte)'C' or (byte)'D')))
            text.Put((char)kind);
        text.Number(value);
    }

    /// <summary>A letter for each page: absent, zero page or file, anonymous shared and alone.</summary>
    private static void PageMap(ref Writer text, int first, int count)
    {
        Entries(first, count);
        int absent = 0;
        for (int i = 0; i <= count; i++)
        {
            ulong entry = i < count ? s_entries[i] : 0;
            bool there = (entry & (Present | Swapped)) != 0;
            if (!there && i < count)
            {
                absent++;
                continue;
            }
            if (absent > 0 && i < count)
                text.Number(absent);
            absent = 0;
            if (i < count)
                text.Put((entry & FileOrShared, entry & Exclusive) switch
                {
                    (0, 0) => 'a',
                    (0, _) => 'A',
                    (_, 0) => 'f',
                    _ => 'F',
                });
        }
    }

    private static void Entries(int first, int count)
    {
        int file = Linux.Open("/proc/self/pagemap"u8, 0);
        for (int i = 0; i < count; i++)
            s_entries[i] = 0;
        Linux.PositionedRead(file, s_entries, count * 8, Arena.Address(first) >> 12 << 3);
        Linux.Close(file);
    }

    /// <summary>A sum of what pages hold: of those that are present, or of all that can be read, for which they are made present.</summary>
    private static ulong Digest(int first, int count, bool all)
    {
        if (!all)
            Entries(first, count);
        ulong sum = 0;
        for (int i = 0; i < count; i++)
        {
            if (!all && (s_entries[i] & (Present | Swapped)) == 0)
                continue;
            ulong* page = (ulong*)Arena.Address(first + i);
            if (Faults.Load((nint)page) < 0)
                continue;
            sum += (ulong)i + 1;
            for (int word = 0; word < Linux.Page / 8; word++)
                sum = (sum ^ page[word]) * 0x9e37_79b9_7f4a_7c15;
        }
        return sum ^ sum >> 29;
    }

    /// <summary>A file of the kernel's.</summary>
    private static ReadOnlySpan<byte> Read(ReadOnlySpan<byte> path)
    {
        int file = Linux.Open(path, 0);
        int length = 0;
        while (length < Size && Linux.Read(file, s_text + length, Size - length) is > 0 and nint got)
            length += (int)got;
        Linux.Close(file);
        return new ReadOnlySpan<byte>(s_text, length);
    }

    private static nint Hex(ReadOnlySpan<byte> line, ref int at)
    {
        nint value = 0;
        for (; at < line.Length; at++)
        {
            int c = line[at];
            int digit = c is >= '0' and <= '9' ? c - '0' : c is >= 'a' and <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                break;
            value = value << 4 | (nint)digit;
        }
        return value;
    }
}
