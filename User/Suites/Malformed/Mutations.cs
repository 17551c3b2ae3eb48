using System;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Malformed.ElfFile;

namespace NanoVm.User.Suites.Malformed;

/// <summary>Files that a seed has damaged, up to five fields each: what becomes of them is Linux's answer, whatever it is.</summary>
/// <remarks>
/// The good file, which now and then names itself as its interpreter. Fields get values that programs have, and their neighbours, and the ends of
/// every range; none near the places that are random in a process, or the answer would be.
/// </remarks>
internal static class Mutations
{
    private const int MostChanges = 5, Headers = 5, FieldsOfHeader = 7;

    private static ReadOnlySpan<ulong> Places =>
    [
        0, 1, 0x10, 0x40, 0x180, 0x200, 0xfff, 0x1000, 0x1001, 0x1180, 0x1fff, 0x2000, 0x3000, 0x10000,
        0x3f_f000, 0x40_0000, 0x40_0180, 0x40_0200, 0x40_1000, 0x40_2000, 0x40_2010, 0x40_3000, 0x41_0000, 0x1000_0000, 0x1_0000_0000, 0x100_0000_0000,
        0x4000_0000_0000, 0x8000_0000_0000, 0x7fff_ffff_ffff_f000, 0x8000_0000_0000_0000, 0xffff_8000_0000_0000, 0xffff_ffff_ffff_e000,
        0xffff_ffff_ffff_f000, 0xffff_ffff_ffff_ffff,
    ];

    private static ReadOnlySpan<ulong> Sizes =>
    [
        0, 1, 9, 21, 0x100, 0x180, 0x18b, 0x190, 0xfff, 0x1000, 0x1001, 0x2000, 0x3000, 0x4_0000, 0x1000_0000, 0x100_0000_0000, 0x4000_0000_0000,
        0x8000_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_f000, 0xffff_ffff_ffff_ffff,
    ];

    private static ReadOnlySpan<ulong> Types => [0, 1, 1, 1, 2, 3, 4, 6, 7, 0x6474_e551, 0x6474_e553, 0x6fff_ffff, 0xffff_ffff];

    private static ReadOnlySpan<ulong> Alignments => [0, 1, 3, 0x10, 0x1000, 0x2000, 0x20_0000, 1UL << 62, ulong.MaxValue];

    private static ulong s_random;

    /// <summary>Starts the files of a seed.</summary>
    /// <param name="print">A line for each: its number, its changes, what came of it.</param>
    /// <returns>A sum of all results.</returns>
    public static ulong Run(ulong seed, int count, bool print)
    {
        const ulong prime = 0x100_0000_01b3;
        ulong sum = 0xcbf2_9ce4_8422_2325;
        var changes = new Change[MostChanges + 1];
        for (int n = 0; n < count; n++)
        {
            s_random = (seed * 1_000_003 + (ulong)n) * 0x9e37_79b9_7f4a_7c15;
            int used = Make(changes);
            int length = Next(8) == 0 ? Next(Bytes) : Bytes;
            int result = Start(changes.AsSpan(0, used), length);
            sum = (sum ^ (uint)result) * prime;
            if (print)
                Print(n, changes.AsSpan(0, used), length, result);
        }

        return sum;
    }

    private static int Make(Change[] changes)
    {
        int used = 0;
        changes[used++] = new Change(0x200, "/tmp/suite-malformed\0");
        for (int left = 1 + Next(MostChanges); left > 0; left--)
            changes[used++] = Next(4) == 0 ? OfFile() : OfHeader(Next(Headers), Next(FieldsOfHeader));
        return used;
    }

    private static Change OfFile() => Next(6) switch
    {
        0 => new Change(16, 2, (ulong)(2 + Next(2))),       // EXEC or DYN
        1 => new Change(24, 8, Of(Places)),                 // the entry
        2 => new Change(32, 8, Of(Places)),                 // where the headers are
        3 => new Change(56, 2, (ulong)Next(9)),             // how many
        4 => new Change(16 + Next(48), 1, (ulong)Next(256)),
        _ => new Change(64 + Next(Headers * 56), 1, (ulong)Next(256)),
    };

    private static Change OfHeader(int header, int field) => field switch
    {
        0 => new Change(Type(header), 4, Of(Types)),
        1 => new Change(Flags(header), 4, (ulong)Next(8)),
        2 => new Change(Offset(header), 8, Of(Places)),
        3 => new Change(Address(header), 8, Of(Places)),
        4 => new Change(FileBytes(header), 8, Of(Sizes)),
        5 => new Change(MemoryBytes(header), 8, Of(Sizes)),
        _ => new Change(Align(header), 8, Of(Alignments)),
    };

    private static ulong Of(ReadOnlySpan<ulong> values) => values[Next(values.Length)];

    private static int Next(int below)
    {
        s_random ^= s_random << 13;
        s_random ^= s_random >> 7;
        s_random ^= s_random << 17;
        return (int)((s_random >> 16) % (ulong)below);
    }

    private static void Print(int number, ReadOnlySpan<Change> changes, int length, int result)
    {
        Output output = Output.Standard;
        output.Write($"{(long)number}:");
        foreach (Change change in changes)
            if (change.Text is null)
                output.Write($" {(long)change.Offset}/{(long)change.Width}=0x{change.Value:x}");
        if (length != Bytes)
            output.Write($" cut at {(long)length}");
        output.Write($" -> {(long)result}\n");
        output.Flush();
    }
}
