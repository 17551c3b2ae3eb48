using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Files;

/// <summary>Files and pipes as far as every program uses them.</summary>
internal static unsafe class Program
{
    private const int WriteOnly = 1, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, Truncating = 0x200, Append = 0x400, NonBlocking = 0x800, Directory = 0x10000, NoFollow = 0x20000;

    public static int Main()
    {
        MakeDirectory("/tmp/suite-files"u8, 0x1ed);
        fixed (byte* path = "/tmp/suite-files"u8)
            Syscall.Call(80, (nint)path);
        int status = Run(
            new("What is written is read", &WrittenIsRead),
            new("A hole reads as zeros", &HoleIsZero),
            new("Opening says what is wrong", &OpenErrors),
            new("EXCL refuses what exists", &ExclusiveCreate),
            new("APPEND writes at the end", &Appends),
            new("Truncate cuts and extends with zeros", &TruncateBoth),
            new("A program that runs cannot be cut or written", &RunningProgram),
            new("A removed file lives while it is open", &RemovedButOpen),
            new("A hard link is the same file", &HardLinks),
            new("Symbolic links are followed, loops are not", &SymbolicLinks),
            new("Rename replaces, and refuses what it must", &Renames),
            new("Only an empty directory is removed", &Directories),
            new("A descriptor's copy shares its position", &SharedPosition),
            new("Bad descriptors and bad seeks are refused", &BadDescriptors),
            new("A pipe keeps the order and ends when the writer closes", &PipeOrder),
            new("An empty pipe that may not wait says EAGAIN", &PipeEmpty),
            new("A full pipe that may not wait says EAGAIN", &PipeFull),
            new("The devices null, zero and full behave", &Devices),
            new("Many descriptors can be open", &ManyDescriptors),
            new("F_GETFL shows what a file was opened with", &OpenedWith));
        RemoveDirectory("/tmp/suite-files"u8);
        return status;
    }

