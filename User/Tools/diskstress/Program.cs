using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Tools.DiskStress;

/// <summary>
/// <c>diskstress SEED MEGABYTES</c>, in an empty directory of a disk: four processes write their quarters of one file that all map shared, three others create, write, sync,
/// rename and remove files, for ever. Each says on standard output what it is about to do and what is on the disk, so that somebody who
/// stops the machine knows what must be found there afterwards. <c>diskstress SEED MEGABYTES fill</c>: only the four, each fills its quarter once, with
/// generation SEED, and checks it when all have done so.
/// </summary>
/// <remarks>
/// A line is written by one call and names a file, or a chunk of the mapped file, and the generation of its content:
/// <code>
///   B name generation bytes     begins: the file may have this content or the one before (names: whole contents only)
///   S name generation bytes     it has it, and that is synced: it is still so after a crash
///   D name                      begins to be removed; X name: has been, and that is synced
///   R chunk generation          begins to be written over; M chunk generation: is synced (256 KiB of "map")
/// </code>
/// The content: word i of generation g of file n is a hash of the three. The reader is <c>Kernel.Tests/Qemu/CrashLog.cs</c>.
/// </remarks>
internal static unsafe class Program
{
    private const int ReadWrite = 2, Create = 0x40, Truncating = 0x200, ReadOnly = 0, DirectoryFlag = 0x10000;
    private const int Mappers = 4, Workers = 3, NamesOfWorker = 24;
    private const ulong ChunkBytes = 256 << 10;
    private const int LargestFile = 192 << 10;
    private const ulong MapName = 1000;

    public static int Main()
    {
        if (Arguments.Count < 3)
            return 2;
        ulong seed = Number(Arguments.At(1));
        ulong bytes = Number(Arguments.At(2)) << 20;
        int map = Linux.Open("map"u8, ReadWrite | Create, 0x1a4);
        if (map < 0 || Linux.Truncate(map, (nint)bytes) != 0)
            return 1;
        Syscall.Call(74, map);
        if (Arguments.Count > 3)
            return FillAll(map, bytes, seed);
        for (int i = 0; i < Mappers; i++)
        {
            if (Linux.Fork() == 0)
                return Map(map, bytes, i, seed);
        }
        for (int i = 0; i < Workers; i++)
        {
            if (Linux.Fork() == 0)
                return Work(i, seed);
        }
        Linux.Wait(-1, out int status);                      // nobody ends unless something is wrong
        Output.Standard.Write($"E a process ended with {status}\n");
        Output.Standard.Flush();
        return 1;
    }

    /// <summary>More than memory holds: the pages go to the disk while others are written, and come back to be checked.</summary>
    private static int FillAll(int file, ulong bytes, ulong generation)
    {
        ulong chunks = bytes / ChunkBytes / Mappers;
        for (int pass = 0; pass < 2; pass++)
        {
            for (int i = 0; i < Mappers; i++)
            {
                if (Linux.Fork() != 0)
                    continue;
                nint start = Linux.Mmap(0, (nint)bytes, 3, 1, file);
                if (Linux.IsError(start))
                    return 3;
                // Who checks looks at what another one has written.
                ulong first = (ulong)((i + pass) % Mappers) * chunks;
                for (ulong chunk = first; chunk < first + chunks; chunk++)
                {
                    ulong* words = (ulong*)(start + (nint)(chunk * ChunkBytes));
                    if (pass == 0)
                        Fill(words, ChunkBytes / 8, MapName + chunk, generation);
                    else if (!IsFilled(words, ChunkBytes / 8, MapName + chunk, generation))
                        return 4;
                }
                return 0;
            }
            for (int i = 0; i < Mappers; i++)
            {
                Linux.Wait(-1, out int status);
                if (status != 0)
                    return 1;
            }
        }
        return 0;
    }

