using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Puts a handler's frame on the program's stack and points the registers at the handler.</summary>
/// <remarks>Linux: <c>setup_rt_frame</c>, <c>get_sigframe</c>, <c>copy_fpstate_to_sigframe</c>. The layout: <see cref="SignalFrameFormat"/>.</remarks>
internal static unsafe class SignalFrame
{
    private const ulong FlagTrap = 1 << 8;
    private const ulong FlagDirection = 1 << 10;
    private const ulong FlagResume = 1 << 16;

    /// <param name="mask">What <c>rt_sigreturn</c> shall put back.</param>
    /// <returns>False when the stack cannot be written; then the registers are as they were.</returns>
    public static bool Push(Task task, ref TrapFrame frame, in SignalInfo info, in SignalAction action, SignalSet mask)
    {
        // Decode: where the frame goes.
        if ((action.Flags & SignalAction.HasRestorer) == 0)
            return false;                                    // x86-64 has no other way back
        bool onStack = SignalStack.IsInUse(task, frame.Rsp);
        ulong stack = frame.Rsp - SignalFrameFormat.RedZoneBytes;
        if ((action.Flags & SignalAction.OnStack) != 0 && SignalStack.StateFlags(task, stack) == 0)
        {
            stack = task.AlternateStack.Value + task.AlternateStackBytes;
            onStack = true;
        }
        ulong stateBytes = FpuState.AreaBytes;
        bool extended = stateBytes > FpuState.LegacyBytes;
        ulong fpu = (stack - stateBytes - (extended ? (ulong)SignalFrameFormat.FpuMagic2Bytes : 0)) & ~(ulong)(SignalFrameFormat.FpuAlignment - 1);
        ulong start = ((fpu - SignalFrameFormat.Bytes) & ~15UL) - 8;
        // A handler that overflows its alternate stack must not write into what lies below it.
        if (onStack && !SignalStack.Holds(task, start))
            return false;

        // Reserve: everything that may fault.
        if (!WriteFpu(task, frame, new VirtAddr(fpu), stateBytes, extended))
            return false;
        Span<byte> image = stackalloc byte[SignalFrameFormat.Bytes];
        image.Clear();
        fixed (byte* p = image)
        {
            *(ulong*)(p + SignalFrameFormat.ReturnAddress) = action.Restorer;
            *(ulong*)(p + SignalFrameFormat.ContextFlags) = SignalFrameFormat.HasStackSelector | SignalFrameFormat.StrictRestore
                | (extended ? SignalFrameFormat.HasExtendedState : 0);
            *(ulong*)(p + SignalFrameFormat.ContextStack) = task.AlternateStack.Value;
            *(int*)(p + SignalFrameFormat.ContextStack + 8) = task.AlternateStackFlags;
            *(ulong*)(p + SignalFrameFormat.ContextStack + 16) = task.AlternateStackBytes;
            WriteRegisters((ulong*)(p + SignalFrameFormat.Registers), task, frame, mask, fpu);
            *(ulong*)(p + SignalFrameFormat.ContextMask) = mask.Bits;
        }
        SignalInfoFormat.Format(info, image.Slice(SignalFrameFormat.Info));
        if (UserCopy.CopyToUser(new VirtAddr(start), image) != Errno.None)
            return false;

        // Commit: the handler is called as f(signal, info, context), with a fresh FPU.
        if ((task.AlternateStackFlags & SignalStack.AutoDisarm) != 0)
            SignalStack.Disarm(task);
        frame.Rdi = (ulong)info.Signal;
        frame.Rsi = start + SignalFrameFormat.Info;
        frame.Rdx = start + SignalFrameFormat.Context;
        frame.Rax = 0;
        frame.Rip = action.Handler;
        frame.Rsp = start;
        frame.Cs = Selectors.UserCode;
        frame.Ss = Selectors.UserData;
        frame.Rflags &= ~(FlagDirection | FlagResume | FlagTrap);
        ResetFpu(ref frame);
        return true;
    }

