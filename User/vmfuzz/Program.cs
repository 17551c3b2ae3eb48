using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>
/// vmfuzz: streams of memory calls, made from a seed or read from a file. It prints what each call returns and what can be seen of the address
/// space, in words that are the same on every kernel: the same stream must print the same on Linux and on NanoVM.
/// </summary>
/// <remarks>
/// <code>
///   vmfuzz --seed N [--seeds COUNT] [--ops M]     the streams of COUNT seeds from N on, of M operations each
///   vmfuzz --replay FILE                          the streams of a file
///     --sum                                       one line a stream: a sum of what it would print
///     --list                                      prints the operations instead of doing them
///     --plain                                     leaves out what differs between machines or between Linux 6.1 and later ones
///     --steady                                    leaves out what memory pressure changes: which pages are present
///     --dirty                                     tells dirty pages from clean ones, as far as smaps does
///     --folder PATH                               where the stream's file lies, a tmpfs (default /tmp)
/// </code>
/// A stream file: <c>stream NAME</c>, then a line for each operation (see <see cref="Operation"/>); what follows on it is a comment.
/// </remarks>
internal static unsafe class Program
{
    private const int DefaultOperations = 500, MostFileBytes = 16 << 20;
    private const ulong NoRandomization = 0x0040000;

    private static Stage* s_stage;
    private static bool s_plain, s_steady, s_dirty, s_list, s_sum;
    private static byte* s_folder;

    public static int Main()
    {
        ulong seed = 1, seeds = 1;
        int operations = DefaultOperations;
        ReadOnlySpan<byte> replay = default;
        fixed (byte* folder = "/tmp"u8)
            s_folder = folder;
        for (int i = 1; i < Arguments.Count; i++)
        {
            ReadOnlySpan<byte> option = Arguments.At(i), value = Arguments.At(i + 1);
            if (option.SequenceEqual("--plain"u8))
                s_plain = true;
            else if (option.SequenceEqual("--steady"u8))
                s_steady = true;
            else if (option.SequenceEqual("--dirty"u8))
                s_dirty = true;
            else if (option.SequenceEqual("--list"u8))
                s_list = true;
            else if (option.SequenceEqual("--sum"u8))
                s_sum = true;
            else if (option.SequenceEqual("--replay"u8))
                replay = Arguments.At(++i);
            else if (option.SequenceEqual("--folder"u8) && i + 1 < Arguments.Count)
                s_folder = Arguments.Vector[++i];
            else if (option.SequenceEqual("--seed"u8) && Number(value, out seed))
                i++;
            else if (option.SequenceEqual("--seeds"u8) && Number(value, out seeds))
                i++;
            else if (option.SequenceEqual("--ops"u8) && Number(value, out ulong count) && count <= Stage.MostOperations)
                (operations, i) = ((int)count, i + 1);
            else
                return Refuse();
        }
        WithoutRandomization();

        s_stage = Stage.Create();
        s_stage->Plain = s_plain ? 1 : 0;
        s_stage->Steady = s_steady ? 1 : 0;
        s_stage->Dirty = s_dirty ? 1 : 0;
        if (replay.Length > 0)
            return Replay(replay);
        for (ulong end = seed + seeds; seed < end; seed++)
        {
            var generator = new Generator(seed, s_plain);
            for (int i = 0; i < operations; i++)
                *Stage.OperationAt(s_stage, i) = generator.Make(i);
            s_stage->Count = operations;
            Output.Standard.Write($"stream {(long)seed}");
            Play();
        }
        return 0;
    }

    private static int Refuse()
    {
        Output.Error.Write("usage: vmfuzz [--seed N] [--seeds COUNT] [--ops M] [--replay FILE] [--sum] [--list] [--plain] [--steady] [--dirty] [--folder PATH]\n"u8);
        Output.Error.Flush();
        return 2;
    }

    /// <summary>Where a kernel places what may lie anywhere must not be left to chance.</summary>
    private static void WithoutRandomization()
    {
        nint persona = Syscall.Call(135, unchecked((nint)0xffff_ffff));
        if ((persona & (nint)NoRandomization) != 0)
            return;
        Syscall.Call(135, persona | (nint)NoRandomization);
        fixed (byte* self = "/proc/self/exe"u8)
            Syscall.Call(59, (nint)self, (nint)Arguments.Vector, (nint)Arguments.Environment);
    }

    private static int Replay(ReadOnlySpan<byte> path)
    {
        int file = Linux.Open(path, 0);
        if (file < 0)
            return Refuse();
        byte* memory = (byte*)Linux.Mmap(0, MostFileBytes, Protection.ReadWrite, Map.PrivateAnonymous | Map.NoReserve);
        int length = 0;
        while (length < MostFileBytes && Linux.Read(file, memory + length, MostFileBytes - length) is > 0 and nint got)
            length += (int)got;
        Linux.Close(file);
        var text = new ReadOnlySpan<byte>(memory, length);
        bool begun = false;
        s_stage->Count = 0;
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text : text.Slice(0, end);
            text = end < 0 ? default : text.Slice(end + 1);
            if (line.StartsWith("stream"u8))
            {
                if (begun)
                    Play();
                begun = true;
                s_stage->Count = 0;
                Output.Standard.Write(line);
            }
            else if (begun && s_stage->Count < Stage.MostOperations && Operation.TryParse(line, out Operation operation))
            {
                *Stage.OperationAt(s_stage, s_stage->Count++) = operation;
            }
        }
        if (begun)
            Play();
        return 0;
    }

    /// <summary>Plays the stream that is on the stage, in a process of its own, which is its director.</summary>
    private static void Play()
    {
        if (s_list)
        {
            Output.Standard.Write("\n"u8);
            List();
            return;
        }
        Output.Standard.Write(s_sum ? " "u8 : "\n"u8);
        Output.Standard.Flush();
        int director = Linux.Fork();
        if (director == 0)
            Linux.Exit(Director.Play(s_stage, s_folder, s_sum));
        Linux.Wait(director, out int status);
        if (status != 0)
            Output.Standard.Write($"the director ended with {status}\n");
        Output.Standard.Flush();
    }

    private static void List()
    {
        Output output = Output.Standard;
        for (int i = 0; i < s_stage->Count; i++)
        {
            Operation operation = *Stage.OperationAt(s_stage, i);
            output.Write($"{operation.Who} {Operation.NameOf(operation.Kind)}");
            for (int n = 0; n < Operation.NumbersOf(operation.Kind); n++)
                output.Write($" {operation[n]}");
            output.Write("\n"u8);
        }
        output.Flush();
    }

    private static bool Number(ReadOnlySpan<byte> text, out ulong value)
    {
        value = 0;
        foreach (byte c in text)
        {
            if (c is < (byte)'0' or > (byte)'9')
                return false;
            value = value * 10 + (ulong)(c - '0');
        }
        return text.Length is > 0 and < 20;
    }
}
