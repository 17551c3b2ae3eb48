using System;
using System.Buffers.Binary;
using System.IO;

namespace NanoVm.BuildTool;

/// <summary>
/// Makes a file that loads like the ELF file given, without its sections, symbols and debugging information: a loader reads less.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal static class Strip
{
    private const int ProgramHeaderSize = 56;

    public static void Run(string input, string output)
    {
        byte[] bytes = File.ReadAllBytes(input);
        if (bytes.Length < 64 || !bytes.AsSpan(0, 6).SequenceEqual("\u007fELF\u0002\u0001"u8))
            throw new InvalidDataException($"{input} is no 64-bit ELF file");
        Span<byte> header = bytes;
        int table = (int)BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);

        // Linkers put what is loaded first: the file ends behind the last segment's bytes.
        int end = table + count * ProgramHeaderSize;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = header[(table + i * ProgramHeaderSize)..];
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]);
            ulong size = BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]);
            end = (int)Math.Max((ulong)end, offset + size);
        }
        BinaryPrimitives.WriteUInt64LittleEndian(header[40..], 0);
        header.Slice(58, 6).Clear();            // size and number of section headers, index of their names

        using FileStream file = File.Create(output);
        file.Write(bytes, 0, end);
        file.Close();
        File.SetUnixFileMode(output, File.GetUnixFileMode(input));
    }
}
