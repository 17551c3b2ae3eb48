using NanoVm.Core.Boot;

namespace NanoVm.Core;

/// <summary>Instructions that may fault in the kernel, and where to go on when they do.</summary>
/// <remarks>Linux: <c>__ex_table</c>, <c>fixup_exception</c>. Filled by the RECOVER lines of <c>boot/usercopy.asm</c>.</remarks>
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
        frame.Rip = next;
        return true;
    }

    private static ulong Find(ulong rip)
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        ulong* end = (ulong*)image.ExceptionTableEnd;
        for (ulong* entry = (ulong*)image.ExceptionTableStart; entry < end; entry += EntryWords)
        {
            if (entry[0] == rip)
                return entry[1];
        }
        return 0;
    }
}
