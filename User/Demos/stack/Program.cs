using System.Runtime.CompilerServices;
using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>The stack: an area that grows downwards by itself, when the page below it is touched, up to a limit.</summary>
internal static unsafe class Program
{
    private const int Limit = 3;        // RLIMIT_STACK

    public static int Main()
    {
        KernelFile.Prepare();
        Output output = Output.Standard;
        byte here = 0;
        nint place = (nint)(&here);
        ulong* limit = stackalloc ulong[2];
        Linux.GetResourceLimit(Limit, limit);

        output.Write($"a local variable is at {place:x}, and the stack may have {limit[0] / 1024} KiB\n");
        Report(place);

        long before = Usage.MinorFaults();
        Descend(32);
        output.Write($"32 calls deeper, 16 KiB each, and back: {Usage.MinorFaults() - before} faults; the area has grown and stays so\n");
        Report(place);

        output.Write("a child calls itself without end:\n"u8);
        output.Flush();
        int child = Linux.Fork();
        if (child == 0)
            Descend(int.MaxValue);
        Linux.Wait(child, out int status);
        output.Write($"it was ended by signal {(long)(status & 0x7f)}; SIGSEGV is {(long)Signal.Segmentation}\n");
        output.Flush();
        return (status & 0x7f) == Signal.Segmentation ? 0 : 1;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Descend(int depth)
    {
        byte* room = stackalloc byte[16 * 1024];
        for (int i = 0; i < 16 * 1024; i += Linux.Page)
            room[i] = (byte)depth;
        return depth == 0 ? room[0] : Descend(depth - 1) + room[Linux.Page];
    }

    private static void Report(nint place)
    {
        Area.ShowLine(place);
        Output.Standard.Write($"    {Area.Field(place, "Size:"u8)} KiB, {Area.Field(place, "Rss:"u8)} of them resident\n");
    }
}