    /// <summary>The FPU of a new program, the vector registers of the frame included.</summary>
    internal static void ResetFpu(ref TrapFrame frame)
    {
        fixed (byte* xmm = frame.Xmm)
            new Span<byte>(xmm, TrapFrame.XmmBytes).Clear();
        FpuState.ResetCurrent();
    }

    private static void WriteRegisters(ulong* words, Task task, in TrapFrame frame, SignalSet mask, ulong fpu)
    {
        words[SignalFrameFormat.R8] = frame.R8;
        words[SignalFrameFormat.R9] = frame.R9;
        words[SignalFrameFormat.R10] = frame.R10;
        words[SignalFrameFormat.R11] = frame.R11;
        words[SignalFrameFormat.R12] = frame.R12;
        words[SignalFrameFormat.R13] = frame.R13;
        words[SignalFrameFormat.R14] = frame.R14;
        words[SignalFrameFormat.R15] = frame.R15;
        words[SignalFrameFormat.Rdi] = frame.Rdi;
        words[SignalFrameFormat.Rsi] = frame.Rsi;
        words[SignalFrameFormat.Rbp] = frame.Rbp;
        words[SignalFrameFormat.Rbx] = frame.Rbx;
        words[SignalFrameFormat.Rdx] = frame.Rdx;
        words[SignalFrameFormat.Rax] = frame.Rax;
        words[SignalFrameFormat.Rcx] = frame.Rcx;
        words[SignalFrameFormat.Rsp] = frame.Rsp;
        words[SignalFrameFormat.Rip] = frame.Rip;
        words[SignalFrameFormat.Flags] = frame.Rflags;
        words[SignalFrameFormat.Selectors] = (frame.Cs & 0xffff) | ((frame.Ss & 0xffff) << 48);
        words[SignalFrameFormat.Error] = (ulong)task.FaultCode;
        words[SignalFrameFormat.Trap] = (ulong)task.FaultVector;
        words[SignalFrameFormat.OldMask] = mask.Bits;
        words[SignalFrameFormat.Cr2] = task.FaultAddress.Value;
        words[SignalFrameFormat.FpuPointer] = fpu;
    }

    /// <summary>Writes the vector and FPU registers of the interrupted program.</summary>
    /// <remarks>
    /// The area has stale low xmm halves: the true ones are in the trap frame. They are joined in a copy, not in the area, because the
    /// write to user memory may fault and sleep, and the switch away saves the registers to the area again. The parts behind the
    /// header are the same each time it does.
    /// </remarks>
    private static bool WriteFpu(Task task, in TrapFrame frame, VirtAddr to, ulong bytes, bool extended)
    {
        FpuState.SaveCurrent();
        const int headBytes = FpuState.LegacyBytes + FpuState.HeaderBytes;
        byte* head = stackalloc byte[headBytes];
        int count = extended ? headBytes : FpuState.LegacyBytes;
        new ReadOnlySpan<byte>(task.FpuArea, count).CopyTo(new Span<byte>(head, count));
        FpuState.TakeFromFrame(head, frame);
        if (extended)
        {
            *(ulong*)(head + FpuState.LegacyBytes) |= FpuState.X87 | FpuState.Sse;
            byte* software = head + SignalFrameFormat.FpuSoftware;
            new Span<byte>(software, FpuState.LegacyBytes - SignalFrameFormat.FpuSoftware).Clear();
            *(uint*)software = SignalFrameFormat.FpuMagic1;
            *(uint*)(software + 4) = (uint)bytes + SignalFrameFormat.FpuMagic2Bytes;
            *(ulong*)(software + 8) = FpuState.Mask;
            *(uint*)(software + 16) = (uint)bytes;
        }
        if (UserCopy.CopyToUser(to, new ReadOnlySpan<byte>(head, count)) != Errno.None)
            return false;
        if (!extended)
            return true;
        return UserCopy.CopyToUser(to + (ulong)count, new ReadOnlySpan<byte>(task.FpuArea + count, (int)bytes - count)) == Errno.None
            && UserCopy.Put(to + bytes, SignalFrameFormat.FpuMagic2) == Errno.None;
    }
}
