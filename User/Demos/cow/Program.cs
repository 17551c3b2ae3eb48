using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>Copy on write: after <c>fork</c> both processes share every frame, until one of them writes.</summary>
internal static unsafe class Program
{
    private const int Pages = 4;

    public static int Main()
    {
        KernelFile.Prepare();
        Output output = Output.Standard;
        nint area = Linux.Mmap(0, Pages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous);
        for (int i = 0; i < Pages; i++)
            ((byte*)area)[i * Linux.Page] = (byte)('A' + i);

        output.Write($"{Pages} pages with the letters A to D:\n");
        Area.ShowLine(area);
        Report(area, "parent, before fork");
        output.Flush();

        int child = Linux.Fork();
        if (child == 0)
            return Child(area);
        Linux.Wait(child, out int status);

        Report(area, "parent, after the child has gone");
        output.Write($"parent still reads {(ulong)((byte*)area)[0]}, an A\n");
        long before = Usage.MinorFaults();
        ((byte*)area)[0] = (byte)'a';
        output.Write($"parent writes: {Usage.MinorFaults() - before} fault, and frame {Area.Frame(area):x} is used again, for it is alone now\n");
        output.Flush();
        return status == 0 && ((byte*)area)[Linux.Page] == 'B' ? 0 : 1;
    }

    private static int Child(nint area)
    {
        Output output = Output.Standard;
        Report(area, "child, nothing written yet: the same frames, shared");
        long before = Usage.MinorFaults();
        ((byte*)area)[0] = (byte)'Z';
        long faults = Usage.MinorFaults() - before;
        Report(area, "child, one page written");
        output.Write($"child: {faults} fault copied the page; it reads {(ulong)((byte*)area)[0]} now, a Z\n");
        output.Flush();
        return 0;
    }

    private static void Report(nint area, string who)
    {
        Output output = Output.Standard;
        output.Write($"{who}: frames");
        for (int i = 0; i < Pages; i++)
            output.Write($" {Area.Frame(area + i * Linux.Page):x}");
        output.Write($", {Area.Field(area, "Private_Dirty:"u8)} KiB private, {Area.Field(area, "Shared_Dirty:"u8)} KiB shared\n");
    }
}
