using System.Diagnostics;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>A short command of the host's.</summary>
internal static class HostTool
{
    public static Run Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        return new Run(process.ExitCode, output.ToArray(), errors.Result);
    }
}

/// <summary>Disks for guests, made and checked by the host's own ext2 tools.</summary>
internal static class DiskImage
{
    /// <summary>A sparse file.</summary>
    public static string Make(Scratch scratch, string name, int megabytes)
    {
        string path = scratch.Write(name, "");
        using FileStream file = File.OpenWrite(path);
        file.SetLength(megabytes * 1024L * 1024);
        return path;
    }

    /// <summary>A disk with an empty ext2 as <c>mke2fs</c> makes it by default, and with further options.</summary>
    public static string MakeExt2(Scratch scratch, string name, int megabytes, params string[] options)
    {
        string path = Make(scratch, name, megabytes);
        Run made = HostTool.Run("/usr/sbin/mke2fs", ["-q", "-F", "-t", "ext2", .. options, path]);
        Assert.True(made.Status == 0, made.ToString());
        return path;
    }

    /// <summary>The file system is clean, as e2fsck says without being allowed to change anything.</summary>
    public static void AssertClean(string path)
    {
        Run check = HostTool.Run("/usr/sbin/e2fsck", "-fn", path);
        Assert.True(check.Status == 0, check.ToString());
    }
}
