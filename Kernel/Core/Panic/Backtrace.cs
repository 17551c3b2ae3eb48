using System;
using NanoVm.Core.Boot;

namespace NanoVm.Core;

/// <summary>Prints who called whom, as far as the stack tells.</summary>
/// <remarks>
/// Compiled code keeps the chain of frame pointers in most methods; where it breaks, the rest of the stack is scanned for values that
/// lie behind a call in the kernel's text (marked with a question mark: some may be left over from earlier calls).
/// </remarks>
internal static unsafe class Backtrace
{
    private const int MostLines = 40;
    private const int MostScannedWords = 1024;

    /// <param name="rip">The interrupted instruction, or 0 when the caller of the panic is the first line.</param>
    public static void Print(ulong framePointer, ulong stackPointer, ulong rip)
    {
        PanicReport.Line($"backtrace:");
        int lines = 0;
        if (rip != 0 && IsText(rip))
        {
            Location(rip, certain: true);
            lines++;
        }

        ulong low = stackPointer;
        ulong frame = framePointer;
        while (lines < MostLines && frame >= low && frame - low < 1 << 16 && (frame & 7) == 0)
        {
            ulong next;
            ulong returnAddress;
            if (Cpu.ProbeRead(frame, &next) != 0 || Cpu.ProbeRead(frame + 8, &returnAddress) != 0 || !IsText(returnAddress))
                break;
            Location(returnAddress - 1, certain: true);
            lines++;
            low = frame + 16;
            if (next <= frame)
                break;
            frame = next;
        }

        for (int word = 0; word < MostScannedWords && lines < MostLines; word++)
        {
            ulong value;
            if (Cpu.ProbeRead(low + (ulong)word * 8, &value) != 0)
                break;
            if (!IsText(value) || !FollowsCall(value))
                continue;
            Location(value - 1, certain: false);
            lines++;
        }
    }

    private static void Location(ulong address, bool certain)
    {
        Span<byte> place = stackalloc byte[240];
        var writer = new TextWriter(place);
        if (SymbolTable.TryFind(address, out ReadOnlySpan<byte> function, out ulong offset, out ReadOnlySpan<byte> file, out int line))
        {
            writer.Text(function);
            writer.Text("+0x"u8);
            writer.Hex(offset);
            if (file.Length > 0)
            {
                writer.Text(" ("u8);
                writer.Text(file);
                writer.Text(":"u8);
                writer.Decimal((ulong)line);
                writer.Text(")"u8);
            }
        }
        PanicReport.Line($"  {address:x16}{(certain ? " "u8 : "?"u8)} {writer.Written}");
    }

    private static bool IsText(ulong address)
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        return address > image.TextStart.Value && address < image.TextEnd.Value;
    }

    /// <summary>Whether the bytes before an address are a call: E8 rel32, or FF /2 in its usual lengths.</summary>
    private static bool FollowsCall(ulong address)
    {
        ulong bytes;
        if (Cpu.ProbeRead(address - 8, &bytes) != 0)
            return false;
        if ((byte)(bytes >> 24) == 0xe8)
            return true;
        for (int length = 2; length <= 7; length++)
        {
            byte opcode = (byte)(bytes >> ((8 - length) * 8));
            byte modrm = (byte)(bytes >> ((9 - length) * 8));
            if (opcode == 0xff && ((modrm >> 3) & 7) == 2)
                return true;
        }
        return false;
    }
}
