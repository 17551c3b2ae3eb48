using System;
using System.Diagnostics.CodeAnalysis;
using System.Runtime;
using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>What a panic prints, on the second serial port and the screen; then the machine ends with a failure.</summary>
/// <remarks>
/// The last line starts with <c>nanovm: panic</c>: run-qemu.sh looks for it. All memory is read through
/// <see cref="Cpu.ProbeRead"/>, so that a ruined kernel cannot make the report itself fault.
/// </remarks>
internal static unsafe class PanicReport
{
    private const ushort DebugExitPort = 0xf4;
    private const byte DebugExitValue = 0x46;

    [DoesNotReturn]
    public static void Now(ReadOnlySpan<byte> why)
    {
        Begin();
        Line($"");
        Line($"kernel panic: {why}");
        Who();
        Backtrace.Print(Cpu.FramePointer(), Cpu.StackPointer(), 0);
        End(why);
    }

    /// <summary>A #PF of the kernel that nobody may resolve.</summary>
    [DoesNotReturn]
    public static void PageFault(ref TrapFrame frame, VirtAddr address, PageFaultCode code)
    {
        Begin();
        Line($"");
        Line($"kernel panic: page fault at {address}: {Words(code, frame.IsUser)}");
        if (address.Value < PageSize.Bytes)
            Line($"  (a null reference: the address is that of a field)");
        Who();
        Registers(ref frame);
        PageWalk.Print(address);
        Backtrace.Print(frame.Rbp, frame.Rsp, frame.Rip);
        End("unexpected page fault in the kernel"u8);
    }