    private static int Make(ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
    {
        int file = Open(name, ReadWrite | Create | Truncating, 0x1a4);
        fixed (byte* p = text)
            Linux.Write(file, p, text.Length);
        return file;
    }

    private static bool Holds(int file, ReadOnlySpan<byte> text)
    {
        Span<byte> back = stackalloc byte[64];
        fixed (byte* p = back)
        {
            nint got = PositionedRead(file, p, 64, 0);
            return got >= 0 && back.Slice(0, (int)got).SequenceEqual(text);
        }
    }

    private static void WrittenIsRead()
    {
        int file = Make("f"u8, "hello"u8);
        Check(file >= 0 && Holds(file, "hello"u8));
        Equal(5, Seek(file, 0, 1));
        Equal(0, Seek(file, 0, 0));
        byte b;
        Equal(1, Linux.Read(file, &b, 1));
        Equal('h', b);
        Close(file);
        Unlink("f"u8);
    }

    private static void HoleIsZero()
    {
        int file = Make("f"u8, ""u8);
        byte b = 7;
        Equal(1, PositionedWrite(file, &b, 1, 100_000));
        long value = 1;
        Equal(8, PositionedRead(file, &value, 8, 50_000));
        Equal(0, value);
        Equal(100_001, Seek(file, 0, 2));
        Equal(0, PositionedRead(file, &value, 8, 200_000));
        Close(file);
        Unlink("f"u8);
    }

    private static void OpenErrors()
    {
        Close(Make("f"u8, ""u8));
        Equal(Errno.NoEntry, Open("none"u8, 0));
        Equal(Errno.NoEntry, Open("\0"u8, 0));
        Equal(Errno.NotDirectory, Open("f/x"u8, 0));
        Equal(Errno.NotDirectory, Open("f"u8, Directory));
        Equal(Errno.IsDirectory, Open("/tmp"u8, WriteOnly));
        Equal(Errno.NotDirectory, Open("f/"u8, 0));
        Unlink("f"u8);
    }

    private static void ExclusiveCreate()
    {
        int file = Open("f"u8, ReadWrite | Create | Exclusive, 0x1a4);
        Check(file >= 0);
        Equal(Errno.Exists, Open("f"u8, ReadWrite | Create | Exclusive, 0x1a4));
        Close(file);
        Unlink("f"u8);
    }

    private static void Appends()
    {
        Close(Make("f"u8, "one"u8));
        int file = Open("f"u8, ReadWrite | Append);
        fixed (byte* p = "two"u8)
            Linux.Write(file, p, 3);
        Check(Holds(file, "onetwo"u8));
        Close(file);
        Unlink("f"u8);
    }

    private static void TruncateBoth()
    {
        int file = Make("f"u8, "abcdef"u8);
        Equal(0, Truncate(file, 3));
        Equal(0, Truncate(file, 5));
        Check(Holds(file, "abc\0\0"u8));
        Equal(Errno.Invalid, Truncate(file, -1));
        Close(file);
        Unlink("f"u8);
    }

    private static void RunningProgram()
    {
        const int textBusy = -26;
        Equal(textBusy, Open("/proc/self/exe"u8, ReadWrite));
        Equal(textBusy, Open("/proc/self/exe"u8, Truncating));              // reading only, and yet it would be cut
        Equal(textBusy, Open("/proc/self/exe"u8, WriteOnly | Create | Truncating, 0x1ed));
        fixed (byte* path = "/proc/self/exe"u8)
            Equal(textBusy, Syscall.Call(76, (nint)path, 0));
    }

    private static void RemovedButOpen()
    {
        int file = Make("f"u8, "alive"u8);
        Equal(0, Unlink("f"u8));
        Equal(Errno.NoEntry, Open("f"u8, 0));
        Check(Holds(file, "alive"u8));
        Close(file);
    }

    private static void HardLinks()
    {
        int file = Make("f"u8, "x"u8);
        Equal(0, Link("f"u8, "g"u8));
        Equal(Errno.Exists, Link("f"u8, "g"u8));
        Unlink("f"u8);
        int other = Open("g"u8, 0);
        Check(Holds(other, "x"u8));
        Close(other);
        Close(file);
        Unlink("g"u8);
    }

    private static void SymbolicLinks()
    {
        Close(Make("f"u8, "target"u8));
        Equal(0, SymbolicLink("f"u8, "l"u8));
        int file = Open("l"u8, 0);
        Check(Holds(file, "target"u8));
        Close(file);
        Equal(Errno.Loop, Open("l"u8, NoFollow));
        SymbolicLink("m"u8, "m"u8);
        Equal(Errno.Loop, Open("m"u8, 0));
        Unlink("l"u8);
        Unlink("m"u8);
        Unlink("f"u8);
    }

    private static void Renames()
    {
        Close(Make("f"u8, "new"u8));
        Close(Make("g"u8, "old"u8));
        Equal(0, Rename("f"u8, "g"u8));
        Equal(Errno.NoEntry, Open("f"u8, 0));
        int file = Open("g"u8, 0);
        Check(Holds(file, "new"u8));
        Close(file);
        MakeDirectory("d"u8, 0x1ed);
        MakeDirectory("d/e"u8, 0x1ed);
        Equal(Errno.IsDirectory, Rename("g"u8, "d"u8));
        Equal(Errno.NotDirectory, Rename("d"u8, "g"u8));
        Equal(Errno.Invalid, Rename("d"u8, "d/e/x"u8));
        MakeDirectory("h"u8, 0x1ed);
        Equal(Errno.NotEmpty, Rename("h"u8, "d"u8));
        Equal(0, Rename("d"u8, "h"u8));
        RemoveDirectory("h/e"u8);
        RemoveDirectory("h"u8);
        Unlink("g"u8);
    }

    private static void Directories()
    {
        Equal(0, MakeDirectory("d"u8, 0x1ed));
        Equal(Errno.Exists, MakeDirectory("d"u8, 0x1ed));
        Equal(Errno.NoEntry, MakeDirectory("x/y"u8, 0x1ed));
        Close(Make("d/f"u8, ""u8));
        Equal(Errno.NotEmpty, RemoveDirectory("d"u8));
        Equal(Errno.IsDirectory, Unlink("d"u8));
        Unlink("d/f"u8);
        Equal(0, RemoveDirectory("d"u8));
    }

    private static void SharedPosition()
    {
        int file = Make("f"u8, "abcd"u8);
        Seek(file, 0, 0);
        Equal(60, Dup2(file, 60));
        byte b;
        Linux.Read(file, &b, 1);
        Linux.Read(60, &b, 1);
        Equal('b', b);
        int pid = Fork();
        if (pid == 0)
            Exit((int)Linux.Read(60, &b, 1));
        Equal(1, Child.Status(pid));
        Linux.Read(file, &b, 1);
        Equal('d', b);
        Close(60);
        Close(file);
        Unlink("f"u8);
    }

    private static void BadDescriptors()
    {
        byte b;
        Equal(Errno.BadDescriptor, Linux.Read(700, &b, 1));
        Equal(Errno.BadDescriptor, Close(700));
        Equal(Errno.BadDescriptor, Dup2(700, 5));
        int file = Make("f"u8, "x"u8);
        Equal(Errno.Invalid, Seek(file, -1, 0));
        Equal(Errno.Invalid, Seek(file, 0, 99));
        Close(file);
        file = Open("f"u8, 0);
        Equal(Errno.BadDescriptor, Linux.Write(file, &b, 1));
        Close(file);
        int* ends = stackalloc int[2];
        Pipe(ends);
        Equal(Errno.IllegalSeek, Seek(ends[0], 0, 0));
        Close(ends[0]);
        Close(ends[1]);
        Unlink("f"u8);
    }

    private static void PipeOrder()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Fork();
        if (pid == 0)
        {
            Close(ends[0]);
            for (int i = 0; i < 50_000; i++)
                if (Linux.Write(ends[1], &i, 4) != 4)
                    Exit(1);
            Exit(0);
        }
        Close(ends[1]);
        nint memory = Mmap(0, 1 << 18, Protection.ReadWrite, Map.PrivateAnonymous);
        nint length = 0, got;
        while ((got = Linux.Read(ends[0], (byte*)memory + length, (1 << 18) - length)) > 0)
            length += got;
        Equal(200_000, length);
        bool inOrder = true;
        for (int i = 0; i < 50_000; i++)
            inOrder &= ((int*)memory)[i] == i;
        Check(inOrder);
        Equal(0, Child.Status(pid));
        Close(ends[0]);
        Munmap(memory, 1 << 18);
    }

