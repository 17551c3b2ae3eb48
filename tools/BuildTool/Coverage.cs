using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace NanoVm.BuildTool;

/// <summary>Which methods of a part of the kernel a machine has executed, as a table. <c>tools/coverage.sh</c> makes the machine.</summary>
/// <remarks>
/// QEMU's <c>-d in_asm</c> writes each block of instructions when it translates it, which it does when the block is about to be executed: each
/// address once, so the log is small and the machine runs at nearly full speed. An address leads to a source line by the kernel's DWARF lines,
/// those of inlined methods included; and a line to a method by the assembly's PDB.
/// <code>
///   0xffffffff8025e780 in the log ──.debug_line──► Kernel/Memory/Virtual/Munmap.cs:40 ──sequence points──► MmStruct.DoMunmap
/// </code>
/// A method of which the kernel has no instruction is left out: only tests on the host call it, or it is folded into its caller's line.
/// </remarks>
internal static class Coverage
{
    /// <param name="folder">Which sources to tell of, from the repository's root: <c>Kernel/Memory/</c>.</param>
    public static void Run(string kernel, string assembly, string folder, IEnumerable<string> logs)
    {
        HashSet<ulong> executed = [];
        foreach (string log in logs)
            ReadLog(log, executed);
        (HashSet<(string, int)> present, HashSet<(string, int)> reached) = Lines(kernel, executed);
        List<Method> methods = [.. Methods(assembly)
            .Where(method => method.File.Contains('/' + folder, StringComparison.Ordinal) && method.Lines.Any(line => present.Contains((method.File, line))))
            .Select(method => method with { IsReached = method.Lines.Any(line => reached.Contains((method.File, line))) })];
        if (methods.Count == 0)
            throw new InvalidDataException($"the kernel has no method of {folder}");

        Console.WriteLine($"| {folder} | methods | executed | | public and internal | executed |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|");
        foreach (IGrouping<string, Method> group in methods.GroupBy(method => method.FolderBelow(folder)).OrderBy(group => group.Key, StringComparer.Ordinal))
            Row(group.Key, [.. group]);
        Row("all", methods);
        Console.WriteLine();
        Console.WriteLine("Not executed:");
        foreach (Method method in methods.Where(method => !method.IsReached).OrderBy(method => method.File, StringComparer.Ordinal).ThenBy(method => method.Lines[0]))
            Console.WriteLine($"  {(method.IsOperation ? "public" : "      ")} {method.File[(method.File.IndexOf('/' + folder, StringComparison.Ordinal) + 1)..]}:{method.Lines[0]} {method.Name}");
    }

    private static void Row(string name, IReadOnlyCollection<Method> methods)
    {
        int reached = methods.Count(method => method.IsReached);
        int operations = methods.Count(method => method.IsOperation), reachedOperations = methods.Count(method => method.IsOperation && method.IsReached);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {name} | {methods.Count} | {reached} | {100.0 * reached / methods.Count:F1} % | {operations} | {reachedOperations} |"));
    }

    // "0xffffffff8020b960:  66 b8 10 00   movw …": an instruction; long ones go on in a line without text, whose address is inside of them.
    private static void ReadLog(string path, HashSet<ulong> executed)
    {
        foreach (string line in File.ReadLines(path))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (line.StartsWith("0x", StringComparison.Ordinal) && colon > 0
                && ulong.TryParse(line.AsSpan(2, colon - 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong address))
                executed.Add(address);
        }
    }

    private static (HashSet<(string, int)> Present, HashSet<(string, int)> Reached) Lines(string kernel, HashSet<ulong> executed)
    {
        HashSet<(string, int)> present = [], reached = [];
        ulong[] addresses = [.. executed.Order()];
        List<LineRow> rows = [.. LineProgram.Read(new ElfFile(kernel).Content(".debug_line").Span).Where(row => row.Address != 0).OrderBy(row => row.Address)];
        for (int i = 0; i + 1 < rows.Count; i++)
        {
            LineRow row = rows[i];
            if (row.IsEnd || row.Address == rows[i + 1].Address)
                continue;
            present.Add((row.File, row.Line));
            int at = Array.BinarySearch(addresses, row.Address);
            at = at < 0 ? ~at : at;
            if (at < addresses.Length && addresses[at] < rows[i + 1].Address)
                reached.Add((row.File, row.Line));
        }

        return (present, reached);
    }

    private static IEnumerable<Method> Methods(string assembly)
    {
        using var file = new PEReader(File.OpenRead(assembly));
        using MetadataReaderProvider provider = MetadataReaderProvider.FromPortablePdbStream(File.OpenRead(Path.ChangeExtension(assembly, ".pdb")));
        MetadataReader metadata = file.GetMetadataReader(), pdb = provider.GetMetadataReader();
        foreach (MethodDefinitionHandle handle in metadata.MethodDefinitions)
        {
            MethodDebugInformation debug = pdb.GetMethodDebugInformation(handle.ToDebugInformationHandle());
            if (debug.Document.IsNil)
                continue;
            int[] lines = [.. debug.GetSequencePoints().Where(point => !point.IsHidden).Select(point => point.StartLine).Distinct().Order()];
            MethodDefinition method = metadata.GetMethodDefinition(handle);
            TypeDefinition type = metadata.GetTypeDefinition(method.GetDeclaringType());
            MethodAttributes access = method.Attributes & MethodAttributes.MemberAccessMask;
            bool isOperation = access is MethodAttributes.Public or MethodAttributes.Assembly && !method.Attributes.HasFlag(MethodAttributes.SpecialName);
            if (lines.Length != 0)
                yield return new Method($"{metadata.GetString(type.Name)}.{metadata.GetString(method.Name)}", pdb.GetString(pdb.GetDocument(debug.Document).Name), lines, isOperation, false);
        }
    }

    /// <summary>A method of the source, with the lines on which its statements begin.</summary>
    private sealed record Method(string Name, string File, int[] Lines, bool IsOperation, bool IsReached)
    {
        /// <summary>The folder that the file is in, below another.</summary>
        public string FolderBelow(string folder)
        {
            string rest = File[(File.IndexOf('/' + folder, StringComparison.Ordinal) + folder.Length + 1)..];
            return rest.Contains('/') ? rest[..rest.IndexOf('/', StringComparison.Ordinal)] : "(itself)";
        }
    }
}
