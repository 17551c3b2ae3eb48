using System.Threading.Tasks;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The command line of run-qemu.sh is a contract (README.md): what it prints, where, and what it ends with.</summary>
public sealed class ContractTests
{
    [Theory]
    [InlineData("true", 0)]
    [InlineData("exit 7", 7)]
    [InlineData("exit 255", 255)]
    [InlineData("kill -SEGV $$", 139)]
    [InlineData("kill -TERM $$", 143)]
    [InlineData("/no/such/program", 127)]
    public void A_command_ends_the_machine_with_its_status(string command, int status)
    {
        Run run = Guest.Shell(command);
        Assert.True(run.Status == status, run.ToString());
    }

    [Fact]
    public void Standard_output_is_the_commands_to_the_byte()
    {
        Run run = Guest.Shell(@"printf 'a\nb\r\n\tc\377\0\001d'");
        Assert.Equal([.. "a\nb\r\n\tc"u8, 0xff, 0, 1, .. "d"u8], run.Output);
    }

    [Fact]
    public void A_long_output_arrives_whole()
    {
        Run run = Guest.Shell("seq 1 20000");
        Assert.Equal(string.Concat(Enumerable.Range(1, 20000).Select(n => n + "\n")), run.Text);
    }

    [Fact]
    public void The_command_is_passed_byte_for_byte()
    {
        Run run = Guest.Shell("cat <<'E'\n\"quoted\" $HOME `x` \\ %s ä\nE\necho 'two  spaces'\n");
        Assert.Equal("\"quoted\" $HOME `x` \\ %s ä\ntwo  spaces\n", run.Text);
    }

    [Fact]
    public void Nobody_types_where_there_is_no_terminal()
    {
        Run run = Guest.Shell("read line; echo $?; cat; echo end of input; tty < /dev/tty", seconds: 20);
        Assert.Equal("1\nend of input\n/dev/tty\n", run.Text);
    }

    [Fact]
    public void What_is_piped_in_is_left_to_others()
    {
        // As in a loop over the lines of a file: the machine must not eat them. The command finds its input empty.
        Run run = Guest.Script("/bin/bash", "-c", "printf 'one\\ntwo\\n' | { ./run-qemu.sh --direct --timeout 120 --run 'cat; echo end'; cat; }");
        Assert.True(run.Status == 0 && run.Text == "end\none\ntwo\n", run.ToString());
    }

    [Fact]
    public void A_timeout_ends_the_machine_with_124()
    {
        Run run = Guest.Shell("echo begun; sleep 1000", seconds: 5);
        Assert.True(run.Status == 124, run.ToString());
        Assert.Equal("begun\n", run.Text);
    }

