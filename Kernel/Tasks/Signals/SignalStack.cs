using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>The stack on which handlers may run instead of the program's own. Linux: <c>sigaltstack</c>; <c>SS_*</c>.</summary>
internal static class SignalStack
{
    public const int OnStack = 1, Disabled = 2;
    public const int AutoDisarm = unchecked((int)0x8000_0000);
    public const ulong MinimumBytes = 2048;

    /// <summary>Bytes of <c>stack_t</c>: pointer, flags and padding, size.</summary>
    public const int FormatBytes = 24;

    /// <summary>Whether <paramref name="stackPointer"/> lies in the alternate stack, disarmed or not. Linux: <c>__on_sig_stack</c>.</summary>
    public static bool Holds(Task task, ulong stackPointer) =>
        stackPointer > task.AlternateStack.Value && stackPointer - task.AlternateStack.Value <= task.AlternateStackBytes;

    /// <summary>Whether a handler runs on it now. One that disarms itself can always be used again. Linux: <c>on_sig_stack</c>.</summary>
    public static bool IsInUse(Task task, ulong stackPointer) =>
        (task.AlternateStackFlags & AutoDisarm) == 0 && Holds(task, stackPointer);

    /// <summary>What the program is told of the stack. Linux: <c>sas_ss_flags</c>.</summary>
    public static int StateFlags(Task task, ulong stackPointer)
    {
        if (task.AlternateStackBytes == 0)
            return Disabled;
        return IsInUse(task, stackPointer) ? OnStack : 0;
    }

    public static void Disarm(Task task)
    {
        task.AlternateStack = default;
        task.AlternateStackBytes = 0;
        task.AlternateStackFlags = Disabled;
    }

    /// <summary>Sets another stack. man 2 sigaltstack.</summary>
    public static Errno Set(Task task, VirtAddr start, int flags, ulong bytes, ulong stackPointer)
    {
        if (IsInUse(task, stackPointer))
            return Errno.EPERM;
        int mode = flags & ~AutoDisarm;
        if (mode != Disabled && mode != OnStack && mode != 0)
            return Errno.EINVAL;
        if (mode == Disabled)
        {
            start = default;
            bytes = 0;
        }
        else if (bytes < MinimumBytes)
        {
            return Errno.ENOMEM;
        }
        task.AlternateStack = start;
        task.AlternateStackBytes = bytes;
        task.AlternateStackFlags = flags;
        return Errno.None;
    }
}
