namespace NanoVm.Tasks;

/// <summary>Signals that have been sent and not taken yet. Linux: <c>sigpending</c>.</summary>
internal struct PendingSignals
{
    public SignalSet Set;

    /// <summary>Queued information, oldest first.</summary>
    public QueuedSignal? First;
    public QueuedSignal? Last;
}

/// <summary>One queued signal. Linux: <c>sigqueue</c>.</summary>
internal sealed class QueuedSignal
{
    public QueuedSignal? Next;
    public SignalInfo Info;
}
