using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The ISO boots by both kinds of firmware, and a broken kernel says what broke.</summary>
public sealed class BootTests
{
    [Theory]
    [InlineData()]
    [InlineData("--uefi")]
    public void The_ISO_boots_and_only_the_commands_output_is_seen(params string[] firmware)
    {
        Run run = Guest.Script("run-qemu.sh", [.. firmware, "--timeout", "200", "--run", "echo up; exit 3"]);
        Assert.True(run.Text == "up\n" && run.Status == 3, run.ToString());
    }

    [Fact]
    public void Too_little_memory_is_a_message_not_a_hang()
    {
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "60", "--mem", "8M", "--run", "true");
        Assert.True(run.Status is not (0 or 124), run.ToString());
        Assert.NotEmpty(run.Errors);
    }
}
