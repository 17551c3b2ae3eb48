using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/sysrq-trigger</c>: what root asks of the kernel by a letter. Linux: <c>write_sysrq_trigger</c>.</summary>
/// <remarks>"c" panics, which is how tests see what a panic prints; "m" logs memory, "b" ends the machine. Others are logged as unknown.</remarks>
internal sealed class SysrqTrigger(TaskSystem system) : ProcFile("sysrq-trigger"u8, 0x80)
{
    private readonly TaskSystem _system = system;

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        Span<byte> letter = stackalloc byte[1];
        long total = (long)from.Remaining;
        Errno error = from.CopyFromIter(letter, out int count);
        if (error != Errno.None || count == 0)
            return error;
        switch (letter[0])
        {
            case (byte)'c':
                Panic.Now("sysrq triggered crash"u8);
                break;
            case (byte)'m':
                Log.Info($"sysrq: {_system.Physical.Frames.FreeFrames.Value} of {_system.Physical.Frames.TotalFrames.Value} frames free");
                break;
            case (byte)'b':
                _system.Power.Reboot();
                break;
            case (byte)'s':
                break;
            default:
                Log.Info($"sysrq: {(uint)letter[0]} is no command here");
                break;
        }
        return total;
    }
}
