using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The reader of the guest's report notices a report that is not whole.</summary>
public sealed class KtapReportTests
{
    [Fact]
    public void A_whole_report_gives_its_cases_by_name()
    {
        KtapReport report = KtapReport.Parse("""
            KTAP version 1
              KTAP version 1
              # Subtest: frames
              1..2
              ok 1 split
              # line 7: a == b is false
              not ok 2 merge
            not ok 1 frames
            ok 2 - alone # SKIP no disk
            1..2
            """);
        Assert.Empty(report.Faults);
        Assert.Equal(["frames / split", "frames / merge", "frames", "alone"], report.Results.Select(r => r.Name));
        Assert.Equal([true, false, false, true], report.Results.Select(r => r.Passed));
        Assert.Equal("# line 7: a == b is false", report.Results[1].Notes);
        Assert.True(report.Results[2].IsGroup);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ok 1 a\n1..1")]
    [InlineData("KTAP version 1\nok 1 a")]
    [InlineData("KTAP version 1\n1..2\nok 1 a")]
    [InlineData("KTAP version 1\n1..1\nok 2 a")]
    [InlineData("KTAP version 1\n1..2\nok 1 a\nBail out!\nok 2 b")]
    [InlineData("KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 a\nok 1 group")]
    [InlineData("KTAP version 1\n1..1\n  KTAP version 1\n  ok 1 a\nok 1 group")]
    [InlineData("KTAP version 1\n1..0\n  KTAP version 1\n  1..1\n  ok 1 a")]
    public void A_report_without_its_plan_or_its_cases_is_at_fault(string text) => Assert.NotEmpty(KtapReport.Parse(text).Faults);
}
