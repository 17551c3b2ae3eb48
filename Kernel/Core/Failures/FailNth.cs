namespace NanoVm.Core;

/// <summary>Which request of one thread is to fail: <c>/proc/PID/fail-nth</c>.</summary>
/// <remarks>
/// Linux: <c>task_struct.fail_nth</c>, Documentation/fault-injection. Counted down by each request that the thread makes, in a system call or a
/// fault; at 0 the request fails and nothing is counted any more. A new thread starts with none. Written by the thread itself, or by who writes
/// its file; a race only shifts the number.
/// </remarks>
internal struct FailNth
{
    private FailureKinds _kinds;

    /// <summary>Requests until one fails; 0 when it has, or when none is to.</summary>
    public uint Remaining;

    /// <summary>A request has failed and nobody has asked <see cref="TakeInjected"/> since.</summary>
    private bool _injected;

    /// <summary>What is counted. Linux counts everything; here it is memory unless another kind is asked for.</summary>
    public FailureKinds Kinds
    {
        readonly get => _kinds == FailureKinds.None ? FailureKinds.Allocations : _kinds;
        set => _kinds = value;
    }

    /// <summary>Counts a request. True when it is the one to fail.</summary>
    internal bool Reaches(FailureKinds kind)
    {
        if ((Kinds & kind) == 0 || --Remaining != 0)
            return false;
        _injected = true;
        return true;
    }

    /// <summary>Whether a request was made to fail since the last time this was asked: then memory is not really short.</summary>
    public bool TakeInjected()
    {
        bool injected = _injected;
        _injected = false;
        return injected;
    }
}
