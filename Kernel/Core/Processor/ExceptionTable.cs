using NanoVm.Core.Boot;

namespace NanoVm.Core;

/// <summary>Instructions that may fault in the kernel, and where to go on when they do.</summary>
/// <remarks>
/// Linux: <c>__ex_table</c>, <c>fixup_exception</c>. Filled by the RECOVER lines of <c>boot/usercopy.asm</c> and <c>boot/attempts.asm</c>.
/// A recovery may look at R11: it has the vector in its upper half and the error code in its lower one.
/// </remarks>
internal static unsafe class ExceptionTable
{
    private const int EntryWords = 2;

    /// <summary>Whether the instruction at <paramref name="rip"/> is in the table.</summary>
    public static bool Covers(ulong rip) => Find(rip) != 0;

    /// <summary>Lets the interrupted kernel code go on at its recovery.</summary>
    /// <returns>False when it has none: the fault is a defect of the kernel.</returns>
    public static bool TryRecover(ref TrapFrame frame)
    {
        ulong next = frame.IsUser ? 0 : Find(frame.Rip);
        if (next == 0)
            return false;
        Recover(ref frame, next);
        return true;
    }

    /// <summary>The same for a CALL that led to where nothing may be executed: the table has the place that the call returns to.</summary>
    public static bool TryRecoverCall(ref TrapFrame frame)
    {
        ulong next = frame.IsUser ? 0 : Find(*(ulong*)frame.Rsp);       // the stack is there: the frame itself was pushed on it
        if (next == 0)
            return false;
        frame.Rsp += sizeof(ulong);
        Recover(ref frame, next);
        return true;
    }

    private static void Recover(ref TrapFrame frame, ulong next)
    {
        frame.R11 = (frame.Vector << 32) | (uint)frame.ErrorCode;
        frame.Rip = next;
    }

    private static ulong Find(ulong rip)
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        ulong* end = (ulong*)image.ExceptionTableEnd.Value;
        for (ulong* entry = (ulong*)image.ExceptionTableStart.Value; entry < end; entry += EntryWords)
        {
            if (entry[0] == rip)
                return entry[1];
        }
        return 0;
    }
}
