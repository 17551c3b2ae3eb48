using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>Demand paging: an area is a promise; frames come one by one, when a page is touched.</summary>
internal static unsafe class Program
{
    private const int Pages = 16, DontNeed = 4;    // MADV_DONTNEED

    public static int Main()
    {
        KernelFile.Prepare();
        Output output = Output.Standard;

        nint area = Linux.Mmap(0, Pages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous);
        output.Write($"mmap of {Pages} pages: one new area, and not one frame.\n");
        Area.ShowLine(area);
        Report(area, "after mmap", 0);

        long before = Usage.MinorFaults();
        byte sum = 0;
        for (int i = 0; i < 4; i++)
            sum += ((byte*)area)[i * Linux.Page];
        Report(area, "4 pages read: all are the one zero page", Usage.MinorFaults() - before);
        output.Write($"    their frames: {Area.Frame(area):x} {Area.Frame(area + Linux.Page):x}, their sum: {(long)sum}\n");

        before = Usage.MinorFaults();
        for (int i = 0; i < 8; i++)
            ((byte*)area)[i * Linux.Page] = 1;
        Report(area, "8 pages written: each has a frame of its own", Usage.MinorFaults() - before);
        output.Write($"    their frames: {Area.Frame(area):x} {Area.Frame(area + Linux.Page):x}\n");

        before = Usage.MinorFaults();
        for (int i = 0; i < 8; i++)
            ((byte*)area)[i * Linux.Page] = 2;
        Report(area, "the same 8 written again: nothing to do", Usage.MinorFaults() - before);

        Linux.Madvise(area, Pages * Linux.Page, DontNeed);
        Report(area, "madvise(DONTNEED): frames gone, the promise stays", 0);
        output.Write($"    and a page reads as zero again: {(long)((byte*)area)[0]}\n");
        output.Flush();
        return 0;
    }

    private static void Report(nint area, string what, long faults) =>
        Output.Standard.Write($"{what}: {faults} faults, {Area.Field(area, "Rss:"u8)} KiB resident\n");
}
