using System.Runtime;
using System.Runtime.CompilerServices;

namespace NanoVm;

/// <summary>The composition: builds the machine from what the loader left, then runs it.</summary>
public static unsafe class Kernel
{
    [RuntimeExport("KernelMain")]
    private static void KernelMain(void* handover)
    {
        BeforeRun();
        Run();
    }

    private static void BeforeRun()
    {
        foreach (byte b in "NanoVM\n"u8)
            Out(0x2f8, b);
    }

    private static void Run()
    {
        while (true)
            ;
    }

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "cpu_out8")]
    private static extern void Out(ushort port, byte value);

    [RuntimeExport("RuntimePanic")]
    private static void Panic(string s)
    {
        while (true)
            ;
    }
}