    private static void PipeEmpty()
    {
        int* ends = stackalloc int[2];
        Syscall.Call(293, (nint)ends, NonBlocking);
        byte b;
        Equal(Errno.TryAgain, Linux.Read(ends[0], &b, 1));
        Close(ends[1]);
        Equal(0, Linux.Read(ends[0], &b, 1));
        Close(ends[0]);
    }

    private static void PipeFull()
    {
        int* ends = stackalloc int[2];
        Syscall.Call(293, (nint)ends, NonBlocking);
        byte* page = stackalloc byte[Page];
        nint written, total = 0;
        while ((written = Linux.Write(ends[1], page, Page)) > 0)
            total += written;
        Equal(Errno.TryAgain, written);
        Equal(65536, total);
        Close(ends[0]);
        Close(ends[1]);
    }

    private static void Devices()
    {
        long value = 5;
        int nothing = Open("/dev/null"u8, ReadWrite), zero = Open("/dev/zero"u8, ReadWrite), full = Open("/dev/full"u8, ReadWrite);
        Equal(8, Linux.Write(nothing, &value, 8));
        Equal(0, Linux.Read(nothing, &value, 8));
        Equal(-28, Linux.Write(full, &value, 8));
        Equal(8, Linux.Read(zero, &value, 8));
        Equal(0, value);
        Close(nothing);
        Close(zero);
        Close(full);
    }

    private static void ManyDescriptors()
    {
        int* files = stackalloc int[500];
        bool all = true;
        for (int i = 0; i < 500; i++)
            all &= (files[i] = Open("/dev/null"u8, 0)) >= 0;
        Check(all);
        Close(files[100]);
        Close(files[50]);
        Equal(files[50], Open("/dev/null"u8, 0));       // always the lowest free number
        for (int i = 0; i < 500; i++)
            Close(files[i]);
    }

    private static void OpenedWith()
    {
        const int ReadWrite = 2, LargeFile = 0x8000, TemporaryFile = 0x410000, CloseOnExec = 0x80000, Directory = 0x10000, GetFlags = 3;
        fixed (byte* path = "/tmp"u8)
        {
            int file = (int)Syscall.Call(2, (nint)path, TemporaryFile | ReadWrite | CloseOnExec, 0x180);
            Equal(TemporaryFile | ReadWrite | LargeFile, (int)Syscall.Call(72, file, GetFlags, 0) | LargeFile);
            Close(file);
            file = (int)Syscall.Call(2, (nint)path, Directory, 0);
            Equal(Directory | LargeFile, (int)Syscall.Call(72, file, GetFlags, 0) | LargeFile);
            Close(file);
        }
    }
}
