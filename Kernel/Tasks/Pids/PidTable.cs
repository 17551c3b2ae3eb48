using System.Numerics;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>Numbers of threads, processes, groups and sessions, found and handed out in O(levels).</summary>
/// <remarks>
/// Linux: <c>pid_namespace.idr</c>. A tree with 64 slots a node; each node knows which slots are used and which are full, so both "next free
/// number" and "next used number" (the listing of <c>/proc</c>) look at one word a level. Numbers are handed out in a circle, as in Linux, so
/// that a number comes back as late as possible. Guarded by the task-list lock.
/// <code>
///   number  bits 23..18   17..12    11..6     5..0
///            root     →   node  →   node  →   leaf → PidEntry
/// </code>
/// </remarks>
internal sealed class PidTable
{
    /// <summary>Numbers below this are not handed out again after the first round. Linux: <c>RESERVED_PIDS</c>.</summary>
    private const int Reserved = 300;
    private const int Levels = 4;
    private const int Bits = 6;
    private const int Slots = 1 << Bits;

    /// <summary>One more than the highest number that <c>/proc/sys/kernel/pid_max</c> may allow. Linux: <c>PID_MAX_LIMIT</c>.</summary>
    public const int Limit = 4 * 1024 * 1024;

    private readonly ObjectCache<PidEntry> _entries;
    private readonly ObjectCache<PidNode> _nodes;
    private readonly KernelArrays _arrays;
    private PidNode? _root;
    private int _last;

    /// <summary>Numbers are below this. <c>/proc/sys/kernel/pid_max</c>.</summary>
    public int Maximum = 32768;

    /// <summary>The number handed out last, for <c>/proc/loadavg</c>.</summary>
    public int LastNumber => _last;

    /// <summary>How many numbers are taken.</summary>
    public int Count { get; private set; }

    /// <summary>The task-list lock, for those who hold an entry only.</summary>
    public ref SpinLock Lock => ref _system.TaskLock;

    private readonly TaskSystem _system;

    /// <summary>Where pidfds come from.</summary>
    public readonly ObjectCache<PidFd> PidFds;

    public PidTable(TaskSystem system, ObjectCache<PidEntry> entries, ObjectCache<PidNode> nodes, ObjectCache<PidFd> pidFds, KernelArrays arrays)
    {
        _system = system;
        PidFds = pidFds;
        _entries = entries;
        _nodes = nodes;
        _arrays = arrays;
    }

    /// <summary>The entry of <paramref name="number"/>, or null when nobody has it. Takes no reference.</summary>
    public PidEntry? Find(int number)
    {
        if ((uint)number >= Limit)
            return null;
        PidNode? node = _root;
        for (int level = Levels - 1; level > 0 && node is not null; level--)
            node = node.Children![SlotOf(number, level)];
        return node?.Entries![SlotOf(number, 0)];
    }

    /// <summary>The thread with this number, or null.</summary>
    public Task? FindTask(int number) => Find(number)?.Thread;

    /// <summary>The process with this number, or null (a thread's number that is no leader's is none).</summary>
    public ThreadGroup? FindProcess(int number) => Find(number)?.Process;

    /// <summary>The entry with the lowest number at or above <paramref name="number"/>, or null.</summary>
    public PidEntry? FindNext(int number)
    {
        if (number < 0)
            number = 0;
        while (number < Limit)
        {
            PidNode? node = _root;
            int level = Levels - 1;
            for (; node is not null; level--)
            {
                int slot = SlotOf(number, level);
                ulong used = node.Used >> slot;
                if (used == 0)
                    break;                                  // nothing more below this node: go on after it
                int skip = BitOperations.TrailingZeroCount(used);
                if (skip != 0)
                    number = (number & ~((1 << ((level + 1) * Bits)) - 1)) | ((slot + skip) << (level * Bits));
                if (level == 0)
                    return node.Entries![slot + skip];
                node = node.Children![slot + skip];
            }
            if (node is null)
                return null;
            int span = 1 << ((level + 1) * Bits);
            if (level == Levels - 1)
                return null;
            number = (number & ~(span - 1)) + span;
        }
        return null;
    }

    /// <summary>The next process at or above <paramref name="number"/>, for the listing of <c>/proc</c>.</summary>
    public ThreadGroup? FindNextProcess(int number)
    {
        for (PidEntry? entry = FindNext(number); entry is not null; entry = FindNext(entry.Number + 1))
        {
            if (entry.Process is not null)
                return entry.Process;
        }
        return null;
    }

    /// <summary>Hands out a number; the entry has one reference, the table's.</summary>
    /// <returns><see cref="Errno.EAGAIN"/> when all are taken, <see cref="Errno.ENOMEM"/>.</returns>
    public Errno Allocate(out PidEntry? entry)
    {
        entry = null;
        int start = _last + 1;
        if (start >= Maximum)
            start = Reserved < Maximum ? Reserved : 1;
        int number = NextFree(start);
        if (number < 0 || number >= Maximum)
            number = NextFree(start > Reserved && _last >= Reserved ? Reserved : 1);
        if (number < 0 || number >= Maximum)
            return Errno.EAGAIN;
        PidEntry? made = _entries.Allocate();
        if (made is null)
            return Errno.ENOMEM;
        made.Table = this;
        made.Number = number;
        made.ReferenceCount = 1;
        if (!Insert(number, made))
        {
            _entries.Free(made);
            return Errno.ENOMEM;
        }
        made.InTable = true;
        _last = number;
        Count++;
        entry = made;
        return Errno.None;
    }

