using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Isolation;

/// <summary>The kernel's half of the address space cannot be read, written or executed, by the program or by the kernel in its name.</summary>
internal static unsafe class KernelMemory
{
    /// <summary>Direct map, vmalloc, frame descriptors, image, the last page; and the first addresses that are nobody's.</summary>
    private static ReadOnlySpan<ulong> Places =>
    [
        0xffff_8880_0000_0000, 0xffff_8880_0010_0000, 0xffff_c900_0000_1000, 0xffff_ea00_0000_0000, 0xffff_ffff_8000_0000, 0xffff_ffff_8020_0000,
        0xffff_ffff_ffff_f000, 0xffff_8000_0000_0000, 0x0000_8000_0000_0000, 0x0000_7fff_ffff_f000,
    ];

    public static void Reading()
    {
        foreach (ulong place in Places)
            Equal(Signal.Segmentation, Child.SignalOfRead((nint)place));
    }

    public static void Writing()
    {
        foreach (ulong place in Places)
            Equal(Signal.Segmentation, Child.SignalOfWrite((nint)place));
    }

    public static void Executing()
    {
        foreach (ulong place in Places)
            Equal(Signal.Segmentation, Child.SignalOfCall((nint)place));
    }

    /// <summary>All the ways in which the kernel writes for a program refuse its own addresses.</summary>
    public static void WritingByCalls()
    {
        foreach (ulong place in Places)
        {
            for (int way = 0; way < Writers.FirstForced; way++)
            {
                int child = Linux.Fork();
                if (child == 0)
                    Exit(Writers.IsRefused(way, Writers.Write(way, (nint)place)) ? 0 : 1);
                if (!Equal(0, Child.Status(child), "EFAULT"))
                {
                    Output.Standard.Write($"# way {(long)way} to {place:x}\n");
                    Output.Standard.Flush();
                }
            }
        }
    }

    public static void ReadingByCalls()
    {
        int* ends = stackalloc int[2];
        Linux.Pipe(ends);
        byte* byteRead = stackalloc byte[8];
        nint* ranges = stackalloc nint[4];
        int memory = Open("/proc/self/mem"u8, 0);
        foreach (ulong place in Places)
        {
            Equal(Errno.BadAddress, Linux.Write(ends[1], (void*)place, 8));
            Equal(Errno.BadAddress, Syscall.Call(2, (nint)place, 0));
            ranges[0] = (nint)byteRead;
            ranges[1] = ranges[3] = 8;
            ranges[2] = (nint)place;
            Equal(Errno.BadAddress, Syscall.Call(310, GetPid(), (nint)ranges, 1, (nint)(ranges + 2), 1, 0));
            nint read = PositionedRead(memory, byteRead, 8, (nint)place);
            Check(read is Errno.InputOutput or Errno.Invalid or 0, "/proc/self/mem");
        }
        Close(memory);
        Close(ends[0]);
        Close(ends[1]);
    }

    /// <summary>
    /// UMIP: where the descriptor tables are, which task segment is loaded and what CR0 holds is not told. (Linux answers with numbers
    /// that mean nothing.)
    /// </summary>
    public static void DescriptorTables()
    {
        Told(0x01, 0x04, 2, 0xffff_ffff_fffe_0000);     // sgdt [rsp]
        Told(0x01, 0x0c, 2, 0xffff_ffff_ffff_0000);     // sidt
        Told(0x00, 0x04, 0, 0);                         // sldt
        Told(0x00, 0x0c, 0, 0x40);                      // str
        Told(0x01, 0x24, 0, 0x33);                      // smsw: PE, MP, ET, NE, as every kernel has them
    }

    /// <summary>The instruction <c>0f OPCODE MODRM</c> stores to the stack: it is a fault, or what it stores at the offset is this.</summary>
    private static void Told(byte opcode, byte modrm, byte offset, ulong harmless)
    {
        ReadOnlySpan<byte> code =
        [
            0x48, 0x83, 0xec, 0x18,             // sub rsp, 24
            0x48, 0xc7, 0x04, 0x24, 0, 0, 0, 0, // mov qword [rsp], 0
            0x48, 0xc7, 0x44, 0x24, 8, 0, 0, 0, 0,
            0x0f, opcode, modrm, 0x24,
            0x48, 0x8b, 0x44, 0x24, offset,     // mov rax, [rsp + offset]
            0x48, 0x83, 0xc4, 0x18,             // add rsp, 24
            0xc3,
        ];
        nint page = Pages.New(1);
        code.CopyTo(new Span<byte>((void*)page, Page));
        Mprotect(page, Page, Protection.Read | Protection.Execute);
        nint* told = (nint*)Pages.New(1, Protection.ReadWrite, Map.SharedAnonymous);
        int child = Linux.Fork();
        if (child == 0)
        {
            told[0] = ((delegate*<nint>)page)();
            Exit(0);
        }
        int status = Child.Status(child);
        ulong at = (ulong)told[0];
        Check(status == 128 + Signal.Segmentation || (status == 0 && at == harmless), "a system register is told");
        Munmap(page, Page);
        Munmap((nint)told, Page);
    }
}
