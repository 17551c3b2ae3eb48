using NanoVm.Core;
using NanoVm.Memory.Structures;

namespace NanoVm.Tasks;

/// <summary>A timer made by <c>timer_create</c>.</summary>
/// <remarks>
/// Linux: <c>struct k_itimer</c>. Guarded by the owner's lock. A periodic timer is not armed again before its signal has been taken:
/// however short its period, a program that does not keep up is told by the overrun count, and the machine is not flooded.
/// </remarks>
internal sealed class PosixTimer : TimerNode
{
    /// <summary>Place among the timers of the process, by <see cref="Id"/>.</summary>
    public RedBlackLinks<PosixTimer> Links;

    /// <summary>Links among those that wait for their signal to be taken, or that run on processor time.</summary>
    public PosixTimer? NextWaiting;
    public PosixTimer? NextCpu;

    public ProcessTimers Owner = null!;
    public int Id;
    public int Clock;

    /// <summary>SIGEV_*.</summary>
    public int Notify;
    public int Signal;
    public ulong Value;

    /// <summary>The thread that gets the signal (SIGEV_THREAD_ID), with a reference; or null for the process. Of a thread's clock: that thread.</summary>
    public Task? Target;

    /// <summary>The user whose count of queued signals has this timer's; null when it is not counted.</summary>
    public UserEntry? CountedFor;

    /// <summary>0: once.</summary>
    public ulong Interval;

    /// <summary>When it goes off (or last went off), as its clock counts; 0: not set.</summary>
    public ulong Expiry;

    /// <summary>Set, and has not gone off for the last time.</summary>
    public bool IsSet;

    /// <summary>Has gone off; its signal has not been taken yet.</summary>
    public bool IsWaiting;

    /// <summary>Periods that passed before the signal was taken, and what the last signal said.</summary>
    public ulong Overrun;
    public int LastOverrun;

    public override void Fire() => Owner.Expired(this);

    /// <summary>Moves the expiry past <paramref name="now"/> by whole periods and counts them.</summary>
    public void Advance(ulong now)
    {
        if (Interval == 0 || now < Expiry)
            return;
        ulong periods = (now - Expiry) / Interval;
        Overrun += periods;
        Expiry += (periods + 1) * Interval;
    }

    public readonly struct Traits : IRedBlackTraits<PosixTimer>, IRedBlackOrder<PosixTimer>
    {
        public static ref RedBlackLinks<PosixTimer> Links(PosixTimer node) => ref node.Links;

        public static bool Update(PosixTimer node) => false;

        public static bool Before(PosixTimer left, PosixTimer right) => left.Id < right.Id;
    }
}
