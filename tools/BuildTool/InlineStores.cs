using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;

namespace NanoVm.BuildTool;

/// <summary>Replaces the calls by which compiled code stores references by the store itself.</summary>
/// <remarks>
/// The compiler calls a helper for every store of a reference into memory, so that a garbage collector can take note. There is none:
/// the helper is one instruction, and so can be what calls it. Each call takes five bytes, and so does what replaces it.
/// <code>
/// call RhpAssignRef       e8 rel32    ->  3e 48 89 77 00    mov [rdi+0], rsi   (with a prefix that does nothing)
/// jmp  RhpAssignRef       e9 rel32    ->  48 89 37 c3 cc    mov [rdi], rsi; ret
/// call RhpByRefAssignRef  e8 rel32    ->  3e 3e 3e 48 a5    movsq
/// </code>
/// The relocation of the call becomes one that does nothing.
/// </remarks>
internal static class InlineStores
{
    private const uint RelocationsType = 4;
    private const uint CallRelocation = 4;      // R_X86_64_PLT32
    private const uint NearRelocation = 2;      // R_X86_64_PC32
    private const int RelocationSize = 24;
    private const byte Call = 0xe8;
    private const byte Jump = 0xe9;

    private static ReadOnlySpan<byte> Store => [0x3e, 0x48, 0x89, 0x77, 0x00];

    private static ReadOnlySpan<byte> StoreAndReturn => [0x48, 0x89, 0x37, 0xc3, 0xcc];

    private static ReadOnlySpan<byte> Copy => [0x3e, 0x3e, 0x3e, 0x48, 0xa5];

    public static void Run(string input, string output)
    {
        var elf = new ElfFile(input);
        byte[] bytes = File.ReadAllBytes(input);
        var stores = new HashSet<uint>();
        var copies = new HashSet<uint>();
        for (int i = 0; i < elf.Symbols.Count; i++)
        {
            if (elf.Symbols[i].Name is "RhpAssignRef" or "RhpCheckedAssignRef")
                stores.Add((uint)i);
            else if (elf.Symbols[i].Name is "RhpByRefAssignRef")
                copies.Add((uint)i);
        }

        int replaced = 0;
        foreach (ElfSection section in elf.Sections)
        {
            if (section.Type != RelocationsType || !elf.Sections[section.Info].IsExecutable)
                continue;
            int code = (int)elf.Sections[section.Info].Offset;
            for (int at = (int)section.Offset; at < (int)(section.Offset + section.Size); at += RelocationSize)
            {
                Span<byte> relocation = bytes.AsSpan(at, RelocationSize);
                uint type = BinaryPrimitives.ReadUInt32LittleEndian(relocation[8..]);
                uint symbol = BinaryPrimitives.ReadUInt32LittleEndian(relocation[12..]);
                if (type is not (CallRelocation or NearRelocation) || !(stores.Contains(symbol) || copies.Contains(symbol)))
                    continue;
                int instruction = code + (int)BinaryPrimitives.ReadUInt64LittleEndian(relocation) - 1;
                ReadOnlySpan<byte> replacement = (bytes[instruction], stores.Contains(symbol)) switch
                {
                    (Call, true) => Store,
                    (Jump, true) => StoreAndReturn,
                    (Call, false) => Copy,
                    _ => default,
                };
                if (replacement.IsEmpty)
                    continue;
                replacement.CopyTo(bytes.AsSpan(instruction));
                relocation[8..].Clear();        // R_X86_64_NONE
                replaced++;
            }
        }
        File.WriteAllBytes(output, bytes);
        Console.WriteLine($"  {replaced} stores of references inlined");
    }
}
