using Xunit;
using Xunit.Abstractions;

namespace NanoVm.Tests.Qemu;

/// <summary>Programs, files and command lines that mean harm: nobody but themselves comes to any.</summary>
public sealed class HostileTests(ITestOutputHelper output)
{
    [Fact]
    public void System_calls_made_at_random_harm_nobody_else()
    {
        long seed = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        output.WriteLine($"./run-qemu.sh --direct --run 'sysfuzz --seed {seed} --seeds 5 --ops 2000 --tasks 4'");
        Run run = Guest.Shell($"sysfuzz --seed {seed} --seeds 5 --ops 2000 --tasks 4", 200);
        Assert.True(run.Status == 0, run.ToString());
        Assert.Contains("all well\n", run.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_random_calls_of_long_ago_stay_harmless()
    {
        // Seeds that have found something: a list of buffers in sendmsg that faulted in the middle was never given back.
        Run run = Guest.Shell("sysfuzz --seed 6 --ops 2000 && sysfuzz --seed 9 --ops 2000", 200);
        Assert.True(run.Status == 0, run.ToString());
    }
}
