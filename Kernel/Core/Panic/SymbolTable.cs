using System;
using System.Runtime.InteropServices;
using NanoVm.Core.Boot;

namespace NanoVm.Core;

/// <summary>Names and source lines of the kernel's code, for backtraces. Made by the build (tools/BuildTool, which describes the format).</summary>
/// <remarks>Works at any moment, in a panic too: it reads constants of the image and allocates nothing.</remarks>
internal static unsafe class SymbolTable
{
    private const uint Magic = 0x5953564e; // "NVSY"

    /// <summary>Finds the function that holds an address of the kernel's code, and the line the address belongs to.</summary>
    /// <param name="address">For a return address pass one less: the call itself, not what follows it.</param>
    /// <param name="function">For C# <c>Namespace.Type.Method</c>, for assembly the label.</param>
    /// <param name="offset">Bytes from the function's start.</param>
    /// <param name="file">The source, from the repository's root; empty when it is not known.</param>
    /// <param name="line">The line, or zero when it is not known.</param>
    /// <returns>False when the address is not in the kernel's code.</returns>
    public static bool TryFind(
        ulong address, out ReadOnlySpan<byte> function, out ulong offset, out ReadOnlySpan<byte> file, out int line)
    {
        function = default;
        offset = 0;
        file = default;
        line = 0;

        ref readonly KernelImage image = ref KernelImage.Current;
        byte* table = (byte*)image.SymbolsStart.Value;
        if (address < image.TextStart.Value || address >= image.TextEnd.Value || !IsPresent(image))
            return false;

        var header = (Header*)table;
        uint code = (uint)(address - header->CodeStart);
        Entry* entry = FindEntry((Entry*)(header + 1), header->Count, code);
        if (entry == null)
            return false;

        function = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(table + entry->Name);
        offset = code - entry->Code;
        if (entry->File != 0)
        {
            file = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(table + entry->File);
            line = FindLine(table + entry->Lines, offset);
        }
        return true;
    }

    // The first link of the build has an empty table.
    private static bool IsPresent(in KernelImage image) =>
        image.SymbolsEnd.Value - image.SymbolsStart.Value >= (ulong)sizeof(Header) && *(uint*)image.SymbolsStart.Value == Magic;

    // The last entry that begins at or before the code.
    private static Entry* FindEntry(Entry* entries, uint count, uint code)
    {
        uint low = 0, high = count;
        while (low < high)
        {
            uint middle = (low + high) / 2;
            if (entries[middle].Code <= code)
                low = middle + 1;
            else
                high = middle;
        }
        return low == 0 ? null : entries + low - 1;
    }

    private static int FindLine(byte* rows, ulong offset)
    {
        ulong at = 0;
        long line = 0, found = 0;
        while (true)
        {
            ulong distance = ReadNumber(ref rows);
            ulong change = ReadNumber(ref rows);
            if (distance == 0 && change == 0)
                break;
            at += distance;
            line += (long)(change >> 1) ^ -(long)(change & 1);
            if (at > offset)
                break;
            found = line;
        }
        return (int)found;
    }

    private static ulong ReadNumber(ref byte* next)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte part = *next++;
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80)
                return value;
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Header
    {
        public readonly uint Magic;
        public readonly uint Count;
        public readonly ulong CodeStart;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Entry
    {
        public readonly uint Code;
        public readonly uint Name;
        public readonly uint File;
        public readonly uint Lines;
    }
}
