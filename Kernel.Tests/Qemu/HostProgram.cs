using System.Diagnostics;
using NanoVm.Tests.Architecture;

namespace NanoVm.Tests.Qemu;

/// <summary>A C program of <c>Kernel.Tests/Qemu/Programs</c>, compiled with the host's gcc into a folder that goes with this object.</summary>
internal sealed class HostProgram : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nanovm-test-").FullName;

    private HostProgram()
    {
    }

    /// <summary>The program, static; null when the host has no gcc.</summary>
    public string? Path { get; private set; }

    public static HostProgram Compile(string source)
    {
        var program = new HostProgram();
        string path = System.IO.Path.Combine(program._folder, System.IO.Path.GetFileNameWithoutExtension(source));
        if (Tool("gcc", "-g", "-O0", "-static", "-pthread", "-o", path, SourceOf(source)))
            program.Path = path;
        return program;
    }

    /// <summary>A file of <c>Kernel.Tests/Qemu/Programs</c>.</summary>
    public static string SourceOf(string name) => System.IO.Path.Combine(Repository.Root, "Kernel.Tests", "Qemu", "Programs", name);

    /// <summary>Runs a program of the host; false when there is none or it failed.</summary>
    public static bool Tool(string name, params string[] arguments)
    {
        try
        {
            ProcessStartInfo start = Guest.StartInfo(name, arguments);
            start.RedirectStandardOutput = true;
            using Process process = Process.Start(start)!;
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
