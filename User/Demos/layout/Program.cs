using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>The layout of an address space: where code, data, heap, mappings and stack lie, and how far chance moves them.</summary>
internal static unsafe class Program
{
    private const int Execute = 59;

    private static int s_data = 1;

    public static int Main()
    {
        KernelFile.Prepare();
        if (Arguments.Count > 1)
        {
            ShowPlaces();
            Output.Standard.Flush();
            return 0;
        }
        Output output = Output.Standard;
        output.Write("this process, from the bottom up:\n"u8);
        ReadOnlySpan<byte> text = KernelFile.Read("/proc/self/maps"u8);
        while (KernelFile.NextLine(ref text, out ReadOnlySpan<byte> line))
            output.Write($"    {line}\n");
        output.Write("above 7fffffffefff nothing is a user's; the kernel's half begins at ffff800000000000\n"u8);
        output.Write("the same program, started three times (with norandmaps they would be equal):\n"u8);
        output.Flush();

        int failures = 0;
        for (int i = 0; i < 3; i++)
        {
            int child = Linux.Fork();
            if (child == 0)
                StartAgain();
            Linux.Wait(child, out int status);
            failures += status;
        }
        return failures == 0 ? 0 : 1;
    }

    private static void ShowPlaces()
    {
        delegate*<int> code = &Main;
        nint heap = Linux.Brk(0);
        nint mapping = Linux.Mmap(0, Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous);
        int local = 0;
        fixed (int* data = &s_data)
            Output.Standard.Write($"    code {(nint)code:x}  data {(nint)data:x}  heap {heap:x}  mapping {mapping:x}  stack {(nint)(&local):x}\n");
    }

    private static void StartAgain()
    {
        fixed (byte* path = "/proc/self/exe"u8, name = "layout"u8, argument = "places"u8)
        {
            byte** arguments = stackalloc byte*[] { name, argument, null };
            byte** environment = stackalloc byte*[] { null };
            Syscall.Call(Execute, (nint)path, (nint)arguments, (nint)environment);
        }
        Linux.Exit(1);
    }
}
