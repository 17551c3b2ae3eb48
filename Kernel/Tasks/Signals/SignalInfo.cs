using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Why a signal was sent. Linux: <c>kernel_siginfo</c>; <see cref="Code"/> has Linux's numbers.</summary>
internal struct SignalInfo
{
    // Linux: SI_*
    public const int CodeUser = 0, CodeKernel = 0x80, CodeQueue = -1, CodeTimer = -2, CodeMesgq = -3, CodeAsyncIo = -4, CodeIo = -5, CodeTkill = -6;
    // Linux: SEGV_*, BUS_*, ILL_*, FPE_*, TRAP_*, CLD_*
    public const int SegvMapErr = 1, SegvAccErr = 2, SegvPkuErr = 4;
    public const int BusAdrAln = 1, BusAdrErr = 2, BusObjErr = 3;
    public const int IllIllOpn = 2;
    public const int FpeIntDiv = 1, FpeIntOvf = 2, FpeFltDiv = 3, FpeFltOvf = 4, FpeFltUnd = 5, FpeFltRes = 6, FpeFltInv = 7;
    public const int TrapBrkpt = 1, TrapTrace = 2, TrapHwBkpt = 4;
    public const int CldExited = 1, CldKilled = 2, CldDumped = 3, CldTrapped = 4, CldStopped = 5, CldContinued = 6;

    public int Signal;
    public int Error;
    public int Code;

    /// <summary>The sender, for signals from users and of children.</summary>
    public int Pid;
    public uint Uid;

    /// <summary>CLD_*: exit status or signal; queued signals and timers: the value.</summary>
    public int Status;
    public ulong Value;
    public ulong UserTime, SystemTime;          // clock ticks, CLD_*
    public int TimerId, Overrun;

    /// <summary>Faults: the address (and trap number for the signal frame).</summary>
    public VirtAddr Address;
    public int ProtectionKey;
}
