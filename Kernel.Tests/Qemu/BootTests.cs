using System.Text.RegularExpressions;
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

    [Fact]
    public void A_panic_ends_with_70_and_a_backtrace_in_source_lines()
    {
        Run run = Guest.Shell("echo c > /proc/sysrq-trigger; echo lived");
        Assert.True(run.Status == 70, run.ToString());
        Assert.DoesNotContain("lived", run.Text);
        Assert.Contains("nanovm: panic", run.Errors);
        Assert.Contains("memfsck: memory is in order", run.Errors);
        Assert.Matches(@"Syscalls\.FileReadWriteSyscalls\.Write\+0x[0-9a-f]+ \(Kernel/Syscalls/\w+\.cs:\d+\)", run.Errors);
    }

    [Fact]
    public void A_kernel_stack_that_overflows_ends_in_a_panic_that_names_it()
    {
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "60", "--test", "overflow");
        Assert.True(run.Status == 70, run.ToString());
        Assert.Contains("the guard page below the kernel stack", run.Errors);
        Assert.Contains("attempt_overflow", run.Errors);
        Assert.Contains("nanovm: panic: kernel stack overflow", run.Errors);
    }

    [Fact]
    public void Too_little_memory_is_said_so_and_is_no_hang()
    {
        Run run = Guest.Shell("true", 60, "--mem", "8M");
        Assert.True(run.Status == 70, run.ToString());
        Assert.Contains("not enough memory", run.Errors);
    }

    [Fact]
    public void The_first_user_instruction_comes_within_40_million()
    {
        Run run = Guest.Shell("true", 120, "--icount", "-v");
        Match ticks = Regex.Match(run.Errors, @"/init starts, (\d+) ticks");
        Assert.True(ticks.Success, run.ToString());
        Assert.InRange(long.Parse(ticks.Groups[1].Value), 1, 40_000_000);
    }
}
