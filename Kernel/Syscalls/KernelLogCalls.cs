using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>syslog(2): what <c>dmesg</c> reads.</summary>
/// <remarks>
/// Linux: <c>do_syslog</c>. The position of SYSLOG_ACTION_READ is the machine's, not
/// the caller's, as on Linux.
/// </remarks>
internal static class KernelLogCalls
{
    /// <summary>What the ring holds.</summary>
    private const int LogBytes = 128 * 1024;

    private const int Close = 0, Open = 1, Read = 2, ReadAll = 3, ReadClear = 4, Clear = 5, ConsoleOff = 6, ConsoleOn = 7, ConsoleLevel = 8,
        SizeUnread = 9, SizeBuffer = 10;

    public static SysResult Do(Task task, int type, VirtAddr buffer, int length)
    {
        bool free = type is ReadAll or SizeBuffer;
        if (!free && !task.Credentials.Has(Capability.Syslog) && !task.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        TaskSystem system = task.System;
        LogBuffer? log = Log.Buffer;
        if (log is null)
            return Errno.EINVAL;
        switch (type)
        {
            case Close:
            case Open:
                return 0;
            case Read:
                if (buffer.IsZero || length < 0)
                    return Errno.EINVAL;
                return length == 0 ? 0 : Copy(log, ref system.LogRead, buffer, length);
            case ReadAll:
            case ReadClear:
                if (buffer.IsZero || length < 0)
                    return Errno.EINVAL;
                ulong from = Math.Max(system.LogCleared, log.Start);
                if (log.End - from > (ulong)length)
                    from = log.End - (ulong)length;
                SysResult result = Copy(log, ref from, buffer, length);
                if (type == ReadClear && !result.IsError)
                    system.LogCleared = log.End;
                return result;
            case Clear:
                system.LogCleared = log.End;
                return 0;
            case ConsoleOff:
            case ConsoleOn:
                return 0;
            case ConsoleLevel:
                return length is < 1 or > 8 ? Errno.EINVAL : 0;
            case SizeUnread:
                return log.End - Math.Max(system.LogRead, log.Start);
            case SizeBuffer:
                return LogBytes;
            default:
                return Errno.EINVAL;
        }
    }

    private static SysResult Copy(LogBuffer log, ref ulong position, VirtAddr to, int length)
    {
        Span<byte> block = stackalloc byte[256];
        int done = 0;
        while (done < length)
        {
            int count = log.Read(ref position, block[..Math.Min(block.Length, length - done)]);
            if (count == 0)
                break;
            if (UserCopy.CopyToUser(to + (ulong)done, block[..count]) != Errno.None)
                return done == 0 ? Errno.EFAULT : done;
            done += count;
        }
        return done;
    }
}
