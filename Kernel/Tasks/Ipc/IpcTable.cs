using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>All System V objects of one kind, found by identifier and by key.</summary>
/// <remarks>
/// Linux: <c>ipc_ids</c>. A table by slot, and chains of objects whose keys hash alike, both of which grow with the objects. An identifier is
/// slot + 32768 × sequence, so that a stale one is noticed.
/// </remarks>
internal sealed class IpcTable<T>(KernelArrays arrays)
    where T : IpcObject
{
    /// <summary>Linux: <c>IPCMNI</c>.</summary>
    public const int SlotsPerSequence = 32768;
    private const int FirstSlots = 64;

    private T?[] _slots = new T?[FirstSlots];
    private IpcObject?[] _keys = new IpcObject?[FirstSlots];
    private int _sequence;

    /// <summary>The slot that was given last: the next one follows, so that an identifier is used again as late as can be.</summary>
    private int _lastSlot = -1;

    public int Count { get; private set; }

    /// <summary>Slots that may hold an object.</summary>
    public int SlotCount => _slots.Length;

    public T? At(int slot) => (uint)slot < (uint)_slots.Length ? _slots[slot] : null;

    /// <summary>The object of an identifier, or null.</summary>
    public T? Find(int identifier) => identifier >= 0 && At(identifier % SlotsPerSequence) is { } found && found.Identifier == identifier ? found : null;

    /// <summary>The object of a key, or null.</summary>
    public T? FindKey(int key)
    {
        IpcObject? found = ChainOf(key);
        while (found is not null && found.Key != key)
            found = found.NextKey;
        return found is null ? null : (T)found;
    }

    /// <summary>The highest slot in use, as IPC_INFO answers it; 0 when there is none.</summary>
    public int HighestSlot
    {
        get
        {
            for (int slot = _slots.Length - 1; slot > 0; slot--)
            {
                if (_slots[slot] is not null)
                    return slot;
            }

            return 0;
        }
    }

    /// <summary>Names the object and makes it found.</summary>
    /// <returns>ENOMEM; then nothing has changed.</returns>
    public Errno Add(T item, Task creator, in IpcRequest request)
    {
        int slot = NextSlot();
        if (slot >= _slots.Length && !Grow())
            return Errno.ENOMEM;
        if (slot <= _lastSlot)
            _sequence = (_sequence + 1) % (int.MaxValue / SlotsPerSequence);
        _lastSlot = slot;
        item.Key = request.Key;
        item.Mode = request.Mode;
        item.Uid = item.CreatorUid = creator.Credentials.EffectiveUid;
        item.Gid = item.CreatorGid = creator.Credentials.EffectiveGid;
        item.Identifier = slot + SlotsPerSequence * _sequence;
        _slots[slot] = item;
        if (!request.IsPrivate)
            Link(_keys, item);
        Count++;
        return Errno.None;
    }

    /// <summary>The object is found no more.</summary>
    public void Remove(T item)
    {
        int slot = item.Identifier % SlotsPerSequence;
        _slots[slot] = null;
        Count--;
        if (item.Key == 0)
            return;
        ref IpcObject? link = ref ChainOf(item.Key);
        while (!ReferenceEquals(link, item))
            link = ref link!.NextKey;
        link = item.NextKey;
        item.NextKey = null;
    }

    /// <summary>The free slot after the last one that was given, in a ring with room for half as many again. Linux: <c>ipc_idr_alloc</c>.</summary>
    private int NextSlot()
    {
        int ring = Math.Min(Math.Max(Count * 3 / 2, FirstSlots), SlotsPerSequence);
        for (int slot = _lastSlot + 1; slot < ring; slot++)
        {
            if (At(slot) is null)
                return slot;
        }

        int first = 0;
        while (At(first) is not null)
            first++;
        return first;
    }

    private ref IpcObject? ChainOf(int key) => ref _keys[(uint)key * 0x9e37_79b1u % (uint)_keys.Length];

    private static void Link(IpcObject?[] keys, IpcObject item)
    {
        ref IpcObject? chain = ref keys[(uint)item.Key * 0x9e37_79b1u % (uint)keys.Length];
        item.NextKey = chain;
        chain = item;
    }

    private bool Grow()
    {
        T?[]? slots = arrays.Allocate<T?>(_slots.Length * 2);
        IpcObject?[]? keys = slots is null ? null : arrays.Allocate<IpcObject?>(_slots.Length * 2);
        if (keys is null)
        {
            arrays.Free(slots);
            return false;
        }

        for (int i = 0; i < _slots.Length; i++)
        {
            slots![i] = _slots[i];
            if (_slots[i] is { Key: not 0 } item)
                Link(keys, item);
        }

        // The first ones are of boot, not from the heap of arrays.
        if (_slots.Length > FirstSlots)
        {
            arrays.Free(_slots);
            arrays.Free(_keys);
        }

        _slots = slots!;
        _keys = keys;
        return true;
    }
}
