using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Iced.Intel;

namespace NanoVm.BuildTool;

/// <summary>
/// Disassembles everything that was compiled from C# and compares the registers it uses with those that the kernel's entries save.
/// </summary>
/// <remarks>
/// A trap may interrupt user code at any point, and the stubs save only the SSE registers of the set: one more used by the kernel
/// would silently change a user program's state. AVX, x87 and mask registers are saved nowhere but at a task switch.
/// </remarks>
internal static partial class RegisterCheck
{
    private const int ReportLimit = 10;

    public static int Run(string objectFile, string includeFile)
    {
        HashSet<Register> saved = ReadSavedSet(includeFile);
        var used = new SortedSet<int>();
        var complaints = new List<string>();
        var elf = new ElfFile(objectFile);

        for (int index = 0; index < elf.Sections.Count; index++)
        {
            ElfSection section = elf.Sections[index];
            if (!section.IsExecutable || section.Size == 0)
                continue;
            List<ElfSymbol> functions =
                [.. elf.Symbols.Where(symbol => symbol.IsFunction && symbol.Section == index).OrderBy(symbol => symbol.Value)];
            Check(elf.Content(section).ToArray(), functions, saved, used, complaints);
        }

        foreach (string complaint in complaints.Take(ReportLimit))
            Console.Error.WriteLine(complaint);
        if (complaints.Count > 0)
        {
            Console.Error.WriteLine(
                $"{includeFile} : error NANOVM0002: compiled kernel code uses registers that the entry stubs do not save "
                + $"({complaints.Count} instructions). Add them to SAVED_XMM there, or change the code so that it needs fewer.");
            return 1;
        }
        Console.WriteLine($"  compiled code uses xmm {string.Join(' ', used)}");
        return 0;
    }

    private static void Check(
        byte[] code, List<ElfSymbol> functions, HashSet<Register> saved, SortedSet<int> used, List<string> complaints)
    {
        var decoder = Decoder.Create(64, new ByteArrayCodeReader(code));
        var factory = new InstructionInfoFactory();
        int function = -1;
        while (decoder.IP < (ulong)code.Length)
        {
            while (function + 1 < functions.Count && functions[function + 1].Value <= decoder.IP)
                function++;
            decoder.Decode(out Instruction instruction);
            foreach (UsedRegister use in factory.GetInfo(instruction).GetUsedRegisters())
            {
                if (!IsVectorOrFloat(use.Register))
                    continue;
                if (use.Register.IsXMM())
                    used.Add(use.Register - Register.XMM0);
                if (!saved.Contains(use.Register) || instruction.Encoding != EncodingKind.Legacy)
                {
                    string name = function < 0 ? "?" : functions[function].Name;
                    complaints.Add($"{name}+0x{instruction.IP - (function < 0 ? 0 : functions[function].Value):x}: {instruction}");
                    break;
                }
            }
        }
    }

    private static bool IsVectorOrFloat(Register register) =>
        register.IsXMM() || register.IsYMM() || register.IsZMM() || register.IsMM() || register.IsST() || register.IsK();

    private static HashSet<Register> ReadSavedSet(string includeFile)
    {
        Match match = SavedSet().Match(File.ReadAllText(includeFile));
        if (!match.Success)
            throw new InvalidDataException($"{includeFile} has no line '%define SAVED_XMM 0,1,...'");
        return [.. match.Groups[1].Value.Split(',').Select(number => Register.XMM0 + int.Parse(number.Trim()))];
    }

    [GeneratedRegex(@"^%define\s+SAVED_XMM\s+([0-9, ]+)\s*$", RegexOptions.Multiline)]
    private static partial Regex SavedSet();
}
