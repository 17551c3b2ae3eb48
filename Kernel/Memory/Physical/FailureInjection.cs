using System.Runtime.CompilerServices;

namespace NanoVm.Memory.Physical;

/// <summary>Makes a chosen allocation fail, so that every error path can be walked.</summary>
/// <remarks>
/// Linux: <c>CONFIG_FAULT_INJECTION</c>. Tests arm it for the 1st, 2nd, 3rd… allocation until an operation succeeds; the command line
/// does with <c>fail=KIND:N</c>. Written by one test at a time; read without a lock, a race only shifts the number.
/// </remarks>
internal sealed class FailureInjection
{
    private const int Kinds = 5;

    private readonly ulong[] _asked = new ulong[Kinds];
    private ulong _askedAll;
    private bool _armed;
    private bool _anyKind;
    private bool _repeat;
    private AllocationKind _kind;
    private ulong _failAt;

    /// <summary>Allocations that were made to fail since the start.</summary>
    public ulong Failures { get; private set; }

    /// <summary>Requests of all kinds since <see cref="Arm"/>, or since the start. Counted only while armed.</summary>
    public ulong Asked => _askedAll;

    /// <summary>Lets the <paramref name="number"/>th request from now on fail (1 is the next), whatever its kind.</summary>
    /// <param name="repeat">Whether all later ones fail, too.</param>
    public void Arm(ulong number, bool repeat = false)
    {
        Disarm();
        _anyKind = true;
        _failAt = number;
        _repeat = repeat;
        _armed = true;
    }

    /// <summary>The same, counting requests of one kind only.</summary>
    public void Arm(AllocationKind kind, ulong number, bool repeat = false)
    {
        Disarm();
        _anyKind = false;
        _kind = kind;
        _failAt = number;
        _repeat = repeat;
        _armed = true;
    }

    public void Disarm()
    {
        _armed = false;
        _askedAll = 0;
        for (int i = 0; i < Kinds; i++)
            _asked[i] = 0;
    }

    /// <summary>Asked by every allocator before it looks for memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool ShouldFail(AllocationKind kind) => _armed && Decide(kind);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool Decide(AllocationKind kind)
    {
        ulong asked = ++_askedAll;
        ulong askedOfKind = ++_asked[(int)kind];
        if (!_anyKind)
        {
            if (kind != _kind)
                return false;
            asked = askedOfKind;
        }

        if (asked != _failAt && !(_repeat && asked > _failAt))
            return false;
        Failures++;
        return true;
    }
}
