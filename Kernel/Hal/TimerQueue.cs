using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Hal;

/// <summary>Everything that shall happen at a time: a heap by deadline, and the local APIC's timer set to the first.</summary>
/// <remarks>
/// Linux: <c>hrtimer</c>. A pairing heap over links inside of the nodes: add O(1), cancel and fire O(log n) amortized, no memory of
/// its own, so nothing can fail. <see cref="TimerNode.HeapPrevious"/> of a first child is its parent, of another child its left sibling.
/// Nodes with equal deadlines fire in any order.
/// </remarks>
internal sealed class TimerQueue : InterruptHandler
{
    private readonly LocalApic _apic;
    private readonly Clock _clock;
    private SpinLock _lock;
    /// <summary>Under <see cref="_lock"/>: the node with the first deadline.</summary>
    private TimerNode? _root;
    /// <summary>Under <see cref="_lock"/>: what the timer is set to.</summary>
    private ulong _armed = ulong.MaxValue;

    public TimerQueue(LocalApic apic, Clock clock, InterruptTable interrupts)
    {
        _apic = apic;
        _clock = clock;
        interrupts.Set(LocalApic.TimerVector, this);
        apic.SetTimerRate(clock.ApicHertz);
    }

    /// <summary>Makes <paramref name="node"/> fire once, when the monotonic clock shows <paramref name="deadline"/> or soon after.</summary>
    /// <remarks>A node that waits already gets the new deadline. One in the past fires with the next interrupt, never at once.</remarks>
    public void Add(TimerNode node, ulong deadline)
    {
        using (_lock.Acquire())
        {
            if (node.IsArmed)
                Remove(node);
            node.Deadline = deadline;
            node.IsArmed = true;
            node.HeapChild = null;
            node.HeapNext = null;
            node.HeapPrevious = null;
            _root = _root is null ? node : Meld(_root, node);
            if (_root == node)
                Arm();
        }
    }

    /// <summary>Takes a node out.</summary>
    /// <returns>Whether it was waiting; false when it has fired (or fires on another processor now).</returns>
    public bool Cancel(TimerNode node)
    {
        using (_lock.Acquire())
        {
            if (!node.IsArmed)
                return false;
            Remove(node);
            node.IsArmed = false;
            return true;                                     // the timer may interrupt once for nothing: cheaper than setting it anew
        }
    }

    /// <summary>The timer's interrupt: fires all that are due.</summary>
    public override void Handle(ref TrapFrame frame)
    {
        bool enabled = _lock.AcquireRaw();
        _armed = ulong.MaxValue;
        ulong now = _clock.MonotonicNanoseconds;
        while (_root is TimerNode first && first.Deadline <= now)
        {
            Remove(first);
            first.IsArmed = false;
            _lock.ReleaseRaw(enabled);                       // interrupts stay off: enabled is false here
            first.Fire();
            enabled = _lock.AcquireRaw();
            now = _clock.MonotonicNanoseconds;
        }
        Arm();
        _lock.ReleaseRaw(enabled);
    }

    private void Arm()
    {
        if (_root is null || _root.Deadline == _armed)
            return;
        _armed = _root.Deadline;
        ulong now = _clock.MonotonicNanoseconds;
        _apic.StartTimer(_armed > now ? _armed - now : 0);
    }

    private void Remove(TimerNode node)
    {
        if (node == _root)
        {
            _root = MeldPairs(node.HeapChild);
        }
        else
        {
            TimerNode previous = node.HeapPrevious!;
            if (previous.HeapChild == node)
                previous.HeapChild = node.HeapNext;
            else
                previous.HeapNext = node.HeapNext;
            if (node.HeapNext is not null)
                node.HeapNext.HeapPrevious = previous;
            TimerNode? rest = MeldPairs(node.HeapChild);
            if (rest is not null)
                _root = Meld(_root!, rest);
        }
        node.HeapChild = null;
        node.HeapNext = null;
        node.HeapPrevious = null;
    }

    /// <summary>Makes one heap of two roots, which have no siblings.</summary>
    private static TimerNode Meld(TimerNode left, TimerNode right)
    {
        if (right.Deadline < left.Deadline)
            (left, right) = (right, left);
        right.HeapNext = left.HeapChild;
        if (left.HeapChild is not null)
            left.HeapChild.HeapPrevious = right;
        right.HeapPrevious = left;
        left.HeapChild = right;
        left.HeapNext = null;
        left.HeapPrevious = null;
        return left;
    }

    /// <summary>Makes one heap of a list of siblings: first in pairs from the left, then all from the right.</summary>
    private static TimerNode? MeldPairs(TimerNode? first)
    {
        TimerNode? pairs = null;                             // a stack linked by HeapNext
        while (first is not null)
        {
            TimerNode left = first;
            TimerNode? right = left.HeapNext;
            first = right?.HeapNext;
            left.HeapNext = null;
            left.HeapPrevious = null;
            if (right is not null)
            {
                right.HeapNext = null;
                right.HeapPrevious = null;
                left = Meld(left, right);
            }
            left.HeapNext = pairs;
            pairs = left;
        }

        TimerNode? result = null;
        while (pairs is not null)
        {
            TimerNode next = pairs;
            pairs = next.HeapNext;
            next.HeapNext = null;
            result = result is null ? next : Meld(result, next);
        }
        return result;
    }
}
