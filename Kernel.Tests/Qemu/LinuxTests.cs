using Xunit;
using Xunit.Abstractions;

namespace NanoVm.Tests.Qemu;

/// <summary>The user suites on Linux 6.1 in QEMU, Debian's package fetched by apt: what they expect is what Linux does.</summary>
/// <remarks><see cref="GuestSuites"/> runs them on NanoVM. Held on both, a case says that the two are the same.</remarks>
public sealed class LinuxTests(ITestOutputHelper output)
{
    private const int NoLinux = 77;

    [Fact]
    public void Every_case_of_the_user_suites_holds_on_Linux_6_1()
    {
        Run fetched = Guest.Script("tools/compare-linux.sh", "--fetch");
        if (fetched.Status == NoLinux)
        {
            output.WriteLine("not compared: " + fetched.Errors);
            return;
        }

        Assert.True(fetched.Status == 0, fetched.ToString());
        Run run = Guest.Script("tools/compare-linux.sh", "--on", "linux", "--timeout", "200");
        Assert.True(run.Status == 0, run.ToString());
    }

    [Fact]
    public void Freshly_damaged_programs_end_as_on_Linux_6_1()
    {
        if (Guest.Script("tools/compare-linux.sh", "--fetch").Status == NoLinux)
            return;
        string seed = (DateTimeOffset.UtcNow.ToUnixTimeSeconds() % 1_000_000).ToString();
        string[] arguments = ["--on", "linux,nanovm", "--timeout", "200", "--program", "artifacts/programs/Malformed", seed, "400"];
        output.WriteLine($"tools/compare-linux.sh {string.Join(' ', arguments)}");
        Run run = Guest.Script("tools/compare-linux.sh", arguments);
        Assert.True(run.Status == 0, run.ToString());
    }
}
