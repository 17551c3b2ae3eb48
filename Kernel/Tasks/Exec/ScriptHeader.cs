using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>The first line of a script: <c>#!interpreter [argument]</c>.</summary>
/// <remarks>
/// Linux: <c>load_script</c>. The line ends at a newline, or, when there is none in the first 256 bytes, at their end, provided that the
/// interpreter's name is known to be whole. All that follows the name is one argument, blanks at both ends removed.
/// </remarks>
internal static class ScriptHeader
{
    /// <summary>The bytes at the start of a file that decide what it is. Linux: <c>BINPRM_BUF_SIZE</c>.</summary>
    public const int HeadBytes = 256;

    public static bool IsScript(ReadOnlySpan<byte> head) => head[0] == (byte)'#' && head[1] == (byte)'!';

    /// <summary>Splits the line.</summary>
    /// <param name="head">256 bytes, zeros after the end of a shorter file.</param>
    /// <returns>ENOEXEC when there is no whole interpreter name, EACCES when it is empty.</returns>
    public static Errno Parse(ReadOnlySpan<byte> head, out ReadOnlySpan<byte> interpreter, out ReadOnlySpan<byte> argument)
    {
        interpreter = default;
        argument = default;
        ReadOnlySpan<byte> line = head[2..];
        int nul = line.IndexOf((byte)0);
        int newline = line.IndexOf((byte)'\n');
        if (newline >= 0 && (nul < 0 || newline < nul))
        {
            line = line[..newline];
        }
        else
        {
            // No newline. Linux looks at 255 bytes: the last one is not part of the text.
            line = nul >= 0 ? line[..(nul + 1)] : line[..^1];
            int first = SkipBlanks(line, 0);
            if (first == line.Length)
                return Errno.ENOEXEC;                   // only blanks
            if (EndOfWord(line, first) == line.Length)
                return Errno.ENOEXEC;                   // the name may go on
            if (first == nul)
                return Errno.EACCES;                    // an empty name names the current folder, which is no program
            if (nul >= 0)
                line = line[..nul];
        }

        int end = line.Length;
        while (end > 0 && IsBlank(line[end - 1]))
            end--;
        line = line[..end];
        int start = SkipBlanks(line, 0);
        if (start == line.Length)
            return Errno.ENOEXEC;
        int nameEnd = EndOfWord(line, start);
        interpreter = line[start..nameEnd];
        int argumentStart = SkipBlanks(line, nameEnd);
        if (argumentStart < line.Length && line[nameEnd] != 0)
            argument = line[argumentStart..];
        return interpreter.IsEmpty ? Errno.ENOEXEC : Errno.None;
    }

    private static bool IsBlank(byte b) => b is (byte)' ' or (byte)'\t';

    private static int SkipBlanks(ReadOnlySpan<byte> text, int from)
    {
        while (from < text.Length && IsBlank(text[from]))
            from++;
        return from;
    }

    /// <summary>The place of the first blank or NUL at or after <paramref name="from"/>; the length when there is none.</summary>
    private static int EndOfWord(ReadOnlySpan<byte> text, int from)
    {
        while (from < text.Length && !IsBlank(text[from]) && text[from] != 0)
            from++;
        return from;
    }
}
