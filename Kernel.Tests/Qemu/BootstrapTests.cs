using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>tools/bootstrap.sh is called by every entry script: silent and quick where all is there, plain where something is not.</summary>
public sealed class BootstrapTests
{
    [Fact]
    public void Where_all_is_there_it_says_nothing()
    {
        Run run = Guest.Script("tools/bootstrap.sh");
        Assert.True(run.Status == 0 && run.Text == "" && run.Errors == "", run.ToString());
    }

    [Fact]
    public void Without_apt_and_an_SDK_it_names_what_to_install()
    {
        using var scratch = new Scratch();
        foreach (string command in (string[])["bash", "env", "id", "readlink"])
            File.CreateSymbolicLink(Path.Combine(scratch.Folder, command), "/usr/bin/" + command);
        Run run = Guest.Script("/usr/bin/env", "-u", "DOTNET_ROOT", "PATH=" + scratch.Folder, "bash", "tools/bootstrap.sh");
        Assert.Equal(1, run.Status);
        Assert.Contains("nasm", run.Errors);
        Assert.Contains(".NET 10 SDK", run.Errors);
    }
}