    [DoesNotReturn]
    public static void Exception(ref TrapFrame frame)
    {
        Begin();
        int vector = (int)frame.Vector;
        Line($"");
        Line($"kernel panic: {TrapVector.Name(vector)}, error code 0x{frame.ErrorCode:x}");
        if (vector is TrapVector.GeneralProtection or TrapVector.SegmentNotPresent or TrapVector.StackSegment or TrapVector.InvalidTss
            && frame.ErrorCode != 0)
        {
            ReadOnlySpan<byte> table = (frame.ErrorCode & 2) != 0 ? "IDT"u8 : (frame.ErrorCode & 4) != 0 ? "LDT"u8 : "GDT"u8;
            Line($"  entry {frame.ErrorCode >> 3} of the {table}");
        }
        Who();
        Registers(ref frame);
        var address = new VirtAddr(Cpu.ReadCr2());
        bool overflow = vector == TrapVector.DoubleFault && IsGuardOfStack(address);
        if (vector == TrapVector.DoubleFault)
        {
            Line($"  CR2 {address}: {(overflow ? "the guard page below the kernel stack"u8 : "not the guard page of this thread's stack"u8)}");
            PageWalk.Print(address);
        }
        Backtrace.Print(frame.Rbp, frame.Rsp, frame.Rip);
        End(overflow ? "kernel stack overflow"u8 : TrapVector.Name(vector));
    }

    /// <summary>A push met the guard page, and there was no room for the page fault's own frame either: the processor makes #DF of it.</summary>
    private static bool IsGuardOfStack(VirtAddr address)
    {
        if (PerCpu.Area->Current is null)
            return false;
        VirtAddr bottom = PerCpu.Current.KernelStackBottom;
        return address < bottom && bottom - address <= PageSize.Bytes;
    }

    /// <summary>A failed check of compiled code: index, null, cast, overflow.</summary>
    [RuntimeExport("RuntimePanic")]
    private static void FromRuntime(string message)
    {
        Span<byte> text = stackalloc byte[128];
        int length = 0;
        foreach (char character in message.AsSpan())
        {
            if (length < text.Length)
                text[length++] = (byte)character;
        }
        Now(text.Slice(0, length));
    }

    internal static void Line(ref LogText text)
    {
        Log.Raw(text.Written);
        Log.Raw("\n"u8);
    }

    private static void Begin()
    {
        Interrupts.Disable();
        PerCpuArea* area = PerCpu.Area;
        area->Panicking++;
        if (area->Panicking == 1)
            return;
        if (area->Panicking == 2 && area->PanicReason is not null)
        {
            Line($"memfsck: memory is too broken to be checked");
            Finish(new ReadOnlySpan<byte>(area->PanicReason, area->PanicReasonLength));
        }

        // The report itself has failed: say so in the simplest way there is.
        area->Log = null;
        if (area->Panicking == 2)
            EarlyConsole.Write("\nnanovm: panic within a panic\n"u8);
        Stop();
    }

    [DoesNotReturn]
    private static void End(ReadOnlySpan<byte> why)
    {
        Check(why);
        Finish(why);
    }

    /// <summary>The last look at memory. When it panics itself, <see cref="Begin"/> finds the reason of this panic and ends with it.</summary>
    private static void Check(ReadOnlySpan<byte> why)
    {
        PerCpuArea* area = PerCpu.Area;
        if (area->PanicCheck is null)
            return;
        fixed (byte* reason = why)
        {
            area->PanicReason = reason;
            area->PanicReasonLength = why.Length;
            RawObject.At<PanicCheck>(area->PanicCheck).Run();
            area->PanicReason = null;
        }
    }

    [DoesNotReturn]
    private static void Finish(ReadOnlySpan<byte> why)
    {
        Line($"nanovm: panic: {why}");
        Stop();
    }

    [DoesNotReturn]
    private static void Stop()
    {
        Cpu.Out8(DebugExitPort, DebugExitValue);
        while (true)
            Cpu.Halt();
    }

    private static void Who()
    {
        PerCpuArea* area = PerCpu.Area;
        if (area->Current is null)
        {
            Line($"  processor {area->Number}, before the first thread");
            return;
        }
        KernelThread thread = PerCpu.Current;
        Span<byte> name = stackalloc byte[64];
        var writer = new TextWriter(name);
        thread.Describe(ref writer);
        Line($"  processor {area->Number}, {writer.Written}, interrupts nested {area->InterruptDepth}");
        Line($"  kernel stack {thread.KernelStackBottom}-{thread.KernelStackTop}");
    }

    private static void Registers(ref TrapFrame f)
    {
        Line($"  rip {f.Cs:x4}:{f.Rip:x16} rflags {f.Rflags:x8} rsp {f.Ss:x4}:{f.Rsp:x16}");
        Line($"  rax {f.Rax:x16} rbx {f.Rbx:x16} rcx {f.Rcx:x16} rdx {f.Rdx:x16}");
        Line($"  rsi {f.Rsi:x16} rdi {f.Rdi:x16} rbp {f.Rbp:x16} r8  {f.R8:x16}");
        Line($"  r9  {f.R9:x16} r10 {f.R10:x16} r11 {f.R11:x16} r12 {f.R12:x16}");
        Line($"  r13 {f.R13:x16} r14 {f.R14:x16} r15 {f.R15:x16}");
        Line($"  cr0 {Cpu.ReadCr0():x8} cr2 {Cpu.ReadCr2():x16} cr3 {Cpu.ReadCr3():x8} cr4 {Cpu.ReadCr4():x8}");
    }

    private static ReadOnlySpan<byte> Words(PageFaultCode code, bool user)
    {
        if ((code & PageFaultCode.ReservedBit) != 0)
            return "a page-table entry has a reserved bit set"u8;
        if ((code & PageFaultCode.ProtectionKey) != 0)
            return "the protection key forbids the access"u8;
        bool present = (code & PageFaultCode.Present) != 0;
        if ((code & PageFaultCode.InstructionFetch) != 0)
        {
            return present ? "instruction fetch from a page that may not be executed"u8 : "instruction fetch from a page that is not present"u8;
        }
        if ((code & PageFaultCode.Write) != 0)
            return present ? "write to a page that may not be written"u8 : "write to a page that is not present"u8;
        return present ? "read of a page that may not be read (SMAP)"u8 : "read of a page that is not present"u8;
    }
}
