using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>The heap: one area whose end the process moves.</summary>
internal static unsafe class Program
{
    public static int Main()
    {
        KernelFile.Prepare();
        Output output = Output.Standard;
        nint start = Linux.Brk(0);
        output.Write($"the heap ends at {start:x}\n");

        nint end = Linux.Brk(start + 16 * Linux.Page);
        output.Write($"brk 16 pages further: {end:x}; the area has grown, its frames come later\n");
        Report(start);

        for (nint page = start; page < end; page += Linux.Page)
            *(byte*)page = 1;
        output.Write("every page written:\n"u8);
        Report(start);

        nint shrunk = Linux.Brk(start + 4 * Linux.Page);
        output.Write($"brk back to 4 pages: {shrunk:x}; the frames behind it are free at once\n");
        Report(start);

        nint refused = Linux.Brk(-Linux.Page);
        output.Write($"brk into the kernel's half: refused, it stays {refused:x}\n");

        Linux.Brk(start);
        output.Write("brk back to where it began:\n"u8);
        Area.ShowLine(start);
        output.Flush();
        return shrunk == start + 4 * Linux.Page && refused == shrunk ? 0 : 1;
    }

    private static void Report(nint start)
    {
        Area.ShowLine(start);
        Output.Standard.Write($"    {Area.Field(start, "Rss:"u8)} KiB resident of {Area.Field(start, "Size:"u8)}\n");
    }
}
