using System.Runtime.CompilerServices;

namespace NanoVm.Core;

/// <summary>Makes a chosen request fail, so that every error path can be walked.</summary>
/// <remarks>
/// Linux: <c>CONFIG_FAULT_INJECTION</c>. There are two ways to choose. The machine's: kernel suites arm it for the 1st, 2nd, 3rd… request until an
/// operation succeeds, the command line does with <c>fail=KINDS:N</c>. A thread's: <see cref="FailNth"/>, which goes before the machine's.
/// Asked before the work begins, so a failure leaves nothing to undo where it is injected. Read without a lock, a race only shifts the number.
/// </remarks>
internal sealed class FailureInjection
{
    private ulong _asked;

    /// <summary>Whether anybody is asked at all: the one word that is looked at while nothing is injected.</summary>
    private bool _armed;

    /// <summary>Some thread has set its own number. From then on all are asked: the machine is under test.</summary>
    private bool _threads;

    private bool _repeat;
    private bool _report;
    private FailureKinds _kinds;
    private ulong _failAt;

    // What fail= says; it waits for the first program.
    private FailureKinds _pendingKinds;
    private ulong _pendingNumber;
    private bool _pendingRepeat;

    /// <summary>Requests that were made to fail since the start.</summary>
    public ulong Failures { get; private set; }

    /// <summary>Requests of the chosen kinds since <see cref="Arm(FailureKinds, ulong, bool)"/>.</summary>
    public ulong Asked => _asked;

    /// <summary>Lets the <paramref name="number"/>th allocation from now on fail (1 is the next), whatever its kind.</summary>
    /// <param name="repeat">Whether all later ones fail, too.</param>
    public void Arm(ulong number, bool repeat = false) => Arm(FailureKinds.Allocations, number, repeat);

    /// <summary>The same, counting requests of some kinds only.</summary>
    public void Arm(FailureKinds kinds, ulong number, bool repeat = false)
    {
        _asked = 0;
        _kinds = kinds;
        _failAt = number;
        _repeat = repeat;
        SetArmed(true);
    }

    public void Disarm()
    {
        _asked = 0;
        _kinds = FailureKinds.None;
        _report = false;
        SetArmed(_threads);
    }

    /// <summary>What the command line asks for; counting begins with <see cref="StartPending"/>.</summary>
    public void SetPending(FailureKinds kinds, ulong number, bool repeat)
    {
        _pendingKinds = kinds;
        _pendingNumber = number;
        _pendingRepeat = repeat;
    }

    /// <summary>The first program is about to run: a boot that fails half-way would tell nothing about any call.</summary>
    public void StartPending()
    {
        if (_pendingKinds == FailureKinds.None)
            return;
        Arm(_pendingKinds, _pendingNumber, _pendingRepeat);
        _report = true;
    }

    /// <summary>A thread sets its own number.</summary>
    public void SetThread(KernelThread thread, uint number)
    {
        thread.FailNth.Remaining = number;
        if (number == 0)
            return;
        _threads = true;
        SetArmed(true);
    }

    /// <summary>Asked by every allocator before it looks for memory, by user copies and by disks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool ShouldFail(FailureKinds kind) => _armed && Decide(kind);

    private void SetArmed(bool armed)
    {
        _armed = armed;
        PerCpu.FailuresArmed = armed;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool Decide(FailureKinds kind)
    {
        if (_threads && PerCpu.CurrentOrNull is { FailNth.Remaining: not 0 } thread)
        {
            if (!thread.FailNth.Reaches(kind))
                return false;
            Failures++;
            return true;
        }

        if ((_kinds & kind) == 0)
            return false;
        ulong asked = ++_asked;
        if (asked != _failAt && !(_repeat && asked > _failAt))
            return false;
        Failures++;
#if NANOVM_KERNEL
        if (_report)
            Report(kind, asked);
#endif
        return true;
    }

#if NANOVM_KERNEL
    private static void Report(FailureKinds kind, ulong number)
    {
        System.Span<byte> space = stackalloc byte[64];
        var text = new TextWriter(space);
        FailureWords.Write(ref text, kind);
        text.Text(" of "u8);
        PerCpu.CurrentOrNull?.Describe(ref text);
        Log.Info($"fail: request {number} is made to fail: {text.Written}");
    }
#endif
}
