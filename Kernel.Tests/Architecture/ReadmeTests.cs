using System.Text.RegularExpressions;
using Xunit;

namespace NanoVm.Tests.Architecture;

/// <summary>README.md says what the sources say.</summary>
public sealed partial class ReadmeTests
{
    private static string Readme => File.ReadAllText(Path.Combine(Repository.Root, "README.md"));

    [Fact]
    public void Its_system_calls_are_those_that_the_kernel_registers()
    {
        string table = Readme.Split("<!-- calls: begin")[1].Split("<!-- calls: end -->")[0];
        var listed = Name().Matches(table).Select(m => m.Groups[1].Value).Order();
        var registered = Directory.EnumerateFiles(Path.Combine(Repository.Root, "Kernel/Syscalls"), "*.cs")
            .SelectMany(file => Registration().Matches(File.ReadAllText(file))).Select(m => m.Groups[1].Value).Order();
        Assert.True(registered.SequenceEqual(listed), "tools/calls.sh writes the list anew; it differs in: "
            + string.Join(' ', registered.Except(listed).Concat(listed.Except(registered))));
    }

    [Fact]
    public void Its_options_are_those_of_run_qemu()
    {
        string help = File.ReadAllText(Path.Combine(Repository.Root, "run-qemu.sh")).Split("<<'END'")[1].Split("\nEND")[0];
        foreach (string option in Option().Matches(help).Select(m => m.Value).Where(o => o != "--help"))
            Assert.Contains("`" + option, Readme);
    }

    [Fact]
    public void Every_demonstration_is_listed()
    {
        foreach (string folder in Directory.EnumerateDirectories(Path.Combine(Repository.Root, "User/Demos")))
            if (File.Exists(Path.Combine(folder, "Program.cs")))
                Assert.Contains($"| `{Path.GetFileName(folder)}` |", Readme);
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("Kernel/Memory/README.md")]
    public void Every_file_that_a_readme_names_is_there(string readme)
    {
        string[] files = [.. Directory.EnumerateFiles(Repository.Root, "*.cs", SearchOption.AllDirectories)
            .Select(file => "/" + Path.GetRelativePath(Repository.Root, file)).Where(file => !file.Contains("/obj/", StringComparison.Ordinal))];
        var lost = SourceFile().Matches(File.ReadAllText(Path.Combine(Repository.Root, readme))).Select(m => m.Groups[1].Value).Distinct()
            .Where(named => !files.Any(file => file.EndsWith("/" + named, StringComparison.Ordinal)));
        Assert.Empty(lost);
    }

    [GeneratedRegex(@"`([\w./]+\.cs)`")]
    private static partial Regex SourceFile();

    [GeneratedRegex(@"`(\w+)`")]
    private static partial Regex Name();

    [GeneratedRegex(@"\.Add\(\d+, ""(\w+)""u8")]
    private static partial Regex Registration();

    [GeneratedRegex(@"--[a-z]+")]
    private static partial Regex Option();
}
