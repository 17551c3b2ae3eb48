using System.Diagnostics;
using System.Text;
using NanoVm.Tests.Architecture;

namespace NanoVm.Tests.Qemu;

/// <summary>How one run of a script ended, with all that it wrote.</summary>
public sealed record Run(int Status, byte[] Output, string Errors)
{
    /// <summary>Standard output as text, line ends as they came.</summary>
    public string Text => Encoding.UTF8.GetString(Output);

    /// <summary>For a failure's message: everything there is to see.</summary>
    public override string ToString() => $"status {Status}\n--- output\n{Text}\n--- errors\n{Errors}";
}

/// <summary>Runs the project's entry scripts, each on a machine of its own, as somebody at a shell would.</summary>
public static class Guest
{
    // For a script that hangs in spite of its machine's own --timeout: longer than any test gives that.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    /// <summary>Boots by <c>--direct</c>, with no terminal and with a limit of <paramref name="seconds"/>, and runs a shell command.</summary>
    public static Run Shell(string command, int seconds = 120, params string[] options) =>
        Script("run-qemu.sh", ["--direct", "--timeout", seconds.ToString(), .. options, "--run", command]);

    /// <summary>Runs a script of the repository with empty standard input.</summary>
    public static Run Script(string script, params string[] arguments) => Script(Patience, script, arguments);

    /// <summary>The same for one that has much to do.</summary>
    public static Run Script(TimeSpan patience, string script, params string[] arguments)
    {
        ProcessStartInfo start = StartInfo(Path.Combine(Repository.Root, script), arguments);
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        var output = new MemoryStream();
        var copied = process.StandardOutput.BaseStream.CopyToAsync(output);
        if (!process.WaitForExit(patience))
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            throw new TimeoutException($"{script} {string.Join(' ', arguments)} did not end");
        }
        copied.Wait();
        return new Run(process.ExitCode, output.ToArray(), errors.Result);
    }

    /// <summary>A process started in the repository's folder; the scripts do not build, for the test run has built.</summary>
    internal static ProcessStartInfo StartInfo(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = Repository.Root };
        start.Environment["NANOVM_BUILT"] = "1";
        start.Environment["TERM"] = "vt100";
        return start;
    }
}

/// <summary>A folder for a test's own files, gone with it.</summary>
public sealed class Scratch : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("nanovm-test-").FullName;

    /// <summary>Writes a file with a mode such as 0755 (as an octal literal's decimal value) and returns its path.</summary>
    public string Write(string name, string text, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        string path = Path.Combine(Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, mode);
        return path;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
