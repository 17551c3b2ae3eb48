using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace NanoVm.User.Managed;

/// <summary>
/// What a .NET runtime asks of virtual memory: a heap that is reserved long before it is used, code that is written in one mapping and run in
/// another, null references that are page faults, arithmetic that ends in a signal, threads, mapped files, a child process.
/// </summary>
/// <remarks>
/// An ordinary program for an ordinary runtime, unlike its neighbours in User/, which bring theirs along. On NanoVM:
/// <code>
/// ./run-qemu.sh --mem 1G --with dotnet --with /usr/share/dotnet/host/fxr --with /usr/share/dotnet/shared/Microsoft.NETCore.App \
///               --add User/managed/obj/out:/root/managed --run 'dotnet /root/managed/managed.dll'
/// </code>
/// </remarks>
internal static class Program
{
    private static int s_failed;

    public static async Task<int> Main()
    {
        Console.WriteLine($"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription}");
        Expect("400 MB of arrays go through a heap that keeps 30", Garbage() == 300);
        Expect("a null reference is an exception", Throws<NullReferenceException>(() => Length(null)));
        Expect("an integer division by zero is an exception", Throws<DivideByZeroException>(() => Divide(7, 0)));
        Expect("a thousand exceptions come through ten frames each", Enumerable.Range(0, 1000).All(_ => Throws<InvalidOperationException>(() => Deep(10))));
        Expect("threads add up", Sum(64) == Enumerable.Range(0, 64).Sum(i => (long)i) * 1000);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => Task.Delay(i % 7)));
        Expect("a hundred timers fire", true);
        Expect("what is stored in a mapped file is read from the file", MappedFile());
        Expect("a child process answers", Child() == "hi\n");
        Console.WriteLine($"{Line("VmSize")} of address space, {Line("VmRSS")} of it in memory");
        return s_failed;
    }

    private static void Expect(string what, bool holds)
    {
        Console.WriteLine($"{(holds ? "yes" : "NO ")}  {what}");
        s_failed += holds ? 0 : 1;
    }

    private static int Garbage()
    {
        var kept = new List<byte[]>();
        for (int i = 0; i < 4000; i++)
        {
            kept.Add(new byte[100_000]);
            if (kept.Count > 300)
                kept.RemoveAt(0);
        }
        GC.Collect();
        return kept.Count;
    }

    private static bool Throws<T>(Action what)
        where T : Exception
    {
        try
        {
            what();
            return false;
        }
        catch (T)
        {
            return true;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Length(string? text) => text!.Length;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Divide(int a, int b) => a / b;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Deep(int frames) => frames == 0 ? throw new InvalidOperationException() : Deep(frames - 1) + 1;

    private static long Sum(int workers)
    {
        long sum = 0;
        Parallel.For(0, workers, worker =>
        {
            for (int i = 0; i < 1000; i++)
                Interlocked.Add(ref sum, worker);
        });
        return sum;
    }

    private static bool MappedFile()
    {
        const int Bytes = 1 << 20;
        string path = Path.GetTempFileName();
        File.WriteAllBytes(path, new byte[Bytes]);
        using (MemoryMappedFile file = MemoryMappedFile.CreateFromFile(path))
        using (MemoryMappedViewAccessor view = file.CreateViewAccessor())
        {
            for (int at = 0; at < Bytes; at += sizeof(long))
                view.Write(at, (long)at);
            view.Flush();
        }
        byte[] read = File.ReadAllBytes(path);
        File.Delete(path);
        return Enumerable.Range(0, Bytes / sizeof(long)).All(i => BitConverter.ToInt64(read, i * sizeof(long)) == i * sizeof(long));
    }

    private static string Child()
    {
        using Process child = Process.Start(new ProcessStartInfo("echo", "hi") { RedirectStandardOutput = true })!;
        string answer = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return answer;
    }

    private static string Line(string name)
        => File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal))[(name.Length + 1)..].Trim();
}
