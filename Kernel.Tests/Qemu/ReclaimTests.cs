using System.Threading;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>Memory runs short: the suite <c>reclaim</c> on a small machine that swaps, each case as one case here.</summary>
public sealed class ReclaimTests
{
    private static readonly Lazy<(Run Run, KtapReport Report)> s_suite = new(RunSuite, LazyThreadSafetyMode.ExecutionAndPublication);

    public static TheoryData<string> Cases() => [.. s_suite.Value.Report.Results.Where(r => !r.IsGroup).Select(r => r.Name).Distinct()];

    [Theory]
    [MemberData(nameof(Cases), DisableDiscoveryEnumeration = false)]
    public void On_a_small_machine_with_swap(string name)
    {
        KtapResult[] results = s_suite.Value.Report.Results.Where(r => r.Name == name && !r.IsGroup).ToArray();
        Assert.True(results.Length > 0 && results.All(r => r.Passed), string.Join('\n', results.Select(r => r.Notes)));
    }

    [Fact]
    public void The_suites_report_is_whole_and_nothing_was_skipped()
    {
        (Run run, KtapReport report) = s_suite.Value;
        Assert.True(report.Faults.Count == 0, string.Join('\n', report.Faults) + "\n" + run);
        Assert.True(run.Status == 0, run.ToString());
        Assert.DoesNotContain("# SKIP", run.Text, StringComparison.Ordinal);
    }

    private static (Run, KtapReport) RunSuite()
    {
        Run run = Guest.Script("run-qemu.sh", "--direct", "--mem", "128M", "--swap", "512M", "--timeout", "220", "--test", "reclaim");
        return (run, KtapReport.Parse(run.Text));
    }
}
