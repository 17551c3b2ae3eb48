using NanoVm.Tests.Architecture;
using Xunit;
using Xunit.Abstractions;

namespace NanoVm.Tests.Qemu;

/// <summary>Programs that nobody wrote for NanoVM: C programs of any kind, and Debian's own, unmodified. What the host does not have is left out.</summary>
public sealed class ProgramTests(ITestOutputHelper output)
{
    private const string Python = "/usr/bin/python3", Perl = "/usr/bin/perl", Sqlite = "/usr/bin/sqlite3", Bash = "/bin/bash";

    [Fact]
    public void Ten_thousand_areas_three_hundred_sharers_a_thousand_threads_and_refused_calls()
    {
        using var compiled = HostProgram.Compile("scale.c");
        if (compiled.Path is not { } program)
        {
            output.WriteLine("no gcc here");
            return;
        }
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "150", "--add", program, "--run", "/root/scale");
        Assert.True(run.Status == 0 && run.Text.Contains("all held"), run.ToString());
    }

    [Fact]
    public void Python_maps_files_forks_starts_threads_and_checks_sums()
    {
        string[] folders = Directory.Exists("/usr/lib") ? Directory.GetDirectories("/usr/lib", "python3.*") : [];
        if (!File.Exists(Python) || folders.Length == 0)
        {
            output.WriteLine("no python3 here");
            return;
        }
        string[] library = folders.SelectMany(folder => new[] { "--add", folder + ":" + folder }).ToArray();
        Run run = Guest.Script("run-qemu.sh", ["--direct", "--timeout", "170", "--mem", "1G", "--with", Python, .. library, "--add", HostProgram.SourceOf("maps.py"), "--run", "python3 -B /root/maps.py"]);
        Assert.True(run.Status == 0 && run.Text.Contains("python held"), run.ToString());
    }

    [Fact]
    public void Bash_perl_and_sqlite_give_what_they_give_on_the_host()
    {
        string[] programs = new[] { Bash, Perl, Sqlite }.Where(File.Exists).ToArray();
        string script = HostProgram.SourceOf("programs.sh");
        Run run = Guest.Script("run-qemu.sh", ["--direct", "--timeout", "150", .. programs.SelectMany(p => new[] { "--with", p }), "--add", script, "--run", "bash /root/programs.sh"]);
        Assert.True(run.Status == 0, run.ToString());
        Assert.Equal(Guest.Script("Kernel.Tests/Qemu/Programs/programs.sh").Text, run.Text.Replace("\r", ""));
    }

    [Fact]
    public void A_dotnet_program_runs_on_the_hosts_own_runtime()
    {
        string runtime = System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory();
        string root = Path.GetFullPath(runtime + "../../..");
        string program = Path.Combine(Repository.Root, "User/managed/obj/out");
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "170", "--mem", "1G", "--with", root + "/dotnet", "--with", root + "/host/fxr", "--with", runtime,
            "--add", program + ":/root/managed", "--run", root + "/dotnet /root/managed/managed.dll");
        Assert.True(run.Status == 0 && run.Text.Contains("yes  a null reference is an exception"), run.ToString());
    }

    [Fact]
    public void Procps_reads_our_proc()
    {
        string[] programs = new[] { "/usr/bin/pmap", "/usr/bin/vmstat", "/usr/bin/top", "/usr/bin/free", "/usr/bin/slabtop" };
        if (!programs.All(File.Exists))
        {
            output.WriteLine("no procps here");
            return;
        }
        Run run = Guest.Script("run-qemu.sh", ["--direct", "--timeout", "150", .. programs.SelectMany(p => new[] { "--with", p }), "--run", """
            export TERM=dumb
            /usr/bin/pmap -X 1 | tail -1 | awk '{print $2}' > /tmp/rss
            awk '/^Rss/ {s += $2} END {print s}' /proc/1/smaps > /tmp/smaps
            cmp /tmp/rss /tmp/smaps && echo same
            /usr/bin/pmap -XX 1 | grep -q VmFlags && echo flags
            /usr/bin/vmstat 1 2 | tail -1 | awk '{print "vmstat", NF}'
            /usr/bin/top -b -n 1 | grep -q 'PID USER' && echo top ok
            /usr/bin/free -k | awk '/Mem/ {print "free", ($2 > 100000)}'
            /usr/bin/slabtop -o | grep -q vm_area && echo slabtop ok
            """]);
        string text = run.Text.Replace("\r", "");
        foreach (string line in new[] { "same", "flags", "vmstat 17", "top ok", "free 1", "slabtop ok" })
            Assert.True(text.Split('\n').Contains(line), $"no '{line}' in\n{run}");
    }
}
