using System;
using System.Runtime;
using System.Runtime.CompilerServices;
using Internal.Runtime;
using NanoVm.Core.Boot;

namespace NanoVm;

/// <summary>The composition: builds the machine from what the loader left, then runs it.</summary>
public static unsafe class Kernel
{
    [RuntimeExport("KernelMain")]
    private static void KernelMain(BootHandover* handover)
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        RuntimeStartup.InitializeStatics((void*)image.ModulesStart, (void*)image.ModulesEnd);
        BeforeRun(BootInfo.Read(*handover));
        Run();
    }

    private static void BeforeRun(in BootInfo info)
    {
        Write("NanoVM: "u8);
        Write(info.CommandLine);
        Write("\n"u8);
        foreach (MemoryRegion region in info.MemoryMap)
        {
            WriteHex(region.Range.Start);
            WriteHex(region.Range.End);
            WriteHex((ulong)region.Kind);
            Write("\n"u8);
        }
        foreach (BootRange module in info.Modules)
        {
            WriteHex(module.Start);
            WriteHex(module.End);
            Write("module\n"u8);
        }
        WriteHex(info.AcpiRsdp);
        WriteHex(info.Framebuffer.Address);
        WriteHex(info.Framebuffer.Width);
        WriteHex(info.Framebuffer.Pitch);
        WriteHex(info.LoaderData.Start);
        WriteHex(info.StartTsc);
        Write(s_text.Length > 3 ? "\n"u8 : "?\n"u8);
    }

    private static readonly string s_text = "static";

    private static void Run()
    {
        Out(0xf4, 0);
        while (true)
            ;
    }

    private static void Write(ReadOnlySpan<byte> text)
    {
        foreach (byte b in text)
            Out(0x2f8, b);
    }

    private static void WriteHex(ulong value)
    {
        for (int shift = 60; shift >= 0; shift -= 4)
            Out(0x2f8, "0123456789abcdef"u8[(int)(value >> shift) & 15]);
        Out(0x2f8, (byte)' ');
    }

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "cpu_out8")]
    private static extern void Out(ushort port, byte value);

    [RuntimeExport("RuntimePanic")]
    private static void Panic(string message)
    {
        Write("panic: "u8);
        foreach (char c in message.AsSpan())
            Out(0x2f8, (byte)c);
        Out(0xf4, 0x7f);
        while (true)
            ;
    }

    [RuntimeExport("RuntimeAllocate")]
    private static void* Allocate(nuint size)
    {
        Panic("new of a class in the kernel");
        return null;
    }
}