    /// <summary>
    /// Brings what <see cref="Allocate"/> needs into the caches: under the lock of tasks nobody can wait for memory, here the caller can.
    /// </summary>
    /// <returns>False when there is none to be had.</returns>
    public bool Refill()
    {
        PidEntry? entry = _entries.Allocate();
        PidNode? leaf = NewNode(0), inner = NewNode(1);
        bool isThere = entry is not null && leaf is not null && inner is not null;
        if (entry is not null)
            _entries.Free(entry);
        if (leaf is not null)
            FreeNode(leaf);
        if (inner is not null)
            FreeNode(inner);
        return isThere;
    }

    /// <summary>Gives the number back when nothing uses it any more; the table's reference goes with it.</summary>
    public void ReleaseIfUnused(PidEntry entry)
    {
        if (!entry.InTable || entry.IsUsed)
            return;
        entry.InTable = false;
        Remove(entry.Number);
        Count--;
        entry.Put();
    }

    internal void Free(PidEntry entry) => _entries.Free(entry);

    private static int SlotOf(int number, int level) => (number >> (level * Bits)) & (Slots - 1);

    /// <summary>The lowest free number at or above <paramref name="number"/>; −1 when there is none below the limit.</summary>
    private int NextFree(int number)
    {
        while (number < Limit)
        {
            PidNode? node = _root;
            int level = Levels - 1;
            while (true)
            {
                if (node is null)
                    return number;                          // a missing subtree is free from its first number on
                int slot = SlotOf(number, level);
                ulong open = ~node.Full >> slot;
                if (open == 0)
                    break;
                int skip = BitOperations.TrailingZeroCount(open);
                if (skip != 0)
                    number = (number & ~((1 << ((level + 1) * Bits)) - 1)) | ((slot + skip) << (level * Bits));
                if (level == 0)
                    return number;
                node = node.Children![slot + skip];
                level--;
            }
            if (level == Levels - 1)
                return -1;
            int span = 1 << ((level + 1) * Bits);
            number = (number & ~(span - 1)) + span;
        }
        return -1;
    }

    private PidNode? NewNode(int level)
    {
        PidNode? node = _nodes.Allocate();
        if (node is null)
            return null;
        if (level == 0)
            node.Entries = _arrays.Allocate<PidEntry?>(Slots);
        else
            node.Children = _arrays.Allocate<PidNode?>(Slots);
        if (node.Entries is null && node.Children is null)
        {
            _nodes.Free(node);
            return null;
        }
        return node;
    }

    private void FreeNode(PidNode node)
    {
        if (node.Entries is not null)
            _arrays.Free(node.Entries);
        if (node.Children is not null)
            _arrays.Free(node.Children);
        _nodes.Free(node);
    }

    private bool Insert(int number, PidEntry entry)
    {
        // Reserve: the path down. Empty nodes left by a failure are freed again on the way back.
        _root ??= NewNode(Levels - 1);
        PidNode? node = _root;
        for (int level = Levels - 1; level > 0; level--)
        {
            if (node is null)
                break;
            ref PidNode? child = ref node.Children![SlotOf(number, level)];
            child ??= NewNode(level - 1);
            node = child;
        }
        if (node is null)
        {
            Prune(number);
            return false;
        }

        // Commit.
        node.Entries![SlotOf(number, 0)] = entry;
        MarkPath(number, used: true);
        return true;
    }

    private void Remove(int number)
    {
        PidNode node = _root!;
        for (int level = Levels - 1; level > 0; level--)
            node = node.Children![SlotOf(number, level)]!;
        node.Entries![SlotOf(number, 0)] = null;
        MarkPath(number, used: false);
        Prune(number);
    }

    /// <summary>Sets or clears the used and full bits on the path of <paramref name="number"/>, from the leaf up.</summary>
    private void MarkPath(int number, bool used)
    {
        MarkBelow(_root!, Levels - 1, number, used);
    }

    private static void MarkBelow(PidNode node, int level, int number, bool used)
    {
        ulong bit = 1ul << SlotOf(number, level);
        bool slotUsed = used, slotFull = used;
        if (level > 0)
        {
            PidNode child = node.Children![SlotOf(number, level)]!;
            MarkBelow(child, level - 1, number, used);
            slotUsed = child.Used != 0;
            slotFull = child.Full == ulong.MaxValue;
        }
        node.Used = slotUsed ? node.Used | bit : node.Used & ~bit;
        node.Full = slotFull ? node.Full | bit : node.Full & ~bit;
    }

    /// <summary>Frees the empty nodes on the path of <paramref name="number"/>; the root stays.</summary>
    private void Prune(int number)
    {
        if (_root is not null)
            PruneBelow(_root, Levels - 1, number);
    }

    private void PruneBelow(PidNode node, int level, int number)
    {
        if (level == 0)
            return;
        ref PidNode? child = ref node.Children![SlotOf(number, level)];
        if (child is null)
            return;
        PruneBelow(child, level - 1, number);
        if (child.Used != 0)
            return;
        FreeNode(child);
        child = null;
    }
}

/// <summary>One node of the <see cref="PidTable"/>: 64 slots with a bit a slot for "something there" and "nothing free there".</summary>
internal sealed class PidNode
{
    public ulong Used;
    public ulong Full;
    public PidNode?[]? Children;
    public PidEntry?[]? Entries;
}
