using System.Threading;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The suites that run in the guest: the kernel's own and the user programs of <c>/tests</c>, each case as one case here.</summary>
public sealed class GuestSuites
{
    private static readonly Lazy<(Run Run, KtapReport Report)> s_guest = new(RunInGuest, LazyThreadSafetyMode.ExecutionAndPublication);

    public static TheoryData<string> Cases() => [.. s_guest.Value.Report.Results.Where(r => !r.IsGroup).Select(r => r.Name).Distinct()];

    [Theory]
    [MemberData(nameof(Cases), DisableDiscoveryEnumeration = false)]
    public void In_the_guest(string name)
    {
        KtapResult[] results = s_guest.Value.Report.Results.Where(r => r.Name == name && !r.IsGroup).ToArray();
        Assert.True(results.Length > 0 && results.All(r => r.Passed), string.Join('\n', results.Select(r => r.Notes)));
    }

    [Fact]
    public void The_guests_report_is_whole_and_says_what_the_machine_ended_with()
    {
        (Run run, KtapReport report) = s_guest.Value;
        Assert.True(report.Faults.Count == 0, string.Join('\n', report.Faults) + "\n" + run);
        Assert.True(run.Status == 0 == report.Results.All(r => r.Passed), run.ToString());
        Assert.True(report.Results.Count(r => !r.IsGroup) >= 100, $"only {report.Results.Count} cases");
    }

    private static (Run, KtapReport) RunInGuest()
    {
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "200", "--test");
        return (run, KtapReport.Parse(run.Text));
    }
}