    [Theory]
    [InlineData("--nonsense")]
    [InlineData("nonsense")]
    [InlineData("--run")]
    [InlineData("--add", "/does/not/exist", "--run", "true")]
    [InlineData("--add", "/etc/passwd:relative", "--run", "true")]
    [InlineData("--add", "/etc/passwd:/a/../../b", "--run", "true")]
    [InlineData("--with", "/does/not/exist", "--run", "true")]
    [InlineData("--disk", "/does/not/exist")]
    [InlineData("--disk", "/etc")]
    [InlineData("--mem", "lots")]
    [InlineData("--mem", "0")]
    [InlineData("--mem", "-1M")]
    [InlineData("--swap", "1Q")]
    [InlineData("--timeout", "0", "--run", "true")]
    [InlineData("--timeout", "soon", "--run", "true")]
    [InlineData("--gdb=high")]
    [InlineData("--gdb=70000")]
    [InlineData("--test", "two words")]
    [InlineData("--direct", "--uefi")]
    [InlineData("--icount", "--kvm")]
    [InlineData("--test", "--run", "true")]
    [InlineData("--append", "one\ntwo")]
    public void A_wrong_argument_is_one_line_on_standard_error_and_status_2(params string[] arguments)
    {
        Run run = Guest.Script("run-qemu.sh", arguments);
        Assert.True(run.Status == 2, run.ToString());
        Assert.Empty(run.Output);
        Assert.Single(run.Errors.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void Help_names_every_option()
    {
        Run run = Guest.Script("run-qemu.sh", "--help");
        Assert.Equal(0, run.Status);
        foreach (string option in (string[])["--run", "--timeout", "--add", "--with", "--disk", "--test", "--gdb", "--direct", "--uefi",
            "--mem", "--swap", "--append", "--icount", "--kvm", "-v", "-- QEMU"])
            Assert.Contains(option, run.Text);
    }

    [Fact]
    public void Added_files_keep_their_modes_and_folders_their_contents()
    {
        using var scratch = new Scratch();
        string script = scratch.Write("s.sh", "#!/bin/sh\necho ran \"$@\"\n",
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead);
        scratch.Write("d/e/f", "in");
        File.CreateSymbolicLink(Path.Combine(scratch.Folder, "d/link"), "e/f");
        string folder = Path.Combine(scratch.Folder, "d");
        Run run = Guest.Shell(
            "/opt/s.sh 1; stat -c '%a %u:%g' /opt/s.sh; cat /root/d/e/f /opt/x/d/link; readlink /root/d/link; /root/s.sh 2", 120,
            "--add", script + ":/opt/s.sh", "--add", folder, "--add", folder + ":/opt/x/", "--add", script);
        Assert.Equal("ran 1\n740 0:0\ninine/f\nran 2\n", run.Text);
    }

    [Fact]
    public void A_file_can_be_added_right_below_the_root()
    {
        using var scratch = new Scratch();
        Assert.Equal("top", Guest.Shell("cat /top.txt", 120, "--add", scratch.Write("f", "top") + ":/top.txt").Text);
    }

    [Fact]
    public void An_added_file_replaces_the_guests_own()
    {
        using var scratch = new Scratch();
        Run run = Guest.Shell("cat /etc/hostname", 120, "--add", scratch.Write("name", "other\n") + ":/etc/hostname");
        Assert.Equal("other\n", run.Text);
    }

    [Fact]
    public void Added_files_never_leave_the_guest_through_a_link()
    {
        using var scratch = new Scratch();
        string outside = Path.Combine(scratch.Folder, "outside");
        Directory.CreateDirectory(outside);
        scratch.Write("d/file", "x");
        File.CreateSymbolicLink(Path.Combine(scratch.Folder, "d/out"), outside);
        string folder = Path.Combine(scratch.Folder, "d");
        Run run = Guest.Script("run-qemu.sh", "--direct", "--add", folder, "--add", folder + "/file:/root/d/out/file", "--run", "true");
        Assert.True(run.Status == 2, run.ToString());
        Assert.Empty(Directory.GetFileSystemEntries(outside));
    }

    [Fact]
    public void A_dynamic_program_comes_with_its_libraries()
    {
        Run run = Guest.Shell("/bin/bash -c 's=0; for ((i=1;i<=100;i++)); do ((s+=i)); done; echo sum $s'", 120, "--with", "/bin/bash");
        Assert.Equal("sum 5050\n", run.Text);
    }

    [Fact]
    public async Task Machines_that_run_at_once_do_not_disturb_each_other()
    {
        Run[] runs = await Task.WhenAll(Enumerable.Range(1, 3).Select(n => Task.Run(() => Guest.Shell($"echo {n}; exit {n}"))));
        Assert.Equal(["1\n", "2\n", "3\n"], runs.Select(r => r.Text));
        Assert.Equal([1, 2, 3], runs.Select(r => r.Status));
    }

    [Fact]
    public void Words_of_append_reach_the_kernels_command_line()
    {
        Run run = Guest.Shell("cat /proc/cmdline", 120, "--append", "norandmaps some=word");
        Assert.Contains("norandmaps some=word", run.Text);
    }

    [Theory]
    [InlineData("64M")]
    [InlineData("3G")]
    public void Memory_is_what_was_asked_for(string size)
    {
        Run run = Guest.Shell("awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo", 120, "--mem", size);
        int asked = size == "3G" ? 3072 : 64;
        Assert.InRange(int.Parse(run.Text), asked * 3 / 4, asked);
    }
}
