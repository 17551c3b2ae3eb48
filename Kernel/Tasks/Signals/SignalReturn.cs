using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary><c>rt_sigreturn</c>: takes the registers back from a handler's frame. The program may have written anything there.</summary>
/// <remarks>Linux: <c>rt_sigreturn</c>, <c>restore_sigcontext</c>, <c>fpu__restore_sig</c>.</remarks>
internal static unsafe class SignalReturn
{
    /// <summary>The flags that a program may have: OF, AC, RF, DF, TF, SF, ZF, AF, PF, CF. Linux: <c>FIX_EFLAGS</c>.</summary>
    private const ulong UserFlags = 0x0005_0dd5;

    /// <summary>Replaces <paramref name="frame"/> by the stored registers; a bad frame becomes SIGSEGV.</summary>
    public static void Restore(Task task, ref TrapFrame frame)
    {
        task.Restart.Continue = null;                        // a call that a handler interrupted is over: EINTR, not its rest
        ulong start = frame.Rsp - 8;                         // the handler's RET has taken the return address
        Span<byte> image = stackalloc byte[SignalFrameFormat.Bytes - SignalInfoFormat.Bytes];
        if (UserCopy.CopyFromUser(image, new VirtAddr(start)) != Errno.None)
        {
            BadFrame(task, ref frame, start);
            return;
        }
        ulong fpu;
        bool selectorsGood;
        fixed (byte* p = image)
        {
            ulong selectors = ((ulong*)(p + SignalFrameFormat.Registers))[SignalFrameFormat.Selectors];
            bool strict = (*(ulong*)(p + SignalFrameFormat.ContextFlags) & SignalFrameFormat.StrictRestore) != 0;
            selectorsGood = ((selectors & 0xffff) | 3) == Selectors.UserCode && (!strict || ((selectors >> 48) | 3) == Selectors.UserData);
            Signals.SetBlocked(task, new SignalSet(*(ulong*)(p + SignalFrameFormat.ContextMask)));
            fpu = ReadRegisters((ulong*)(p + SignalFrameFormat.Registers), ref frame);
        }
        // On Linux the way back to user mode itself faults on selectors that do not exist: the same signal.
        if (!selectorsGood || !ReadFpu(task, ref frame, fpu))
        {
            BadFrame(task, ref frame, start);
            return;
        }
        fixed (byte* p = image)
        {
            byte* stack = p + SignalFrameFormat.ContextStack;
            // As sigaltstack itself, refusals included: the stack then stays as it is.
            _ = SignalStack.Set(task, new VirtAddr(*(ulong*)stack), *(int*)(stack + 8), *(ulong*)(stack + 16), frame.Rsp);
        }
    }

    private static void BadFrame(Task task, ref TrapFrame frame, ulong start)
    {
        if (task.System.FaultReports.MayReport())
            Log.Info($"{task.Name}[{task.Pid}]: bad frame in rt_sigreturn at {start:x} ip {frame.Rip:x} sp {frame.Rsp:x}");
        Signals.Force(task, Signals.FromKernel(SignalNumber.Segmentation));
    }

    private static ulong ReadRegisters(ulong* words, ref TrapFrame frame)
    {
        frame.R8 = words[SignalFrameFormat.R8];
        frame.R9 = words[SignalFrameFormat.R9];
        frame.R10 = words[SignalFrameFormat.R10];
        frame.R11 = words[SignalFrameFormat.R11];
        frame.R12 = words[SignalFrameFormat.R12];
        frame.R13 = words[SignalFrameFormat.R13];
        frame.R14 = words[SignalFrameFormat.R14];
        frame.R15 = words[SignalFrameFormat.R15];
        frame.Rdi = words[SignalFrameFormat.Rdi];
        frame.Rsi = words[SignalFrameFormat.Rsi];
        frame.Rbp = words[SignalFrameFormat.Rbp];
        frame.Rbx = words[SignalFrameFormat.Rbx];
        frame.Rdx = words[SignalFrameFormat.Rdx];
        frame.Rax = words[SignalFrameFormat.Rax];
        frame.Rcx = words[SignalFrameFormat.Rcx];
        frame.Rsp = words[SignalFrameFormat.Rsp];
        frame.Rip = words[SignalFrameFormat.Rip];
        // Whatever was stored: 64-bit user mode, interrupts on, no privilege over ports.
        frame.Cs = Selectors.UserCode;
        frame.Ss = Selectors.UserData;
        frame.Rflags = (frame.Rflags & ~UserFlags) | (words[SignalFrameFormat.Flags] & UserFlags);
        frame.OriginalRax = ulong.MaxValue;                  // no system call to start again
        return words[SignalFrameFormat.FpuPointer];
    }

