using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>Five-level paging (<c>la57</c> on the command line): the same sources, the same cases.</summary>
public sealed class FiveLevelTests
{
    [Fact]
    public void Every_suite_holds_with_five_levels_too()
    {
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "200", "--append", "la57", "--test");
        KtapReport report = KtapReport.Parse(run.Text);
        Assert.True(report.Faults.Count == 0, string.Join('\n', report.Faults) + "\n" + run);
        Assert.True(report.Results.All(r => r.Passed), string.Join('\n', report.Results.Where(r => !r.Passed).Select(r => r.Name + "\n" + r.Notes)));
        Assert.True(report.Results.Count(r => !r.IsGroup) >= 100, run.ToString());
    }

    [Fact]
    public void A_program_sees_five_levels_in_its_page_tables_and_is_placed_as_with_four()
    {
        Run run = Guest.Script("run-qemu.sh", "--direct", "--append", "la57", "--run",
            "head -1 /proc/self/page_tables; grep -q la57 /proc/cpuinfo && echo la57; grep -c '^[0-9a-f]\\{13,\\}-' /proc/self/maps");
        Assert.Contains(" 5 levels, ", run.Text);
        Assert.Contains("la57\n", run.Text.Replace("\r", ""));
        Assert.EndsWith("\n1\n", run.Text.Replace("\r", ""));       // [vsyscall] alone lies above 47 bits
    }
}
