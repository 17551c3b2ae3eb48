using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;

namespace NanoVm.BuildTool;

/// <summary>Writes the table by which a panic names code. Kernel/Core/Panic/SymbolTable.cs reads it.</summary>
/// <remarks>
/// <code>
/// header      magic 'NVSY', number of functions, address of the first byte of code (64 bits)
/// functions   sorted by address; each: offset of its code, offset of its name, offset of its file's name, offset of its lines
/// texts       names, each ended by zero
/// lines       for each function pairs of variable-length numbers: bytes of code from the last pair, lines from the last pair
///             (zigzag); ended by two zeros
/// </code>
/// All offsets are 32 bits: those of code from the header's address, the others from the start of the table.
/// </remarks>
internal static class SymbolTableWriter
{
    private const uint Magic = 0x5953564e;
    private const int HeaderSize = 16;
    private const int EntrySize = 16;

    public static void Run(string kernel, string output, IEnumerable<string> assemblies)
    {
        var elf = new ElfFile(kernel);
        var names = new MethodNames(assemblies);
        ulong start = Address(elf, "__text_start"), end = Address(elf, "__text_end");

        List<ElfSymbol> functions = Functions(elf, start, end);
        List<LineRow> rows = [.. LineProgram.Read(elf.Content(".debug_line").Span)
            .Where(row => row.Address >= start && row.Address <= end).OrderBy(row => row.Address)];
        string root = CommonFolder(rows.Select(row => row.File).Distinct());

        var texts = new TextPool(HeaderSize + functions.Count * EntrySize);
        var lines = new MemoryStream();
        var entries = new List<(uint Code, uint Name, uint File, uint Lines)>();
        int next = 0;
        for (int i = 0; i < functions.Count; i++)
        {
            ulong from = functions[i].Value;
            ulong to = i + 1 < functions.Count ? functions[i + 1].Value : end;
            while (next < rows.Count && rows[next].Address < from)
                next++;
            int first = next;
            while (next < rows.Count && rows[next].Address < to)
                next++;
            LineRow[] own = [.. rows[first..next].Where(row => !row.IsEnd)];
            uint file = own.Length == 0 ? 0 : texts.Add(own[0].File[root.Length..]);
            entries.Add(((uint)(from - start), texts.Add(names.Readable(functions[i].Name)), file, (uint)lines.Length));
            WriteLines(lines, from, own);
        }

        using var writer = new BinaryWriter(File.Create(output));
        writer.Write(Magic);
        writer.Write(functions.Count);
        writer.Write(start);
        uint linesStart = texts.End;
        foreach ((uint code, uint name, uint file, uint line) in entries)
        {
            writer.Write(code);
            writer.Write(name);
            writer.Write(file);
            writer.Write(linesStart + line);
        }
        writer.Write(texts.Bytes);
        writer.Write(lines.ToArray());
    }

    // One for each address: a function from C# may also have the name under which assembly calls it, which says less.
    private static List<ElfSymbol> Functions(ElfFile elf, ulong start, ulong end)
    {
        return [.. elf.Symbols
            .Where(symbol => symbol.Value >= start && symbol.Value < end && symbol.Section != 0 && IsCode(symbol))
            .GroupBy(symbol => symbol.Value)
            .Select(group => group.OrderByDescending(symbol => symbol.Name.Contains("__")).First())
            .OrderBy(symbol => symbol.Value)];

        // NASM writes no types; its local labels carry the name of their function and a dot.
        static bool IsCode(ElfSymbol symbol) =>
            symbol.Name.Length > 0 && (symbol.IsFunction || !(symbol.Name.Contains('.') || symbol.Name.StartsWith("__", StringComparison.Ordinal)));
    }

    private static void WriteLines(MemoryStream output, ulong address, LineRow[] rows)
    {
        long line = 0;
        string file = rows.Length == 0 ? "" : rows[0].File;
        foreach (LineRow row in rows)
        {
            // A method's lines lie in one file; what was drawn in from another keeps the line of the call.
            // Line 0 (and ilc's 0xfeefee) is code that belongs to no line.
            if (row.File != file || row.Line is 0 or 0xfeefee || row.Line == line)
                continue;
            WriteNumber(output, row.Address - address);
            WriteNumber(output, (ulong)((row.Line - line) << 1 ^ (row.Line - line) >> 63));
            address = row.Address;
            line = row.Line;
        }
        output.WriteByte(0);
        output.WriteByte(0);
    }

    private static void WriteNumber(MemoryStream output, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            output.WriteByte((byte)(value | 0x80));
        output.WriteByte((byte)value);
    }

    private static ulong Address(ElfFile elf, string name) =>
        elf.Symbols.FirstOrDefault(symbol => symbol.Name == name)?.Value
        ?? throw new InvalidDataException($"the kernel has no symbol {name}");

    // Paths are shown from the repository's root: the longest beginning that all files share, up to a slash.
    private static string CommonFolder(IEnumerable<string> files)
    {
        string? common = null;
        foreach (string file in files)
        {
            common ??= file;
            int length = 0;
            while (length < Math.Min(common.Length, file.Length) && common[length] == file[length])
                length++;
            common = common[..length];
        }
        return common is null ? "" : common[..(common.LastIndexOf('/') + 1)];
    }

    private sealed class TextPool(int start)
    {
        private readonly Dictionary<string, uint> _offsets = [];
        private readonly MemoryStream _bytes = new();

        public uint End => (uint)(start + _bytes.Length);

        public byte[] Bytes => _bytes.ToArray();

        public uint Add(string text)
        {
            if (_offsets.TryGetValue(text, out uint offset))
                return offset;
            offset = End;
            _offsets.Add(text, offset);
            _bytes.Write(Encoding.UTF8.GetBytes(text));
            _bytes.WriteByte(0);
            return offset;
        }
    }
}
