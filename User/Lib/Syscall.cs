using System.Runtime;
using System.Runtime.CompilerServices;

namespace NanoVm.User;

/// <summary>System calls as the kernel sees them: a number and up to six words. Names and structures are the caller's matter.</summary>
public static class Syscall
{
    /// <summary>Calls the kernel.</summary>
    /// <param name="number">The call's number in the Linux x86-64 ABI.</param>
    /// <returns>The result; from -4095 to -1 it is a negative errno.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Call(int number, nint a0 = 0, nint a1 = 0, nint a2 = 0, nint a3 = 0, nint a4 = 0, nint a5 = 0) =>
        UserSyscall(number, a0, a1, a2, a3, a4, a5);

    /// <summary>What <c>rt_sigaction</c> wants as <c>sa_restorer</c>.</summary>
    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "user_signal_return_address")]
    public static extern nint SignalRestorer();

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "user_syscall")]
    private static extern nint UserSyscall(nint number, nint a0, nint a1, nint a2, nint a3, nint a4, nint a5);
}
