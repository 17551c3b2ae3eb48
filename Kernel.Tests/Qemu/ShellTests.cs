using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The shell on the serial line, used as a person would.</summary>
public sealed class ShellTests
{
    private static Terminal Boot(ushort rows = 24, ushort columns = 80)
    {
        var terminal = new Terminal("./run-qemu.sh", ["--direct", "--timeout", "120"], rows, columns);
        terminal.WaitForPrompt();
        return terminal;
    }

    [Fact]
    public void Lines_are_edited_and_remembered()
    {
        using Terminal terminal = Boot();
        Assert.Equal("42x", terminal.Command("echo $((6*7))x").Trim());
        terminal.Type("echo abcd\x7f\x7fXY\n");
        terminal.WaitFor(@"\nabXY");
        terminal.WaitForPrompt();
        terminal.Type("\x1b[A\n");
        terminal.WaitFor(@"\nabXY");
        terminal.WaitForPrompt();
    }

    [Fact]
    public void Control_C_ends_a_command_and_the_shell_lives_on()
    {
        using Terminal terminal = Boot();
        // The command itself says that it has begun: a shell that says so may not have put it into the foreground yet.
        terminal.Type("sh -c 'echo begun; exec sleep 1000'\n");
        terminal.WaitFor(@"\nbegun");
        terminal.Type("\x03");
        terminal.WaitForPrompt();
        Assert.Equal("after-130", terminal.Command("echo after-$?").Trim());
    }

    [Fact]
    public void Control_Z_stops_a_job_that_can_be_listed_and_ended()
    {
        using Terminal terminal = Boot();
        terminal.Type("echo ready; cat\n");
        terminal.WaitFor(@"\nready");
        terminal.Type("seen\n");
        terminal.WaitFor(@"seen\r*\nseen");
        terminal.Type("\x1a");
        terminal.WaitFor("Stopped");
        terminal.WaitForPrompt();
        Assert.Contains("cat", terminal.Command("jobs"));
        Assert.Contains("gone", terminal.Command("kill %1; fg; echo gone"));
        terminal.Type("poweroff -f\n");
        Assert.Equal(0, terminal.WaitForEnd());
    }

    [Fact]
    public void Control_D_ends_input_and_at_last_the_machine()
    {
        using Terminal terminal = Boot();
        terminal.Type("echo ready; cat\n");
        terminal.WaitFor(@"\nready");
        terminal.Type("line\n");
        terminal.WaitFor(@"line\r*\nline");
        terminal.Type("\x04");
        terminal.WaitForPrompt();
        terminal.Type("\x04");
        Assert.Equal(0, terminal.WaitForEnd());
    }

    [Fact]
    public void The_window_has_the_size_of_the_hosts()
    {
        using Terminal terminal = Boot(rows: 33, columns: 101);
        Assert.Equal("33 101", terminal.Command("stty size").Trim());
    }

    [Fact]
    public void A_screen_editor_works()
    {
        using Terminal terminal = Boot();
        terminal.Type("vi /tmp/f\n");
        terminal.WaitFor(@"/tmp/f 1/1");    // its status line: from here on it reads keys
        terminal.Type("ihello vi\x1b");
        terminal.WaitFor(@"\[Modified\].*\x1b\[1;8H");    // it has left insert mode: the cursor stands on the last letter
        terminal.Type(":wq\n");
        terminal.WaitForPrompt();
        Assert.Equal("hello vi", terminal.Command("cat /tmp/f").Trim());
    }

    [Theory]
    [InlineData("poweroff")]
    [InlineData("poweroff -f")]
    [InlineData("reboot")]
    [InlineData("halt")]
    [InlineData("exit")]
    public void The_machine_ends_when_it_is_told_to(string command)
    {
        using Terminal terminal = Boot();
        terminal.Type(command + "\n");
        Assert.Equal(0, terminal.WaitForEnd());
    }
}
