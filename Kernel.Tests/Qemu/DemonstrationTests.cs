using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The demonstrations show what the lectures say; each is checked by the sentence that matters.</summary>
public sealed class DemonstrationTests
{
    [Theory]
    [InlineData("demand", "8 pages written: each has a frame of its own: 8 faults, 32 KiB resident")]
    [InlineData("cow", "child: 1 fault copied the page")]
    [InlineData("brk", "64 KiB resident of 64")]
    [InlineData("mmap-kinds", "file, shared: the parent reads c")]
    [InlineData("stack", "it was ended by signal 11")]
    [InlineData("threads", "3 threads run: the kernel counts 4 in this process")]
    [InlineData("layout", "[stack]")]
    [InlineData("paint", "786432 pixels drawn by stores alone: 0 faults")]
    public void A_demonstration_runs_and_says(string name, string sentence)
    {
        Run run = Guest.Shell(name, seconds: 60);
        Assert.True(run.Status == 0, run.ToString());
        Assert.Contains(sentence, run.Text);
        Assert.True(run.Text.Split('\n').Length > 5, run.ToString());
    }

    [Fact]
    public void Without_randomness_every_start_has_the_same_layout()
    {
        Run run = Guest.Shell("layout | grep '^    code' | sort -u | wc -l", 60, "--append", "norandmaps");
        Assert.Equal("1\n", run.Text);
    }
}
