using System.Diagnostics;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>The machine stops while files are written: what was synced is there afterwards.</summary>
/// <remarks><c>NANOVM_KILLS=50 dotnet test --filter CrashTests</c>: so many machines, with a mapped file of 300 MiB.</remarks>
public sealed class CrashTests
{
    private const int KillsOfEveryRun = 3;
    private static readonly int s_kills = int.TryParse(Environment.GetEnvironmentVariable("NANOVM_KILLS"), out int kills) ? kills : KillsOfEveryRun;

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(1, s_kills)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_was_synced_survives_a_killed_machine(int seed)
    {
        var random = new System.Random(seed);
        bool isLarge = s_kills > KillsOfEveryRun;
        string blockSize = (seed % 3) switch { 0 => "1024", 1 => "4096", _ => "2048" };
        using var scratch = new Scratch();
        string disk = DiskImage.MakeExt2(scratch, "disk", isLarge ? 400 : 96, "-b", blockSize);

        CrashLog log = RunAndKill(scratch, disk, seed, isLarge ? 300 : 32, lines: random.Next(20, isLarge ? 1200 : 300), random.Next(0, 200));
        Assert.True(log.Ended is null, log.Ended);

        // What was in flight is repaired; then nothing is wrong any more.
        Run repaired = HostTool.Run("/usr/sbin/e2fsck", "-fy", disk);
        Assert.True(repaired.Status is 0 or 1, repaired.ToString());
        Run clean = HostTool.Run("/usr/sbin/e2fsck", "-fn", disk);
        Assert.True(clean.Status == 0, clean.ToString());
        string copy = Directory.CreateDirectory(Path.Combine(scratch.Folder, "copy")).FullName;
        HostTool.Run("/usr/sbin/debugfs", "-R", $"rdump / {copy}", disk);
        List<string> wrong = log.Check(copy);
        Assert.True(wrong.Count == 0, $"{log.Lines} lines, {log.Synced} synced:\n{string.Join('\n', wrong)}\n{repaired.Text}");
        Assert.True(log.Synced > 0, $"nothing was synced in {log.Lines} lines");
    }

    private static CrashLog RunAndKill(Scratch scratch, string disk, int seed, int megabytes, int lines, int delay)
    {
        ProcessStartInfo start = Guest.StartInfo(Path.Combine(Architecture.Repository.Root, "run-qemu.sh"), ["--direct", "--mem", "128M", "--timeout", "150",
            "--disk", disk + ":/mnt", "--run", $"cd /mnt && exec /usr/lib/tests/diskstress {seed} {megabytes}"]);
        start.Environment["TMPDIR"] = scratch.Folder;        // a script that is killed does not clean up
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var log = new CrashLog();
        while (log.Lines < lines && process.StandardOutput.ReadLine() is { } line)
            log.Add(line);
        // Not always right behind a line: somewhere between two.
        System.Threading.Thread.Sleep(delay);
        process.Kill(entireProcessTree: true);
        while (process.StandardOutput.ReadLine() is { } line)
            log.Add(line);
        process.WaitForExit();
        return log;
    }
}
