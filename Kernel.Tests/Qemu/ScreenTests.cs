using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using NanoVm.Tests.Architecture;
using Xunit;

namespace NanoVm.Tests.Qemu;

/// <summary>What a program draws through its mapping of <c>/dev/fb0</c> is what QEMU's screen shows.</summary>
public sealed class ScreenTests
{
    [Fact]
    public void A_picture_drawn_by_stores_is_on_the_screen_and_the_kernels_text_keeps_off_it()
    {
        using var scratch = new Scratch();
        string socket = Path.Combine(scratch.Folder, "monitor");
        string picture = Path.Combine(scratch.Folder, "screen.ppm");
        ProcessStartInfo start = Guest.StartInfo(Path.Combine(Repository.Root, "run-qemu.sh"), ["--direct", "--timeout", "60",
            "--run", "exec 3<>/dev/fb0; paint && echo '<0>over it?' > /dev/kmsg && echo drawn; sleep 50",
            "--", "-monitor", $"unix:{socket},server=on,wait=off"]);
        start.RedirectStandardOutput = true;
        using Process machine = Process.Start(start)!;
        var said = new StringBuilder();
        while (machine.StandardOutput.ReadLine() is { } line && line != "drawn")
            said.AppendLine(line);
        ScreenDump(socket, picture);
        machine.Kill(entireProcessTree: true);
        machine.WaitForExit();

        byte[] dump = File.ReadAllBytes(picture);
        string header = Encoding.ASCII.GetString(dump, 0, 15);
        Assert.True(header == "P6\n1024 768\n255", header + said);
        int pixels = dump.Length - 1024 * 768 * 3;
        Assert.Equal((0, 0, 254), Pixel(0, 0));
        Assert.Equal((128, 0, 126), Pixel(512, 0));
        Assert.Equal((255, 255, 255), Pixel(1023, 767));
        Assert.Equal((100, 200, 33), Pixel(400, 600));

        (int Red, int Green, int Blue) Pixel(int x, int y)
        {
            int at = pixels + (y * 1024 + x) * 3;
            return (dump[at], dump[at + 1], dump[at + 2]);
        }
    }

    // The monitor answers with its prompt when a command is done.
    private static void ScreenDump(string socket, string file)
    {
        using var monitor = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        monitor.Connect(new UnixDomainSocketEndPoint(socket));
        monitor.ReceiveTimeout = 30_000;
        ReadPrompt(monitor);
        monitor.Send(Encoding.ASCII.GetBytes($"screendump {file}\n"));
        ReadPrompt(monitor);
    }

    private static void ReadPrompt(Socket monitor)
    {
        byte[] buffer = new byte[4096];
        var text = new StringBuilder();
        while (!text.ToString().EndsWith("(qemu) ", StringComparison.Ordinal) && monitor.Receive(buffer) is > 0 and int got)
            text.Append(Encoding.ASCII.GetString(buffer, 0, got));
    }
}
