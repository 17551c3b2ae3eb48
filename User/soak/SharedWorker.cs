using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>Shared memory, of a memfd and of System V: what a child writes the parent finds, through its mapping and through the file.</summary>
internal static unsafe class SharedWorker
{
    private static nint s_area, s_segment;
    private static int s_pages, s_file;
    private static uint* s_generations;

    public static void Prepare(int megabytes)
    {
        s_pages = megabytes << 8;
        nint bytes = (nint)s_pages * Linux.Page;
        fixed (byte* name = "soak"u8)
            s_file = (int)Program.Must(Syscall.Call(319, (nint)name, 0), "memfd_create");
        Program.Must(Linux.Truncate(s_file, bytes), "ftruncate");
        s_area = Program.Must(Linux.Mmap(0, bytes, Protection.ReadWrite, Map.Shared, s_file), "mmap");
        int id = (int)Program.Must(Syscall.Call(29, 0, bytes, 0x380), "shmget");
        s_segment = Program.Must(Syscall.Call(30, id, 0, 0), "shmat");
        Program.Must(Syscall.Call(31, id, 0, 0), "shmctl");
        // The generations are shared as well: writers are children.
        s_generations = (uint*)Program.Must(Linux.Mmap(0, (nint)s_pages * 4, Protection.ReadWrite, Map.SharedAnonymous), "mmap");
    }

    public static void Round()
    {
        int child = Program.Fork();
        if (child == 0)
        {
            for (int i = 0; i < 200; i++)
            {
                int page = Program.Below(s_pages);
                Pattern.Check(s_area + (nint)page * Linux.Page, page, s_generations[page]);
                Pattern.Check(s_segment + (nint)page * Linux.Page, page, s_generations[page]);
                s_generations[page]++;
                Pattern.Fill(s_area + (nint)page * Linux.Page, page, s_generations[page]);
                Pattern.Fill(s_segment + (nint)page * Linux.Page, page, s_generations[page]);
            }
            Linux.Exit(0);
        }
        Program.Join(child);
        Program.Below(7);

        byte* buffer = stackalloc byte[Linux.Page];
        for (int i = 0; i < 200; i++)
        {
            int page = Program.Below(s_pages);
            nint offset = (nint)page * Linux.Page;
            if (Linux.PositionedRead(s_file, buffer, Linux.Page, offset) != Linux.Page)
                Program.Wrong("a read of shared memory is short");
            Pattern.Check((nint)buffer, page, s_generations[page]);
            Pattern.Check(s_segment + offset, page, s_generations[page]);
        }
    }
}
