using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>What is logarithmic stays so: instructions of the same call among few areas and among many.</summary>
public sealed partial class CostTests
{
    [Fact]
    public void Calls_and_faults_among_60000_areas_cost_less_than_twice_those_among_600()
    {
        Run run = Guest.Script("tools/cost.sh", "--only-nanovm");
        Assert.True(run.Status == 0, run.ToString());
        Dictionary<string, long> cost = Line().Matches(run.Text).ToDictionary(m => m.Groups["name"].Value, m => long.Parse(m.Groups["count"].Value, CultureInfo.InvariantCulture));
        foreach (string what in (string[])["first write to a page", "mmap and munmap of a page"])
        {
            long few = cost[what + " among 600 areas"], many = cost[what + " among 60,000 areas"];
            Assert.True(many < 2 * few, $"{what}: {few} instructions among 600 areas, {many} among 60,000\n{run}");
        }
    }

    [GeneratedRegex(@"^(?<name>\S.*?) +(?<count>\d+) *\r?$", RegexOptions.Multiline)]
    private static partial Regex Line();
}
