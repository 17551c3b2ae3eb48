using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace NanoVm.BuildTool;

/// <summary>A 64-bit little-endian ELF file: its sections and symbols. System V ABI, chapter 4.</summary>
internal sealed class ElfFile
{
    private const uint SymbolTableType = 2;
    private const uint NoBitsType = 8;

    private readonly byte[] _bytes;

    public ElfFile(string path)
    {
        _bytes = File.ReadAllBytes(path);
        if (_bytes.Length < 64 || !_bytes.AsSpan(0, 6).SequenceEqual("\u007fELF\u0002\u0001"u8))
            throw new InvalidDataException($"{path} is no 64-bit ELF file");
        Sections = ReadSections();
        Symbols = ReadSymbols();
    }

    public IReadOnlyList<ElfSection> Sections { get; }

    public IReadOnlyList<ElfSymbol> Symbols { get; }

    /// <summary>The bytes of a section; none when it is not there.</summary>
    public ReadOnlyMemory<byte> Content(string name)
    {
        foreach (ElfSection section in Sections)
        {
            if (section.Name == name)
                return Content(section);
        }
        return default;
    }

    public ReadOnlyMemory<byte> Content(ElfSection section) =>
        section.Type == NoBitsType ? default : _bytes.AsMemory((int)section.Offset, (int)section.Size);

    private List<ElfSection> ReadSections()
    {
        ReadOnlySpan<byte> header = _bytes;
        int table = (int)BinaryPrimitives.ReadUInt64LittleEndian(header[40..]);
        int entrySize = BinaryPrimitives.ReadUInt16LittleEndian(header[58..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(header[60..]);
        int names = BinaryPrimitives.ReadUInt16LittleEndian(header[62..]);
        // More sections than 16 bits can count: section 0 has the real numbers.
        if (count == 0)
            count = (int)BinaryPrimitives.ReadUInt64LittleEndian(header[(table + 32)..]);
        if (names == 0xffff)
            names = (int)BinaryPrimitives.ReadUInt32LittleEndian(header[(table + 40)..]);

        int nameOffset = (int)BinaryPrimitives.ReadUInt64LittleEndian(header[(table + names * entrySize + 24)..]);
        var sections = new List<ElfSection>(count);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = header[(table + i * entrySize)..];
            sections.Add(new ElfSection(
                ReadText(nameOffset + (int)BinaryPrimitives.ReadUInt32LittleEndian(entry)),
                BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]),
                BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]),
                BinaryPrimitives.ReadUInt64LittleEndian(entry[24..]),
                BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]),
                (int)BinaryPrimitives.ReadUInt32LittleEndian(entry[40..]),
                (int)BinaryPrimitives.ReadUInt32LittleEndian(entry[44..])));
        }
        return sections;
    }

    private List<ElfSymbol> ReadSymbols()
    {
        var symbols = new List<ElfSymbol>();
        foreach (ElfSection section in Sections)
        {
            if (section.Type != SymbolTableType)
                continue;
            int names = (int)Sections[section.Link].Offset;
            ReadOnlySpan<byte> table = Content(section).Span;
            for (; table.Length >= 24; table = table[24..])
            {
                symbols.Add(new ElfSymbol(
                    ReadText(names + (int)BinaryPrimitives.ReadUInt32LittleEndian(table)),
                    (table[4] & 15) == 2,
                    BinaryPrimitives.ReadUInt16LittleEndian(table[6..]),
                    BinaryPrimitives.ReadUInt64LittleEndian(table[8..]),
                    BinaryPrimitives.ReadUInt64LittleEndian(table[16..])));
            }
        }
        return symbols;
    }

    private string ReadText(int offset)
    {
        ReadOnlySpan<byte> text = _bytes.AsSpan(offset);
        return Encoding.UTF8.GetString(text[..text.IndexOf((byte)0)]);
    }
}

/// <summary>A part of an ELF file.</summary>
internal sealed record ElfSection(string Name, uint Type, ulong Flags, ulong Address, ulong Offset, ulong Size, int Link, int Info)
{
    public bool IsExecutable => (Flags & 4) != 0;
}

/// <summary>A name for an address, or for an offset in a section of an object file.</summary>
internal sealed record ElfSymbol(string Name, bool IsFunction, int Section, ulong Value, ulong Size);
