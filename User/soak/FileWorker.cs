using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>A file: written and read by calls and by mappings, cut and grown, synchronised, renamed, and written anew.</summary>
internal static unsafe class FileWorker
{
    private const int ReadWriteCreate = 2 | 0x40;

    private static byte* s_name, s_other;
    private static uint* s_generations;
    private static int s_pages, s_size, s_file;

    public static void Prepare(int megabytes, ReadOnlySpan<byte> folder)
    {
        s_pages = megabytes << 8;
        byte* memory = (byte*)Program.Must(Linux.Mmap(0, 2 * Linux.Page + (nint)s_pages * 4, Protection.ReadWrite, Map.PrivateAnonymous), "mmap");
        s_name = memory;
        s_other = memory + 512;
        s_generations = (uint*)(memory + Linux.Page);
        Name(s_name, folder, (byte)'a');
        Name(s_other, folder, (byte)'b');
        s_file = (int)Program.Must(Syscall.Call(2, (nint)s_name, ReadWriteCreate, 0x180), "open");
    }

    public static void CleanUp()
    {
        Linux.Close(s_file);
        Program.Must(Syscall.Call(87, (nint)s_name), "unlink");
    }

    public static void Round()
    {
        byte* buffer = stackalloc byte[Linux.Page];
        for (int i = 0; i < 60; i++)
        {
            int page = Program.Below(s_pages);
            if (page < s_size)
            {
                if (Linux.PositionedRead(s_file, buffer, Linux.Page, (nint)page * Linux.Page) != Linux.Page)
                    Program.Wrong("a read of the file is short", page, s_size);
                Pattern.Check((nint)buffer, page, s_generations[page]);
            }
            if (Program.Below(2) == 0)
                continue;
            Pattern.Fill((nint)buffer, page, s_generations[page] + 1);
            nint written = Program.Must(Linux.PositionedWrite(s_file, buffer, Linux.Page, (nint)page * Linux.Page), "pwrite");
            if (written != Linux.Page)
                Program.Wrong("a write to the file is short", written);
            s_generations[page]++;
            s_size = Math.Max(s_size, page + 1);
        }

        switch (Program.Below(8))
        {
            case 0:
                Cut(Program.Below(s_pages));
                break;
            case 1:
                Program.Must(Syscall.Call(74, s_file), "fsync");
                break;
            case 2:
                Program.Must(Syscall.Call(82, (nint)s_name, (nint)s_other), "rename");
                byte* name = s_name;
                s_name = s_other;
                s_other = name;
                break;
            case 3:
                Anew();
                break;
            default:
                ByMapping();
                break;
        }
    }

    private static void Cut(int pages)
    {
        Program.Must(Linux.Truncate(s_file, (nint)pages * Linux.Page), "ftruncate");
        for (int i = pages; i < s_pages; i++)
            s_generations[i] = 0;
        s_size = pages;
    }

    private static void Anew()
    {
        Linux.Close(s_file);
        Program.Must(Syscall.Call(87, (nint)s_name), "unlink");
        s_file = (int)Program.Must(Syscall.Call(2, (nint)s_name, ReadWriteCreate, 0x180), "open");
        for (int i = 0; i < s_pages; i++)
            s_generations[i] = 0;
        s_size = 0;
    }

    private static void ByMapping()
    {
        if (s_size == 0)
            return;
        nint bytes = (nint)s_size * Linux.Page;
        nint shared = Program.Must(Linux.Mmap(0, bytes, Protection.ReadWrite, Map.Shared, s_file), "mmap");
        nint own = Program.Must(Linux.Mmap(0, bytes, Protection.ReadWrite, Map.Private, s_file), "mmap");
        for (int i = 0; i < 60; i++)
        {
            int page = Program.Below(s_size);
            nint at = (nint)page * Linux.Page;
            Pattern.Check(shared + at, page, s_generations[page]);
            Pattern.Check(own + at, page, s_generations[page]);
            s_generations[page]++;
            Pattern.Fill(shared + at, page, s_generations[page]);
            // The private mapping's page is the file's until it is written; then it is nobody else's.
            Pattern.Check(own + at, page, s_generations[page]);
            if (Program.Below(4) == 0)
            {
                *(ulong*)(own + at) = 1;
                Pattern.Check(shared + at, page, s_generations[page]);
                Pattern.Fill(own + at, page, s_generations[page]);
                Program.Must(Linux.Madvise(own + at, Linux.Page, 4), "madvise");
            }
        }
        if (Program.Below(3) == 0)
            Program.Must(Linux.Msync(shared, bytes, 4), "msync");
        Linux.Munmap(shared, bytes);
        Linux.Munmap(own, bytes);
    }

    private static void Name(byte* to, ReadOnlySpan<byte> folder, byte letter)
    {
        folder.CopyTo(new Span<byte>(to, 400));
        to += folder.Length;
        *to++ = (byte)'/';
        for (int pid = Linux.GetPid(); pid != 0; pid /= 10)
            *to++ = (byte)('0' + pid % 10);
        *to = letter;
    }
}
