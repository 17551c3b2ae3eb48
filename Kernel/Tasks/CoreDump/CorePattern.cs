using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>What a core file is called. Linux: <c>/proc/sys/kernel/core_pattern</c> and <c>core_uses_pid</c>, core(5).</summary>
/// <remarks>A pattern that begins with <c>|</c>, a program to be given the core, is refused: there is nobody here who would start it.</remarks>
internal sealed class CorePattern
{
    /// <summary>Bytes that a pattern has at most. Linux: <c>CORENAME_MAX_SIZE</c> without its NUL.</summary>
    public const int MaximumBytes = 127;

    private readonly byte[] _text = new byte[MaximumBytes];
    private int _bytes;

    /// <summary>With <c>core</c>, the name that it has from the start.</summary>
    public CorePattern() => _ = TrySet("core"u8);

    /// <summary>The pattern.</summary>
    public ReadOnlySpan<byte> Text => new(_text, 0, _bytes);

    /// <summary>A name without <c>%p</c> gets the process's number behind a dot.</summary>
    public bool AddsPid { get; set; }

    /// <summary>Sets the pattern, cut off at <see cref="MaximumBytes"/>; false when it is a pipe to a program.</summary>
    public bool TrySet(ReadOnlySpan<byte> text)
    {
        if (text.Length != 0 && text[0] == '|')
            return false;
        _bytes = Math.Min(text.Length, MaximumBytes);
        text[.._bytes].CopyTo(_text);
        return true;
    }

    /// <summary>Writes the name of <paramref name="task"/>'s core file for the signal that ended it.</summary>
    public void Expand(ref TextWriter to, Task task, int signal, ulong limitBytes)
    {
        bool hasPid = false;
        for (int at = 0; at < _bytes; at++)
        {
            if (_text[at] != '%')
            {
                to.Byte(_text[at]);
                continue;
            }
            if (++at == _bytes)
                break;                                  // a single % at the end is dropped
            hasPid |= _text[at] == 'p';
            ExpandOne(ref to, _text[at], task, signal, limitBytes);
        }
        if (AddsPid && !hasPid)
        {
            to.Byte((byte)'.');
            to.Signed(task.Group.Tgid);
        }
    }

    // Unknown letters are dropped.
    private static void ExpandOne(ref TextWriter to, byte letter, Task task, int signal, ulong limitBytes)
    {
        switch (letter)
        {
            case (byte)'%':
                to.Byte((byte)'%');
                break;
            case (byte)'p' or (byte)'P':
                to.Signed(task.Group.Tgid);
                break;
            case (byte)'i' or (byte)'I':
                to.Signed(task.Pid);
                break;
            case (byte)'u':
                to.Decimal(task.Credentials.Uid);
                break;
            case (byte)'g':
                to.Decimal(task.Credentials.Gid);
                break;
            case (byte)'d':
                to.Signed(task.Mm?.Dumpable ?? 0);
                break;
            case (byte)'s':
                to.Signed(signal);
                break;
            case (byte)'t':
                to.Decimal(Time.RealtimeNanoseconds / 1_000_000_000);
                break;
            case (byte)'h':
                WithoutSlashes(ref to, task.System.Names.Host);
                break;
            case (byte)'e':
                WithoutSlashes(ref to, task.Name);
                break;
            case (byte)'f' or (byte)'E':
                if (task.Mm?.ExeFile is OpenFile program)
                    ProgramName(ref to, program, task, isWhole: letter == 'E');
                break;
            case (byte)'c':
                to.Decimal(limitBytes);
                break;
        }
    }

    private static void ProgramName(ref TextWriter to, OpenFile program, Task task, bool isWhole)
    {
        Span<byte> buffer = stackalloc byte[512];
        var path = new TextWriter(buffer);
        PathText.Write(ref path, program.Path, task.Fs.Root);
        WithoutSlashes(ref to, isWhole ? path.Written : path.Written[(path.Written.LastIndexOf((byte)'/') + 1)..]);
    }

    // A name is one part of a path: it cannot lead elsewhere.
    private static void WithoutSlashes(ref TextWriter to, scoped ReadOnlySpan<byte> name)
    {
        int start = to.Length;
        foreach (byte c in name)
            to.Byte(c == '/' ? (byte)'!' : c);
        if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
        {
            to.Truncate(start);
            to.Byte((byte)'!');
            if (name.Length == 2)
                to.Byte((byte)'.');
        }
    }
}
