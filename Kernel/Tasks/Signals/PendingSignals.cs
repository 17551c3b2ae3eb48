using System.Numerics;

namespace NanoVm.Tasks;

/// <summary>Signals that have been sent and not taken yet. Linux: <c>sigpending</c>. Under <see cref="ThreadGroup.SignalLock"/>.</summary>
/// <remarks>The set says which; the list has the information, in the order sent. A signal without information is in the set only.</remarks>
internal struct PendingSignals
{
    public SignalSet Set;

    /// <summary>Queued information, oldest first.</summary>
    public QueuedSignal? First;
    public QueuedSignal? Last;

    public void Append(QueuedSignal signal)
    {
        signal.Next = null;
        if (Last is null)
            First = signal;
        else
            Last.Next = signal;
        Last = signal;
    }

    /// <summary>The signal that comes next: what the program itself has raised, then the lowest number.</summary>
    /// <returns>0 when <paramref name="blocked"/> holds all that wait.</returns>
    public readonly int Next(SignalSet blocked)
    {
        ulong ready = Set.Bits & ~blocked.Bits;
        if (ready == 0)
            return 0;
        ulong synchronous = ready & SignalSets.Synchronous.Bits;
        return BitOperations.TrailingZeroCount(synchronous != 0 ? synchronous : ready) + 1;
    }

    /// <summary>Takes the oldest information of <paramref name="signal"/> out; the signal stays pending when there is more of it.</summary>
    /// <returns>The queue's object, or null when the signal came without information.</returns>
    public QueuedSignal? Take(int signal)
    {
        QueuedSignal? found = null;
        bool more = false;
        QueuedSignal? before = null;
        for (QueuedSignal? at = First; at is not null; at = at.Next)
        {
            if (at.Info.Signal != signal)
            {
                if (found is null)
                    before = at;
                continue;
            }
            if (found is not null)
            {
                more = true;
                break;
            }
            found = at;
        }
        if (found is not null)
        {
            if (before is null)
                First = found.Next;
            else
                before.Next = found.Next;
            if (Last == found)
                Last = before;
            found.Next = null;
        }
        if (!more)
            Set = Set.Without(signal);
        return found;
    }

    /// <summary>Takes all signals of <paramref name="which"/> out.</summary>
    /// <returns>A list of what had been queued, for the caller to free.</returns>
    public QueuedSignal? TakeAll(SignalSet which)
    {
        QueuedSignal? taken = null;
        if ((Set & which).IsEmpty)
            return null;
        Set &= ~which;
        QueuedSignal? at = First;
        First = null;
        Last = null;
        while (at is not null)
        {
            QueuedSignal? next = at.Next;
            if (which.Contains(at.Info.Signal))
            {
                at.Next = taken;
                taken = at;
            }
            else
            {
                Append(at);
            }
            at = next;
        }
        return taken;
    }
}

/// <summary>One queued signal. Linux: <c>sigqueue</c>.</summary>
internal sealed class QueuedSignal
{
    public QueuedSignal? Next;
    public SignalInfo Info;

    /// <summary>The user whose count of queued signals has this one; null when it is not counted.</summary>
    public UserEntry? CountedFor;
}
