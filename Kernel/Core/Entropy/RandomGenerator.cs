using System;
using System.Runtime.InteropServices;
using NanoVm.Core.Sync;

namespace NanoVm.Core;

/// <summary>A generator of random bytes: the ChaCha20 stream of a key that is replaced after every request.</summary>
/// <remarks>
/// Linux: <c>drivers/char/random.c</c>. RFC 8439. Seeded by RDRAND, the boot seed and the time-stamp counter; who learns the state
/// later cannot compute what was handed out before.
/// </remarks>
internal sealed unsafe class RandomGenerator
{
    private const int KeyWords = 8;
    private const int BlockBytes = 64;
    private const int BatchWords = 16;

    private SpinLock _lock;
    /// <summary>Under <see cref="_lock"/>.</summary>
    private readonly uint[] _key = new uint[KeyWords];

    /// <summary>Words made in advance for <see cref="Next"/>; those before <see cref="_batchUsed"/> have been handed out, and are 0. Under <see cref="_lock"/>.</summary>
    private readonly ulong[] _batch = new ulong[BatchWords];
    private int _batchUsed = BatchWords;

    /// <summary>Stirs <paramref name="seed"/> into the key.</summary>
    public void AddSeed(ulong seed)
    {
        using (_lock.Acquire())
        {
            _key[0] ^= (uint)seed;
            _key[1] ^= (uint)(seed >> 32);
            byte* block = stackalloc byte[BlockBytes];
            Block(block, 0);
            TakeKey(block);
            _batchUsed = BatchWords;                        // what the old key made is not handed out any more
        }
    }

    /// <summary>One word. A file's place in its folder's tree asks for one at every new name, so they are made several at a time.</summary>
    /// <remarks>Linux: <c>get_random_u64</c>, that has such a batch too.</remarks>
    public ulong Next()
    {
        using (_lock.Acquire())
        {
            if (_batchUsed == BatchWords)
            {
                FillLocked(MemoryMarshal.AsBytes(new Span<ulong>(_batch)));
                _batchUsed = 0;
            }

            ulong word = _batch[_batchUsed];
            _batch[_batchUsed++] = 0;                       // who learns the state later does not learn this word
            return word;
        }
    }

    /// <summary>Fills <paramref name="bytes"/> from a stream that nobody sees again.</summary>
    public void Fill(Span<byte> bytes)
    {
        using (_lock.Acquire())
            FillLocked(bytes);
    }

    private void FillLocked(Span<byte> bytes)
    {
        // The first block's first half is the next key; it never leaves here.
        byte* block = stackalloc byte[BlockBytes];
        ulong counter = 0;
        Block(block, counter++);
        byte* next = stackalloc byte[KeyWords * sizeof(uint)];
        new ReadOnlySpan<byte>(block, KeyWords * sizeof(uint)).CopyTo(new Span<byte>(next, KeyWords * sizeof(uint)));

        while (bytes.Length > 0)
        {
            Block(block, counter++);
            int count = Math.Min(bytes.Length, BlockBytes);
            new ReadOnlySpan<byte>(block, count).CopyTo(bytes);
            bytes = bytes.Slice(count);
        }

        TakeKey(next);
        new Span<byte>(block, BlockBytes).Clear();
    }

    private void TakeKey(byte* from)
    {
        for (int i = 0; i < KeyWords; i++)
            _key[i] = ((uint*)from)[i];
    }

    private void Block(byte* to, ulong counter)
    {
        uint* input = stackalloc uint[16];
        input[0] = 0x61707865;                               // "expand 32-byte k"
        input[1] = 0x3320646e;
        input[2] = 0x79622d32;
        input[3] = 0x6b206574;
        for (int i = 0; i < KeyWords; i++)
            input[4 + i] = _key[i];
        input[12] = (uint)counter;
        input[13] = (uint)(counter >> 32);
        input[14] = 0;
        input[15] = 0;

        uint* x = (uint*)to;
        for (int i = 0; i < 16; i++)
            x[i] = input[i];
        for (int round = 0; round < 10; round++)
        {
            Quarter(x, 0, 4, 8, 12);
            Quarter(x, 1, 5, 9, 13);
            Quarter(x, 2, 6, 10, 14);
            Quarter(x, 3, 7, 11, 15);
            Quarter(x, 0, 5, 10, 15);
            Quarter(x, 1, 6, 11, 12);
            Quarter(x, 2, 7, 8, 13);
            Quarter(x, 3, 4, 9, 14);
        }
        for (int i = 0; i < 16; i++)
            x[i] += input[i];
    }

    private static void Quarter(uint* x, int a, int b, int c, int d)
    {
        x[a] += x[b];
        x[d] = Rotate(x[d] ^ x[a], 16);
        x[c] += x[d];
        x[b] = Rotate(x[b] ^ x[c], 12);
        x[a] += x[b];
        x[d] = Rotate(x[d] ^ x[a], 8);
        x[c] += x[d];
        x[b] = Rotate(x[b] ^ x[c], 7);
    }

    private static uint Rotate(uint value, int bits) => (value << bits) | (value >> (32 - bits));
}
