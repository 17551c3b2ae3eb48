using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>Private memory: written, checked, given up, moved, protected, swapped, and inherited by children that do the same.</summary>
internal static unsafe class MemoryWorker
{
    private const int PageOut = 21, DontNeed = 4;

    private static nint s_area;
    private static int s_pages;
    private static uint* s_generations;

    public static void Prepare(int megabytes)
    {
        s_pages = megabytes << 8;
        s_area = Program.Must(Linux.Mmap(0, (nint)s_pages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous), "mmap");
        s_generations = (uint*)Program.Must(Linux.Mmap(0, (nint)s_pages * 4, Protection.ReadWrite, Map.PrivateAnonymous), "mmap");
    }

    public static void Round()
    {
        for (int i = 0; i < 400; i++)
            Touch();
        int first = Program.Below(s_pages - 64), count = 1 + Program.Below(64);
        switch (Program.Below(6))
        {
            case 0:
                Program.Must(Linux.Madvise(At(first), (nint)count * Linux.Page, DontNeed), "madvise");
                for (int i = first; i < first + count; i++)
                    s_generations[i] = 0;
                break;
            case 1:
                Linux.Madvise(At(first), (nint)count * Linux.Page, PageOut);
                break;
            case 2:
                Move();
                break;
            case 3:
                Program.Must(Linux.Mprotect(At(first), (nint)count * Linux.Page, Protection.Read), "mprotect");
                Check(first);
                Program.Must(Linux.Mprotect(At(first), (nint)count * Linux.Page, Protection.ReadWrite), "mprotect");
                break;
            default:
                Inherit(2);
                break;
        }
    }

    private static void Touch()
    {
        int page = Program.Below(s_pages);
        Check(page);
        if (Program.Below(2) == 0)
            Pattern.Fill(At(page), page, ++s_generations[page]);
    }

    private static void Check(int page) => Pattern.Check(At(page), page, s_generations[page]);

    private static void Move()
    {
        nint bytes = (nint)s_pages * Linux.Page;
        nint place = Program.Must(Linux.Mmap(0, bytes, Protection.None, Map.PrivateAnonymous | Map.NoReserve), "mmap");
        s_area = Program.Must(Linux.Mremap(s_area, bytes, bytes, 3, place), "mremap");
    }

    /// <summary>Children, and theirs, see what is here and change it for themselves only; meanwhile so does the parent.</summary>
    private static void Inherit(int depth)
    {
        int child = Program.Fork();
        if (child == 0)
        {
            Program.Reseed(depth);
            for (int i = 0; i < 100; i++)
                Touch();
            if (depth > 0)
                Inherit(depth - 1);
            for (int i = 0; i < 50; i++)
                Touch();
            Linux.Exit(0);
        }
        for (int i = 0; i < 100; i++)
            Touch();
        Program.Join(child);
    }

    private static nint At(int page) => s_area + (nint)page * Linux.Page;
}
