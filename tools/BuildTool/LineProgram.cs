using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace NanoVm.BuildTool;

/// <summary>One row of the table from addresses to source lines.</summary>
internal readonly record struct LineRow(ulong Address, string File, int Line, bool IsEnd);

/// <summary>Runs the programs in <c>.debug_line</c>. DWARF versions 2 to 4, section 6.2: what ilc and NASM write.</summary>
internal static class LineProgram
{
    private const int OldestVersion = 2;
    private const int NewestVersion = 4;

    public static List<LineRow> Read(ReadOnlySpan<byte> section)
    {
        var rows = new List<LineRow>();
        while (section.Length >= 4)
        {
            int length = (int)BinaryPrimitives.ReadUInt32LittleEndian(section);
            ReadUnit(section.Slice(4, length), rows);
            section = section[(4 + length)..];
        }
        return rows;
    }

    private static void ReadUnit(ReadOnlySpan<byte> unit, List<LineRow> rows)
    {
        var reader = new Reader(unit);
        int version = reader.UInt16();
        if (version is < OldestVersion or > NewestVersion)
            throw new InvalidDataException($"DWARF line tables of version {version} are not known here");
        int headerLength = (int)reader.UInt32();
        int programStart = reader.Position + headerLength;
        int minimumLength = reader.Byte();
        if (version >= 4)
            reader.Byte();                      // operations of an instruction: one on this processor
        reader.Byte();                          // default of "is a statement", which is not used
        int lineBase = (sbyte)reader.Byte();
        int lineRange = reader.Byte();
        int opcodeBase = reader.Byte();
        var operandCounts = new int[opcodeBase];
        for (int i = 1; i < opcodeBase; i++)
            operandCounts[i] = reader.Byte();

        var folders = new List<string> { "" };
        while (reader.Text() is { Length: > 0 } folder)
            folders.Add(folder);
        var files = new List<string> { "" };
        while (reader.Text() is { Length: > 0 } file)
            files.Add(ReadFile(ref reader, file, folders));
        reader.Position = programStart;

        ulong address = 0;
        int fileIndex = 1, line = 1;
        while (!reader.AtEnd)
        {
            int opcode = reader.Byte();
            if (opcode >= opcodeBase)
            {
                address += (ulong)((opcode - opcodeBase) / lineRange * minimumLength);
                line += lineBase + (opcode - opcodeBase) % lineRange;
                rows.Add(new LineRow(address, files[fileIndex], line, false));
                continue;
            }
            switch (opcode)
            {
                case 0:
                    int next = (int)reader.Unsigned() + reader.Position;
                    switch (reader.Byte())
                    {
                        case 1:
                            rows.Add(new LineRow(address, files[fileIndex], line, true));
                            (address, fileIndex, line) = (0, 1, 1);
                            break;
                        case 2:
                            address = reader.UInt64();
                            break;
                        case 3:
                            files.Add(ReadFile(ref reader, reader.Text(), folders));
                            break;
                    }
                    reader.Position = next;
                    break;
                case 1:
                    rows.Add(new LineRow(address, files[fileIndex], line, false));
                    break;
                case 2:
                    address += reader.Unsigned() * (ulong)minimumLength;
                    break;
                case 3:
                    line += (int)reader.Signed();
                    break;
                case 4:
                    fileIndex = (int)reader.Unsigned();
                    break;
                case 8:
                    address += (ulong)((255 - opcodeBase) / lineRange * minimumLength);
                    break;
                case 9:
                    address += (ulong)reader.UInt16();
                    break;
                default:
                    for (int i = 0; i < operandCounts[opcode]; i++)
                        reader.Unsigned();
                    break;
            }
        }
    }

    private static string ReadFile(ref Reader reader, string name, List<string> folders)
    {
        int folder = (int)reader.Unsigned();
        reader.Unsigned();
        reader.Unsigned();
        return Path.IsPathRooted(name) ? name : Path.Combine(folders[folder], name);
    }

    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;

        public int Position;

        public readonly bool AtEnd => Position >= _bytes.Length;

        public int Byte() => _bytes[Position++];

        public int UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

        public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

        public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

        public string Text()
        {
            int length = _bytes[Position..].IndexOf((byte)0);
            string text = Encoding.UTF8.GetString(_bytes.Slice(Position, length));
            Position += length + 1;
            return text;
        }

        public ulong Unsigned()
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                int part = Byte();
                value |= (ulong)(part & 0x7f) << shift;
                if (part < 0x80)
                    return value;
            }
        }

        public long Signed()
        {
            long value = 0;
            for (int shift = 0; ;)
            {
                int part = Byte();
                value |= (long)(part & 0x7f) << shift;
                shift += 7;
                if (part < 0x80)
                    return shift < 64 && (part & 0x40) != 0 ? value | -1L << shift : value;
            }
        }

        private ReadOnlySpan<byte> Take(int count)
        {
            ReadOnlySpan<byte> part = _bytes.Slice(Position, count);
            Position += count;
            return part;
        }
    }
}
