using Xunit;
using Xunit.Abstractions;

namespace NanoVm.Tests.Qemu;

/// <summary>Streams of memory calls, new ones for each commit, on Linux 6.1 in QEMU and on NanoVM: calls, areas and contents must be the same.</summary>
/// <remarks>
/// The seeds are in the test's output and in the message of a failure, with the command that plays them again. <c>NANOVM_FUZZ_SEEDS</c> says how many
/// (200); a longer run is <c>tools/vmfuzz.sh --seeds 5000 --timeout 3600</c>. Each stream on which the two once differed is a case in
/// <c>tools/compare/vmfuzz.streams</c>, which is played first.
/// </remarks>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int NoLinux = 77;

    [Fact]
    public void Fresh_streams_of_memory_calls_do_on_NanoVM_what_they_do_on_Linux_6_1()
    {
        string seeds = Environment.GetEnvironmentVariable("NANOVM_FUZZ_SEEDS") ?? "200";
        // A minute on a quiet machine; on a busy one slowness is no difference.
        Run run = Guest.Script(TimeSpan.FromMinutes(14), "tools/vmfuzz.sh", "--steady", "--seed", "commit", "--seeds", seeds, "--ops", "500", "--shrink", "0", "--timeout", "400");
        output.WriteLine(run.Errors);
        if (run.Status == NoLinux)
            return;
        Assert.True(run.Status == 0, run.ToString());
    }
}
