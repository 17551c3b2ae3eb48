using System;
using System.Runtime.CompilerServices;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites;

/// <summary>Ranges of memory to try things on, and how their areas look.</summary>
internal static unsafe class Pages
{
    /// <summary>Fresh pages, wherever the kernel puts them.</summary>
    public static nint New(int pages, int protection = Protection.ReadWrite, int flags = Map.PrivateAnonymous) => Mmap(0, pages * Page, protection, flags);

    /// <summary>Fresh private pages in the middle of unmapped ones, so that nothing outside joins them.</summary>
    public static nint Alone(int pages, int protection = Protection.ReadWrite)
    {
        nint range = Room(pages);
        if (pages > 0)
            Mmap(range, pages * Page, protection, Map.PrivateAnonymous | Map.Fixed);
        return range;
    }

    /// <summary>A free range with eight free pages before and behind it.</summary>
    public static nint Room(int pages)
    {
        Areas.Prepare();        // or their buffers would come to lie in the room
        Proc.Prepare();
        nint all = Mmap(0, (pages + 16) * Page, Protection.None, Map.PrivateAnonymous | Map.NoReserve);
        Munmap(all, (pages + 16) * Page);
        return all + 8 * Page;
    }

    /// <summary>Maps fresh private pages just there.</summary>
    public static nint Put(nint at, int pages, int protection = Protection.ReadWrite) => Mmap(at, pages * Page, protection, Map.PrivateAnonymous | Map.Fixed);

    /// <summary>Unmaps.</summary>
    public static nint Drop(nint at, int pages) => Munmap(at, pages * Page);

    /// <summary>Writes one byte into each page, so that it is there.</summary>
    public static void Touch(nint at, int pages, byte value = 1)
    {
        for (int i = 0; i < pages; i++)
            ((byte*)at)[(nint)i * Page] = value;
    }

    /// <summary>A new file of whole pages, the bytes of page i all i + 1; its name is gone again unless <paramref name="keepName"/>.</summary>
    public static int NewFile(int pages, bool keepName = false)
    {
        int file = Open("/tmp/suite-pages"u8, 2 | 0x40 | 0x200, 0x1a4);
        byte* data = stackalloc byte[Page];
        for (int i = 0; i < pages; i++)
        {
            new Span<byte>(data, Page).Fill((byte)(i + 1));
            Linux.Write(file, data, Page);
        }
        if (!keepName)
            Unlink("/tmp/suite-pages"u8);
        return file;
    }

    /// <summary>A byte of memory, read now.</summary>
    public static byte At(nint address) => System.Threading.Volatile.Read(ref *(byte*)address);

    /// <summary>How many of the pages are resident; -1 when a part is not mapped.</summary>
    public static int Resident(nint at, int pages)
    {
        byte* vector = stackalloc byte[pages];
        if (Mincore(at, pages * Page, vector) != 0)
            return -1;
        int count = 0;
        for (int i = 0; i < pages; i++)
            count += vector[i] & 1;
        return count;
    }

    /// <summary>
    /// The case fails unless the areas look like the picture: a letter a page, <c>.</c> where nothing is mapped, <c>|</c> where one area ends
    /// and the next begins.
    /// </summary>
    /// <remarks>
    /// <c>n</c> no rights, <c>r</c> read, <c>w</c> read and write, <c>x</c> read and execute, <c>a</c> all three, <c>o</c> write only,
    /// <c>e</c> execute only; capital letters are shared. <c>"ww|r.N"</c>: two writable pages, a read-only one, a hole, a shared one without rights.
    /// </remarks>
    public static bool Look(nint start, ReadOnlySpan<byte> picture, [CallerLineNumber] int line = 0)
    {
        int pages = 0;
        foreach (byte letter in picture)
            pages += letter == '|' ? 0 : 1;
        Span<Areas.Area> areas = stackalloc Areas.Area[64];
        int count = Math.Min(Areas.In(start, pages * Page, areas), areas.Length);

        Span<byte> drawn = stackalloc byte[192];
        int length = 0;
        int next = 0;
        for (nint at = start; at < start + pages * Page && length < drawn.Length - 2; at += Page)
        {
            while (next < count && areas[next].End <= at)
                next++;
            bool mapped = next < count && areas[next].Start <= at;
            if (mapped && areas[next].Start == at && next > 0 && areas[next - 1].End == at && at > start)
                drawn[length++] = (byte)'|';
            drawn[length++] = mapped ? Letter(areas[next].Rights) : (byte)'.';
        }
        return Ktap.Same(picture, drawn.Slice(0, length), "the areas", line);
    }

    private static byte Letter(uint rights)
    {
        int bits = ((rights & 0xff) == 'r' ? 1 : 0) | ((rights >> 8 & 0xff) == 'w' ? 2 : 0) | ((rights >> 16 & 0xff) == 'x' ? 4 : 0);
        byte letter = "nrowexba"u8[bits];
        return rights >> 24 == 's' ? (byte)(letter - 32) : letter;
    }
}
