using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>How the clock is kept right: <c>adjtimex clock_adjtime</c>, to be read only.</summary>
/// <remarks>
/// Linux: <c>do_adjtimex</c>, man 2 adjtimex. Nobody disciplines this machine's clock: it says what Linux says before a time daemon has
/// started (not synchronized, errors at their most), and a privileged change is EOPNOTSUPP.
/// </remarks>
internal static unsafe class ClockAdjustmentSyscalls
{
    private const uint ModeSingleShot = 0x0001, ModeReadOnly = 0x2000, ModeTick = 0x4000, ModeAdjTime = 0x8000;
    private const int StateError = 5, StatusUnsynchronized = 0x40;
    private const long UsualTick = 10_000, LeastTick = 9_000, MostTick = 11_000, MostError = 16_000_000, Tolerance = 32_768_000;

    /// <summary>Linux: <c>struct timex</c>, 208 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 208)]
    private struct Timex
    {
        [FieldOffset(0)] public uint Modes;
        [FieldOffset(8)] public long Offset;
        [FieldOffset(16)] public long Frequency;
        [FieldOffset(24)] public long MaximumError;
        [FieldOffset(32)] public long EstimatedError;
        [FieldOffset(40)] public int Status;
        [FieldOffset(48)] public long Constant;
        [FieldOffset(56)] public long Precision;
        [FieldOffset(64)] public long Tolerance;
        [FieldOffset(72)] public long Seconds;
        [FieldOffset(80)] public long Microseconds;
        [FieldOffset(88)] public long Tick;
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(159, "adjtimex"u8, &AdjTimex);
        table.Add(305, "clock_adjtime"u8, &ClockAdjTime);
    }

    /// <summary>man 2 adjtimex.</summary>
    private static SysResult AdjTimex(ref SyscallArguments a)
    {
        Errno error = UserCopy.Get(a.Address0, out Timex timex);
        return error != Errno.None ? error : Adjust(a.Task, ref timex, a.Address0);
    }

    /// <summary>man 2 clock_adjtime: of the wall's clock only.</summary>
    private static SysResult ClockAdjTime(ref SyscallArguments a)
    {
        Errno error = UserCopy.Get(a.Address1, out Timex timex);
        if (error != Errno.None)
            return error;
        if (a.Int0 == ClockId.Realtime)
            return Adjust(a.Task, ref timex, a.Address1);
        return a.Int0 is >= 0 and <= ClockId.InternationalAtomic and not 10 || a.Int0 < 0 ? Errno.EOPNOTSUPP : Errno.EINVAL;
    }

    private static SysResult Adjust(Task task, ref Timex timex, VirtAddr to)
    {
        bool privileged = task.Credentials.Has(Capability.SysTime);
        bool changes = timex.Modes != 0;
        if ((timex.Modes & ModeAdjTime) != 0)
        {
            if ((timex.Modes & ModeSingleShot) == 0)
                return Errno.EINVAL;
            changes = (timex.Modes & ModeReadOnly) == 0;
        }
        if (changes && !privileged)
            return Errno.EPERM;
        if ((timex.Modes & (ModeAdjTime | ModeTick)) == ModeTick && timex.Tick is < LeastTick or > MostTick)
            return Errno.EINVAL;
        // A single shot by nothing (adjtime with a zero delta) has nothing to do.
        bool isNothing = (timex.Modes & ModeAdjTime) != 0 && timex.Offset == 0;
        if (changes && !isNothing)
            return Errno.EOPNOTSUPP;

        uint modes = timex.Modes;
        ulong now = Time.RealtimeNanoseconds;
        timex = new Timex
        {
            Modes = modes,
            MaximumError = MostError,
            EstimatedError = MostError,
            Status = StatusUnsynchronized,
            Constant = 2,
            Precision = 1,
            Tolerance = Tolerance,
            Seconds = (long)(now / 1_000_000_000),
            Microseconds = (long)(now % 1_000_000_000 / 1000),
            Tick = UsualTick,
        };
        Errno error = UserCopy.Put(to, timex);
        return error != Errno.None ? error : StateError;
    }
}
