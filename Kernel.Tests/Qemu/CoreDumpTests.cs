using System.IO.Compression;
using Xunit;
using Xunit.Abstractions;

namespace NanoVm.Tests.Qemu;

/// <summary>Core files of the guest, opened with the host's GDB. Without gcc and gdb on the host there is nothing to compare.</summary>
public sealed class CoreDumpTests(ITestOutputHelper output)
{
    [Fact]
    public void Gdb_shows_the_backtrace_threads_and_memory_of_a_guests_core()
    {
        using var compiled = HostProgram.Compile("crash.c");
        if (compiled.Path is not { } program || !HostProgram.Tool("gdb", "--version"))
        {
            output.WriteLine("no gcc or no gdb here");
            return;
        }

        // In one boot: whole; without private anonymous memory; cut by RLIMIT_CORE; with a name of its own. A program to pipe it to is refused.
        Run run = Guest.Script("run-qemu.sh", "--direct", "--timeout", "150", "--add", program, "--run",
            "cd /root; ulimit -c unlimited; ./crash; echo status $?; gzip -c core | base64; echo end; "
            + "echo 0x12 > /proc/self/coredump_filter; rm core; ./crash; ls -l core | awk '{print \"filtered\", ($5 < 1000000)}'; "
            + "ulimit -c 8; rm core; ./crash; ls -l core | awk '{print \"cut\", ($5 <= 8192)}'; "
            + "echo '/tmp/of-%e-%s-%%' > /proc/sys/kernel/core_pattern; ./crash; ls /tmp/of-*; "
            + "echo '|/bin/true' > /proc/sys/kernel/core_pattern || cat /proc/sys/kernel/core_pattern; (echo 7 > /proc/sys/kernel/version) 2>&1 | grep -o denied");
        string text = run.Text.Replace("\r", "");
        Assert.Contains("status 139\n", text);
        Assert.Contains("filtered 1\n", text);
        Assert.Contains("cut 1\n", text);
        Assert.Contains("/tmp/of-crash-11-%\n", text);
        Assert.EndsWith("/tmp/of-%e-%s-%%\ndenied\n", text);
        int start = text.IndexOf("status 139\n", StringComparison.Ordinal) + 11;
        byte[] packed = Convert.FromBase64String(text[start..text.IndexOf("end\n", start, StringComparison.Ordinal)].Replace("\n", ""));
        string core = program + ".core";
        using (var unpacked = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress))
        using (FileStream file = File.Create(core))
            unpacked.CopyTo(file);
        Assert.True(File.ReadAllBytes(core).AsSpan().IndexOf("left-out-of-core"u8) < 0, "MADV_DONTDUMP was not honoured");

        string told = Told("gdb", "-batch", "-ex", "bt", "-ex", "info threads", "-ex", "info auxv", "-ex", "info proc mappings", "-ex", "p kept", program, core);
        Assert.Matches(@"#0 .* in depth \(n=0, p=0x[0-9a-f]+ ""kept in the core""\) at .*crash\.c:11", told);
        Assert.Matches(@"#4 .* in main \(\)", told);
        Assert.Matches(@"\n\* 1 .*LWP \d+", told);
        Assert.Matches(@"\n  2 .*LWP \d+.* in pause", told);
        Assert.Matches(@"AT_ENTRY .*0x4", told);
        Assert.Matches(@"AT_EXECFN .*""\./crash""", told);
        Assert.Matches(@"0x400000 .*/root/crash", told);
    }

    private static string Told(string name, params string[] arguments)
    {
        var start = Guest.StartInfo(name, arguments);
        start.RedirectStandardOutput = true;
        using var process = System.Diagnostics.Process.Start(start)!;
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return text;
    }
}