    /// <summary>Writes chunks of one quarter of the mapping, most of them synced, some left to the flusher.</summary>
    private static int Map(int file, ulong bytes, int quarter, ulong seed)
    {
        nint start = Linux.Mmap(0, (nint)bytes, 3, 1, file);
        if (Linux.IsError(start))
            return 3;
        ulong chunks = bytes / ChunkBytes / Mappers;
        ulong random = seed * 977 + (ulong)quarter + 1;
        for (ulong generation = 1; ; generation++)
        {
            ulong chunk = (ulong)quarter * chunks + Next(ref random) % chunks;
            Say("R"u8, chunk, generation, 0);
            Fill((ulong*)(start + (nint)(chunk * ChunkBytes)), ChunkBytes / 8, MapName + chunk, generation);
            if (Next(ref random) % 4 == 0)
                continue;
            if (Linux.Msync(start + (nint)(chunk * ChunkBytes), (nint)ChunkBytes, 4) != 0)
                return 4;
            Say("M"u8, chunk, generation, 0);
        }
    }

    private static int Work(int worker, ulong seed)
    {
        ulong* content = (ulong*)Linux.Mmap(0, LargestFile, 3, 0x22);
        Span<byte> folder = [(byte)'w', (byte)('0' + worker), 0];
        if (Linux.MakeDirectory(folder, 0x1ed) != 0)
            return 5;
        int directory = Linux.Open(folder, ReadOnly | DirectoryFlag);
        fixed (byte* path = folder)
            Syscall.Call(80, (nint)path);
        ulong random = seed * 31 + (ulong)worker + 77;
        Span<byte> name = stackalloc byte[8];
        for (ulong generation = 1; ; generation++)
        {
            ulong number = Next(ref random) % NamesOfWorker;
            ulong id = (ulong)worker * NamesOfWorker + number;
            NameOf(number, name);
            ulong length = Next(ref random) % LargestFile & ~7UL;
            switch (Next(ref random) % 8)
            {
                case 0:
                    Say("D"u8, id, generation, 0);
                    Linux.Unlink(name);
                    if (Syscall.Call(74, directory) != 0)
                        return 6;
                    Say("X"u8, id, generation, 0);
                    break;
                case 1:
                    // Never synced and soon gone: its blocks go round.
                    int temporary = Put("scratch\0"u8, content, length, 5000 + id, generation);
                    if (temporary < 0)
                        return 7;
                    Linux.Close(temporary);
                    break;
                default:
                    // The usual way to replace a file safely: write another, sync it, rename it over, sync the directory.
                    int file = Put("new\0"u8, content, length, id, generation);
                    if (file < 0 || Syscall.Call(74, file) != 0)
                        return 8;
                    Linux.Close(file);
                    Say("B"u8, id, generation, length);
                    if (Linux.Rename("new\0"u8, name) != 0 || Syscall.Call(74, directory) != 0)
                        return 9;
                    Say("S"u8, id, generation, length);
                    break;
            }
        }
    }

    private static int Put(ReadOnlySpan<byte> name, ulong* content, ulong length, ulong id, ulong generation)
    {
        Fill(content, length / 8, id, generation);
        int file = Linux.Open(name, ReadWrite | Create | Truncating, 0x1a4);
        if (file >= 0 && Linux.Write(file, content, (nint)length) != (nint)length)
            return -1;
        return file;
    }

    private static void Fill(ulong* words, ulong count, ulong name, ulong generation)
    {
        for (ulong i = 0; i < count; i++)
            words[i] = Hash(name, generation, i);
    }

    private static bool IsFilled(ulong* words, ulong count, ulong name, ulong generation)
    {
        for (ulong i = 0; i < count; i++)
        {
            if (words[i] != Hash(name, generation, i))
                return false;
        }
        return true;
    }

    private static ulong Hash(ulong name, ulong generation, ulong word)
        => (name * 0x9e3779b97f4a7c15 + generation) * 0xbf58476d1ce4e5b9 + word * 0x94d049bb133111eb + 1;

    private static ulong Next(ref ulong state)
    {
        state = state * 6364136223846793005 + 1442695040888963407;
        return state >> 33;
    }

    private static void NameOf(ulong number, Span<byte> name)
    {
        name[0] = (byte)'f';
        name[1] = (byte)('0' + number / 10);
        name[2] = (byte)('0' + number % 10);
        name[3] = 0;
    }

    private static void Say(ReadOnlySpan<byte> what, ulong id, ulong generation, ulong length)
    {
        Output output = Output.Standard;
        output.Write(what);
        output.Write($" {id} {generation} {length}\n");
        output.Flush();
    }

    private static ulong Number(ReadOnlySpan<byte> text)
    {
        ulong value = 0;
        foreach (byte digit in text)
            value = value * 10 + (ulong)(digit - '0');
        return value;
    }
}
