using System.Diagnostics.CodeAnalysis;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using Microsoft.Win32.SafeHandles;

namespace NanoVm.Tests.Qemu;

/// <summary>A person at a terminal: types at a program and waits for what it shows.</summary>
/// <remarks>
/// The terminal is a pseudo-terminal of this machine. The program leads a session of its own, so that the terminal which it opens
/// first becomes its controlling one. What it shows is collected by a thread; waiting means waiting for that thread, not for time.
/// </remarks>
public sealed partial class Terminal : IDisposable
{
    private const int ReadWrite = 2, NoControllingTerminal = 0x100, SetWindowSize = 0x5414, GetSession = 0x5429, SIGTERM = 15;
    private const string CursorQuestion = "\x1b[6n";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly FileStream _master;
    private readonly Process _process;
    private readonly Thread _collector;
    private readonly object _lock = new();
    private readonly StringBuilder _everything = new();
    private int _seen;
    private bool _ended;

    /// <summary>Starts a program on a terminal of the given size.</summary>
    public Terminal(string program, string[] arguments, ushort rows = 24, ushort columns = 80)
    {
        int master = posix_openpt(ReadWrite | NoControllingTerminal);
        if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
            throw new IOException("no pseudo-terminal can be had");
        var name = new byte[64];
        if (ptsname_r(master, name, (nuint)name.Length) != 0)
            throw new IOException("the pseudo-terminal has no name");
        string terminal = Encoding.ASCII.GetString(name).TrimEnd('\0');
        ushort[] size = [rows, columns, 0, 0];
        ioctl(master, SetWindowSize, size);
        _master = new FileStream(new SafeFileHandle(master, ownsHandle: true), FileAccess.ReadWrite, bufferSize: 0);

        ProcessStartInfo start = Guest.StartInfo("setsid",
            ["--wait", "sh", "-c", "terminal=$1; shift; exec \"$@\" <>\"$terminal\" >&0 2>&0", "sh", terminal, program, .. arguments]);
        _process = Process.Start(start)!;
        _collector = new Thread(Collect) { IsBackground = true };
        _collector.Start();
    }

    /// <summary>Everything shown so far.</summary>
    public string Screen
    {
        get
        {
            lock (_lock)
                return _everything.ToString();
        }
    }

    /// <summary>Types keys as they are: <c>\n</c> is Enter, <c>\x03</c> is ^C.</summary>
    public void Type(string keys)
    {
        _master.Write(Encoding.UTF8.GetBytes(keys));
        _master.Flush();
    }

    /// <summary>Waits until something that matches is shown, and takes it and all before it as seen.</summary>
    public Match WaitFor([StringSyntax("Regex")] string pattern)
    {
        long deadline = Stopwatch.GetTimestamp() + (long)(Patience.TotalSeconds * Stopwatch.Frequency);
        lock (_lock)
        {
            while (true)
            {
                string unseen = _everything.ToString(_seen, _everything.Length - _seen);
                Match match = Regex.Match(unseen, pattern);
                if (match.Success)
                {
                    _seen += match.Index + match.Length;
                    return match;
                }
                TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline);
                if (_ended || left <= TimeSpan.Zero || !Monitor.Wait(_lock, left))
                    throw new TimeoutException($"waited for {pattern}{(_ended ? ", but the machine ended" : "")}; on the screen:\n{_everything.Replace("\x1b", "<ESC>").Replace("\r", "<CR>")}");
            }
        }
    }

    /// <summary>Types a line at a prompt and waits for the next prompt; what came between, without the echo of the line.</summary>
    public string Command(string line)
    {
        Type(line + "\n");
        WaitFor(Regex.Escape(line[^Math.Min(line.Length, 20)..]) + @"(\x1b\[J)?\r*\n");
        string shown = WaitForPrompt();
        return shown.Replace("\r", "");
    }

    /// <summary>Waits for the shell's prompt; what was shown before it.</summary>
    /// <remarks>The shell's line editor asks for the cursor's place when it waits for keys: from then on nothing typed is lost.</remarks>
    public string WaitForPrompt() => WaitFor(@"(?s)(.*?)\S* # \x1b\[6n").Groups[1].Value;

    /// <summary>Waits until the program has ended, and returns its status.</summary>
    public int WaitForEnd()
    {
        if (!_process.WaitForExit(Patience))
            throw new TimeoutException("the machine did not end; on the screen:\n" + Screen);
        return _process.ExitCode;
    }

    /// <summary>Hangs up: the leader of the terminal's session, which is the program, is told to end, and ends its machine.</summary>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            int[] session = [0];
            if (ioctl((int)_master.SafeFileHandle.DangerousGetHandle(), GetSession, session) == 0)
                kill(session[0], SIGTERM);
            else
                _process.Kill();
        }
        _process.WaitForExit();
        _process.Dispose();
        _collector.Join(Patience);
        _master.Dispose();
    }

    private void Collect()
    {
        var buffer = new byte[4096];
        var decoder = Encoding.UTF8.GetDecoder();
        var characters = new char[4096];
        while (true)
        {
            int got;
            try
            {
                got = _master.Read(buffer);
            }
            catch (IOException)
            {
                got = 0;    // Linux: EIO, when nobody has the other end open any more
            }
            lock (_lock)
            {
                _ended = got == 0;
                int before = Math.Max(_everything.Length - CursorQuestion.Length + 1, 0);
                _everything.Append(characters, 0, decoder.GetChars(buffer, 0, got, characters, 0));
                // A line editor asks where the cursor is; a terminal answers, before anybody types on.
                if (_everything.ToString(before, _everything.Length - before).Contains(CursorQuestion))
                    Type("\x1b[5;9R");
                Monitor.PulseAll(_lock);
            }
            if (got == 0)
                return;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int posix_openpt(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int grantpt(int terminal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unlockpt(int terminal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ptsname_r(int terminal, byte[] name, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int file, nuint request, ushort[] size);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int file, nuint request, [In, Out] int[] number);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int process, int signal);
}
