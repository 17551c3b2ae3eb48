using System.Text.RegularExpressions;
using Xunit;

namespace NanoVm.Tests.Architecture;

/// <summary>Holds the house of DESIGN.md, section 2, to its word: arrows between the kernel's folders point down only.</summary>
public sealed partial class ArrowTests
{
    // From the bottom up. A folder may name itself and everything before it in this list.
    private static readonly string[] Layers = ["Core", "Hal", "Memory", "Files", "Tasks", "Syscalls"];

    public static TheoryData<string> LayerNames() => [.. Layers];

    [Theory]
    [MemberData(nameof(LayerNames))]
    public void No_file_names_a_namespace_above_its_own_layer(string layer)
    {
        string[] above = Layers[(Array.IndexOf(Layers, layer) + 1)..];
        var offences = new List<string>();
        foreach (string file in SourceFiles(layer))
        {
            int number = 0;
            foreach (string line in File.ReadLines(file))
            {
                number++;
                Match match = NamedNamespace().Match(CommentOrString().Replace(line, ""));
                if (match.Success && above.Contains(match.Groups[1].Value))
                    offences.Add($"{Path.GetRelativePath(Repository.Root, file)}:{number}: {line.Trim()}");
            }
        }

        Assert.True(offences.Count == 0, string.Join('\n', offences));
    }

    [Theory]
    [MemberData(nameof(LayerNames))]
    public void Every_namespace_stays_in_its_layer(string layer)
    {
        foreach (string file in SourceFiles(layer))
        {
            Match match = FileNamespace().Match(File.ReadAllText(file));
            Assert.True(match.Success, $"{file} declares no file-scoped namespace");
            // Memory/Faults holds parts of MmStruct, which is one class: a folder's namespace may be its neighbour's, never another layer's.
            string declared = match.Groups[1].Value + ".";
            Assert.StartsWith($"NanoVm.{layer}.", declared, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("Memory/Virtual")]
    [InlineData("Memory/Faults")]
    [InlineData("Files")]
    [InlineData("Tasks")]
    [InlineData("Syscalls")]
    public void No_mutable_statics_outside_the_processor_layer(string folder)
    {
        var offences = new List<string>();
        foreach (string file in SourceFiles(folder))
            foreach (string line in File.ReadLines(file))
                if (MutableStatic().IsMatch(CommentOrString().Replace(line, "")))
                    offences.Add($"{Path.GetRelativePath(Repository.Root, file)}: {line.Trim()}");
        Assert.True(offences.Count == 0, string.Join('\n', offences));
    }

    private static IEnumerable<string> SourceFiles(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, "Kernel", folder), "*.cs", SearchOption.AllDirectories);

    [GeneratedRegex(@"\bNanoVm\.(Core|Hal|Memory|Files|Tasks|Syscalls)\b")]
    private static partial Regex NamedNamespace();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex FileNamespace();

    // A field: static, neither const nor readonly, ending in ';' or '=' without a parameter list before it.
    [GeneratedRegex(@"^\s*(?:(?:public|internal|private|protected)\s+)?static\s+(?!readonly|partial|extern|unsafe\s+class|class|abstract|virtual|ref\b|implicit|explicit)[\w<>\[\]?*. ]+\s+\w+\s*(=[^>]|;)")]
    private static partial Regex MutableStatic();

    [GeneratedRegex(@"//.*$|""(\\.|[^""\\])*""")]
    private static partial Regex CommentOrString();
}