    private static bool ReadFpu(Task task, ref TrapFrame frame, ulong from)
    {
        if (from == 0)
        {
            SignalFrame.ResetFpu(ref frame);
            return true;
        }

        // Into a copy first: a fault of the read may sleep, and the switch away saves the registers over the area.
        int bytes = (int)FpuState.AreaBytes;
        byte* area = stackalloc byte[bytes];
        new Span<byte>(area, bytes).Clear();
        var address = new VirtAddr(from);
        if (UserCopy.CopyFromUser(new Span<byte>(area, FpuState.LegacyBytes), address) != Errno.None)
            return false;
        bool extended = bytes > FpuState.LegacyBytes;
        ulong features = FpuState.X87 | FpuState.Sse;
        if (extended && IsExtended(area, address, (uint)bytes, out ulong stored))
        {
            var rest = new Span<byte>(area + FpuState.LegacyBytes, bytes - FpuState.LegacyBytes);
            if (UserCopy.CopyFromUser(rest, address + FpuState.LegacyBytes) != Errno.None)
                return false;
            ulong* header = (ulong*)(area + FpuState.LegacyBytes);
            if ((header[0] & ~FpuState.Mask) != 0)
                return false;
            for (int i = 1; i < FpuState.HeaderBytes / sizeof(ulong); i++)
            {
                if (header[i] != 0)
                    return false;                            // reserved, or the compacted form
            }
            features = header[0] & stored;
        }
        if ((*(uint*)(area + FpuState.MxcsrOffset) & ~FpuState.MxcsrMask) != 0)
            return false;
        if (extended)
            *(ulong*)(area + FpuState.LegacyBytes) = features;

        bool enabled = Interrupts.Disable();
        new ReadOnlySpan<byte>(area, bytes).CopyTo(new Span<byte>(task.FpuArea, bytes));
        bool good = FpuState.LoadCurrent();
        Interrupts.Restore(enabled);
        fixed (byte* xmm = frame.Xmm)
        {
            var registers = new Span<byte>(xmm, TrapFrame.XmmBytes);
            if (good && (features & FpuState.Sse) != 0)
                new ReadOnlySpan<byte>(area + FpuState.XmmOffset, TrapFrame.XmmBytes).CopyTo(registers);
            else
                registers.Clear();
        }
        return good;
    }

    /// <summary>Whether a state with more than FXSAVE was stored: the magic numbers stand at both ends. Linux: <c>check_xstate_in_sigframe</c>.</summary>
    private static bool IsExtended(byte* area, VirtAddr address, uint bytes, out ulong features)
    {
        byte* software = area + SignalFrameFormat.FpuSoftware;
        uint size = *(uint*)(software + 16);
        features = *(ulong*)(software + 8) & FpuState.Mask;
        if (*(uint*)software != SignalFrameFormat.FpuMagic1 || size < FpuState.LegacyBytes + FpuState.HeaderBytes || size > bytes
            || size > *(uint*)(software + 4))
            return false;
        return UserCopy.Get(address + size, out uint magic) == Errno.None && magic == SignalFrameFormat.FpuMagic2;
    }
}
