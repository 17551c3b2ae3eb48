using System;
using NanoVm.Memory.Physical;

namespace NanoVm.Files.Ext2;

/// <summary>Where the names of a large directory are, and where there is room for more: in memory only, made when it is first needed.</summary>
/// <remarks>
/// The disk's records are a chain without order; looking for a name would read all of it. (Linux's ext4 keeps a tree of hashes on the disk for that; this
/// driver drops the mark of such a tree when it changes the directory, as its blocks are a valid chain, too.)
/// <code>
///   slots   open addressing: hash of the name | block that has it       a lookup reads one block, rarely two
///   rooms   a tree of maxima over the blocks' largest gaps              the first block with enough room, in O(log blocks)
/// </code>
/// Guarded by the directory's lock. When memory is short there is none, and the chain is read.
/// </remarks>
internal sealed class Ext2DirectoryIndex
{
    private const int FirstSlots = 256;
    private const int FirstLeaves = 16;
    private const uint Gone = uint.MaxValue;

    private KernelArrays arrays = null!;
    private ulong seed;

    // The upper half is the hash, the lower half the block and 1; 0 is empty, Gone was removed.
    private ulong[] slots = null!;
    private int taken;
    private int live;

    // A heap-shaped tree: the children of i are 2i and 2i + 1, the leaves begin at its half.
    private ushort[] rooms = null!;

    /// <summary>False when memory is out.</summary>
    internal bool Initialize(KernelArrays from, ulong hashSeed)
    {
        arrays = from;
        seed = hashSeed | 1;
        slots = from.Allocate<ulong>(FirstSlots)!;
        rooms = from.Allocate<ushort>(2 * FirstLeaves)!;
        if (slots is not null && rooms is not null)
            return true;
        Free();
        return false;
    }

    internal void Free()
    {
        arrays.Free(slots);
        arrays.Free(rooms);
    }

    /// <summary>With a seed that nobody knows, so that nobody can choose names that all land in one place.</summary>
    public uint Hash(ReadOnlySpan<byte> name)
    {
        ulong hash = seed;
        foreach (byte b in name)
        {
            hash = (hash ^ b) * 0x9e37_79b9_7f4a_7c15;
            hash ^= hash >> 29;
        }
        return (uint)(hash >> 32);
    }

    /// <summary>The next block that may have a name with this hash.</summary>
    /// <param name="probe">0 at first; where to go on.</param>
    public bool Next(uint hash, ref uint probe, out uint block)
    {
        uint mask = (uint)slots.Length - 1;
        for (; probe < (uint)slots.Length; probe++)
        {
            ulong slot = slots[(int)((hash + probe) & mask)];
            if (slot == 0)
                break;
            if ((uint)(slot >> 32) != hash || (uint)slot == Gone)
                continue;
            probe++;
            block = (uint)slot - 1;
            return true;
        }
        block = 0;
        return false;
    }

    /// <summary>False when memory is out: then the index is worth nothing any more.</summary>
    public bool Add(uint hash, uint block)
    {
        // At most half full of live ones, three quarters with those that were removed.
        if ((taken + 1) * 4 > slots.Length * 3 && !Rebuild())
            return false;
        Put(slots, hash, block + 1);
        taken++;
        live++;
        return true;
    }

    public void Remove(uint hash, uint block)
    {
        uint mask = (uint)slots.Length - 1;
        for (uint probe = 0; probe < (uint)slots.Length; probe++)
        {
            ref ulong slot = ref slots[(int)((hash + probe) & mask)];
            if (slot == 0)
                return;
            if (slot != (((ulong)hash << 32) | (block + 1)))
                continue;
            slot = ((ulong)hash << 32) | Gone;
            live--;
            return;
        }
    }

    /// <summary>Tells the largest gap of a block, in bytes. False when memory is out.</summary>
    public bool SetRoom(uint block, int bytes)
    {
        while (block >= (uint)rooms.Length / 2)
        {
            if (!GrowRooms())
                return false;
        }
        int at = rooms.Length / 2 + (int)block;
        rooms[at] = (ushort)bytes;
        for (at /= 2; at > 0; at /= 2)
            rooms[at] = Math.Max(rooms[2 * at], rooms[2 * at + 1]);
        return true;
    }

    /// <summary>The first block with a gap of so many bytes, or −1.</summary>
    public int FindRoom(int bytes)
    {
        if (rooms[1] < bytes)
            return -1;
        int at = 1;
        while (at < rooms.Length / 2)
            at = rooms[2 * at] >= bytes ? 2 * at : 2 * at + 1;
        return at - rooms.Length / 2;
    }

    private bool Rebuild()
    {
        ulong[]? larger = arrays.Allocate<ulong>(live * 2 >= slots.Length / 2 ? slots.Length * 2 : slots.Length);
        if (larger is null)
            return false;
        foreach (ulong slot in slots)
        {
            if (slot != 0 && (uint)slot != Gone)
                Put(larger, (uint)(slot >> 32), (uint)slot);
        }
        arrays.Free(slots);
        slots = larger;
        taken = live;
        return true;
    }

    private static void Put(ulong[] into, uint hash, uint value)
    {
        uint mask = (uint)into.Length - 1;
        uint at = hash & mask;
        while (into[(int)at] != 0)
            at = (at + 1) & mask;
        into[(int)at] = ((ulong)hash << 32) | value;
    }

    private bool GrowRooms()
    {
        int leaves = rooms.Length / 2;
        ushort[]? larger = arrays.Allocate<ushort>(rooms.Length * 2);
        if (larger is null)
            return false;
        for (int i = 0; i < leaves; i++)
            larger[2 * leaves + i] = rooms[leaves + i];
        for (int i = 2 * leaves - 1; i > 0; i--)
            larger[i] = Math.Max(larger[2 * i], larger[2 * i + 1]);
        arrays.Free(rooms);
        rooms = larger;
        return true;
    }
}
