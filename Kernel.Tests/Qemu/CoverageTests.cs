using System.Text.RegularExpressions;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The table of executed methods tells what a suite reaches, and what it does not.</summary>
public sealed partial class CoverageTests
{
    [Fact]
    public void The_suite_that_ruins_memory_executes_most_of_the_check_and_none_of_what_only_programs_do()
    {
        Run run = Guest.Script("tools/coverage.sh", "Kernel/Memory/", "memfsck");
        Assert.True(run.Status == 0, run.ToString());
        Match check = Check().Match(run.Text);
        Assert.True(check.Success && int.Parse(check.Groups[2].Value) * 10 >= int.Parse(check.Groups[1].Value) * 8, run.ToString());
        Assert.Contains("MmStruct.Mremap", run.Text);
        Assert.DoesNotContain("MemoryCheck.Run\n", run.Text);
    }

    [Fact]
    public void An_unknown_folder_is_refused()
    {
        Assert.Equal(2, Guest.Script("tools/coverage.sh", "Kernel/Nowhere/").Status);
    }

    [GeneratedRegex(@"^\| Check \| (\d+) \| (\d+) \|", RegexOptions.Multiline)]
    private static partial Regex Check();
}
