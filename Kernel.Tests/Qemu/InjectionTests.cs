using System.Text.RegularExpressions;
using System.Threading;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>Requests for memory, user copies and transfers of disks that are made to fail: each in turn by the suite, one by the command line.</summary>
public sealed class InjectionTests
{
    private static readonly Lazy<(Run Run, KtapReport Report)> s_suite = new(RunSuite, LazyThreadSafetyMode.ExecutionAndPublication);

    public static TheoryData<string> Cases() => [.. s_suite.Value.Report.Results.Where(r => !r.IsGroup).Select(r => r.Name).Distinct()];

    [Theory]
    [MemberData(nameof(Cases), DisableDiscoveryEnumeration = false)]
    public void Each_request_fails_in_turn_and_nothing_is_lost(string name)
    {
        KtapResult[] results = s_suite.Value.Report.Results.Where(r => r.Name == name && !r.IsGroup).ToArray();
        Assert.True(results.Length > 0 && results.All(r => r.Passed), string.Join('\n', results.Select(r => r.Notes)));
    }

    [Fact]
    public void The_suites_report_is_whole()
    {
        (Run run, KtapReport report) = s_suite.Value;
        Assert.True(report.Faults.Count == 0, string.Join('\n', report.Faults) + "\n" + run);
        Assert.True(run.Status == 0, run.ToString());
    }

    [Fact]
    public void The_command_line_lets_one_allocation_fail_and_the_log_says_which()
    {
        // Far enough for the shell to run; whichever of its many children is hit dies alone, or the loop ends early.
        Run run = Guest.Shell("(i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done); echo lives; grep errors /proc/memfsck", 120, "--append", "fail=frame:1500", "-v");
        Assert.Contains("lives\nerrors 0\n", run.Text, StringComparison.Ordinal);
        Assert.Matches(new Regex("fail: request 1500 is made to fail: frame of "), run.Text + run.Errors);
    }

    [Theory]
    [InlineData("fail=alloc:200+", "cannot")]
    [InlineData("fail=frame:0", "is not understood")]
    [InlineData("fail=everything:3", "is not understood")]
    public void A_machine_whose_requests_all_fail_or_whose_line_is_wrong_does_not_panic(string argument, string said)
    {
        Run run = Guest.Shell("echo started; cat /proc/meminfo > /dev/null; true", 120, "--append", argument, "-v");
        Assert.DoesNotContain("kernel panic", run.Text + run.Errors, StringComparison.OrdinalIgnoreCase);
        if (said != "cannot")
            Assert.Contains(said, run.Text + run.Errors, StringComparison.Ordinal);
    }

    private static (Run, KtapReport) RunSuite()
    {
        using var scratch = new Scratch();
        // Longer than the machine has itself: then its console is there to be shown.
        Run run = Guest.Script(TimeSpan.FromMinutes(12), "run-qemu.sh", "--direct", "--mem", "128M", "--swap", "32M", "--disk", DiskImage.MakeExt2(scratch, "disk.img", 16) + ":/mnt/disk",
            "--timeout", "600", "--test", "injection");
        return (run, KtapReport.Parse(run.Text));
    }
}
