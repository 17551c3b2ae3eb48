using System;

namespace NanoVm.User.Init;

/// <summary>The end of the machine.</summary>
internal static class Machine
{
    /// <summary>Ends every other process and then the machine. <paramref name="status"/>: 0 to 255, what run-qemu.sh ends with.</summary>
    public static void End(int status)
    {
        Children.KillAll();
        Sys.DrainTerminal();
        Sys.Synchronize();

        Span<byte> digits = stackalloc byte[4];
        int file = Sys.Open("/proc/sys/kernel/nanovm_exit_status"u8, Sys.WriteOnly);
        if (file >= 0)
            Sys.Write(file, Text.Decimal(status, digits));
        Sys.PowerOff();
    }
}
