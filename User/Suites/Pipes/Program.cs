using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Pipes;

/// <summary>Pipes beyond read and write: moved inside the kernel, watched by epoll, opened anew by their descriptor's name.</summary>
internal static unsafe class Program
{
    private const int SpliceNonBlocking = 2, WriteOnly = 1, Create = 0x40, Truncating = 0x200, NonBlocking = 0x800;
    private const uint In = 1, Out = 4, EdgeTriggered = 0x8000_0000;

    public static int Main() => Run(
        new("splice moves from pipe to pipe", &SplicesBetween),
        new("splice moves part of a page and keeps the rest", &SplicesPart),
        new("splice moves from a pipe to a file and back", &SplicesFile),
        new("splice that may not wait does not", &SpliceDoesNotWait),
        new("splice refuses what it cannot do", &SpliceErrors),
        new("tee copies and takes nothing out", &Tees),
        new("vmsplice fills and empties a pipe", &VmSplices),
        new("The size of a pipe is asked and changed", &Sizes),
        new("Edge-triggered epoll reports changes only", &EdgesOnly),
        new("A pipe opened by its descriptor's name waits for nobody", &OpenedByName),
        new("Shells write to pipes by their descriptor's name, with CREAT", &CreatedByName),
        new("Bytes sent with a descriptor end a read, those before it do not", &FilesInStream),
        new("A peer that closes without reading resets the connection", &ResetByPeer),
        new("Event files have no position and say so quietly", &NoPosition));

    private static nint Splice(int from, nint* fromAt, int to, nint* toAt, nint bytes, int flags = 0)
        => Syscall.Call(275, from, (nint)fromAt, to, (nint)toAt, bytes, flags);

    private static nint Tee(int from, int to, nint bytes, int flags = 0) => Syscall.Call(276, from, to, bytes, flags);

    private static void Put(int file, ReadOnlySpan<byte> text)
    {
        fixed (byte* p = text)
            Equal(text.Length, Linux.Write(file, p, text.Length));
    }

    private static bool Gives(int file, ReadOnlySpan<byte> text)
    {
        Span<byte> back = stackalloc byte[64];
        fixed (byte* p = back)
        {
            nint got = Linux.Read(file, p, 64);
            return got == text.Length && back[..(int)got].SequenceEqual(text);
        }
    }

    private static void SplicesBetween()
    {
        int* a = stackalloc int[2], b = stackalloc int[2];
        Pipe(a);
        Pipe(b);
        Put(a[1], "first"u8);
        Equal(5, Splice(a[0], null, b[1], null, 100));
        Put(a[1], "second"u8);
        Equal(6, Splice(a[0], null, b[1], null, 100));
        Check(Gives(b[0], "firstsecond"u8));
        Close(a[1]);
        Equal(0, Splice(a[0], null, b[1], null, 100));       // the last writer has gone
        Close(a[0]);
        Close(b[0]);
        Close(b[1]);
    }

    private static void SplicesPart()
    {
        int* a = stackalloc int[2], b = stackalloc int[2];
        Pipe(a);
        Pipe(b);
        Put(a[1], "0123456789"u8);
        Equal(4, Splice(a[0], null, b[1], null, 4));
        Check(Gives(b[0], "0123"u8));
        Check(Gives(a[0], "456789"u8));
        CloseBoth(a, b);
    }

    private static void SplicesFile()
    {
        int* a = stackalloc int[2];
        Pipe(a);
        int file = Open("/tmp/suite-pipes"u8, 2 | Create | Truncating, 0x180);
        Put(a[1], "from the pipe"u8);
        nint at = 3;
        Equal(13, Splice(a[0], null, file, &at, 100));
        Equal(16, at);
        Equal(0, Seek(file, 0, 1));
        at = 8;
        Equal(8, Splice(file, &at, a[1], null, 100));
        Equal(16, at);
        Check(Gives(a[0], "the pipe"u8));
        Equal(16, Splice(file, null, a[1], null, 100));
        Equal(16, Seek(file, 0, 1));
        Close(file);
        Close(a[0]);
        Close(a[1]);
        Unlink("/tmp/suite-pipes"u8);
    }

    private static void SpliceDoesNotWait()
    {
        int* a = stackalloc int[2], b = stackalloc int[2];
        Pipe(a);
        Pipe(b);
        int file = Open("/tmp/suite-pipes"u8, 2 | Create | Truncating, 0x180);
        Equal(Errno.TryAgain, Splice(a[0], null, file, null, 4, SpliceNonBlocking));
        Equal(Errno.TryAgain, Splice(a[0], null, b[1], null, 4, SpliceNonBlocking));
        Equal(Errno.TryAgain, Tee(a[0], b[1], 4, SpliceNonBlocking));
        Close(file);
        Unlink("/tmp/suite-pipes"u8);
        CloseBoth(a, b);
    }

    private static void SpliceErrors()
    {
        int* a = stackalloc int[2];
        Pipe(a);
        nint at = 0;
        int file = Open("/tmp/suite-pipes"u8, 2 | Create | Truncating, 0x180);
        Put(a[1], "x"u8);
        Equal(0, Splice(a[0], null, file, null, 0));
        Equal(Errno.Invalid, Splice(file, null, file, null, 4));
        Equal(Errno.Invalid, Splice(a[0], null, a[1], null, 4));
        Equal(Errno.Invalid, Tee(a[0], a[1], 4));
        Equal(Errno.Invalid, Tee(a[0], file, 4));
        Equal(Errno.Invalid, Splice(a[0], null, file, null, 4, 16));
        Equal(Errno.IllegalSeek, Splice(a[0], &at, file, null, 4));
        Equal(Errno.BadDescriptor, Splice(a[1], null, file, null, 4));
        Equal(Errno.BadDescriptor, Splice(999, null, file, null, 4));
        Close(file);
        Unlink("/tmp/suite-pipes"u8);
        Close(a[0]);
        Close(a[1]);
    }

    private static void Tees()
    {
        int* a = stackalloc int[2], b = stackalloc int[2];
        Pipe(a);
        Pipe(b);
        Put(a[1], "twice"u8);
        Equal(5, Tee(a[0], b[1], 100));
        Check(Gives(b[0], "twice"u8));
        Equal(2, Tee(a[0], b[1], 2));
        Put(a[1], "!"u8);
        Check(Gives(b[0], "tw"u8));
        Check(Gives(a[0], "twice!"u8));
        CloseBoth(a, b);
    }

    private static void VmSplices()
    {
        int* a = stackalloc int[2];
        Pipe(a);
        byte* text = stackalloc byte[4] { (byte)'a', (byte)'b', (byte)'c', (byte)'d' };
        nint* vectors = stackalloc nint[4] { (nint)text, 2, (nint)(text + 2), 2 };
        Equal(4, Syscall.Call(278, a[1], (nint)vectors, 2, 0));
        Check(Gives(a[0], "abcd"u8));
        Equal(Errno.TryAgain, Syscall.Call(278, a[0], (nint)vectors, 2, SpliceNonBlocking));
        Close(a[0]);
        Close(a[1]);
    }

    private static void Sizes()
    {
        const int SetSize = 1031, GetSize = 1032;
        int* a = stackalloc int[2];
        Pipe(a);
        Equal(65536, Syscall.Call(72, a[1], GetSize, 0));
        Equal(8192, Syscall.Call(72, a[0], SetSize, 5000));
        Equal(8192, Syscall.Call(72, a[1], GetSize, 0));
        Equal(4096, Syscall.Call(72, a[0], SetSize, 1));
        Close(a[0]);
        Close(a[1]);
    }

    private static nint Watch(int poll, int file, uint events)
    {
        byte* record = stackalloc byte[12];
        *(uint*)record = events;
        *(long*)(record + 4) = file;
        return Syscall.Call(233, poll, 1, file, (nint)record);
    }

    /// <summary>The events of the one file that is ready; 0 when none is.</summary>
    private static uint Ready(int poll)
    {
        byte* records = stackalloc byte[12 * 4];
        return Syscall.Call(232, poll, (nint)records, 4, 0) == 1 ? *(uint*)records : 0;
    }

    private static void EdgesOnly()
    {
        int* a = stackalloc int[2];
        Pipe(a);
        int poll = (int)Syscall.Call(291, 0);
        Equal(0, Watch(poll, a[1], Out | EdgeTriggered));
        Equal(Out, Ready(poll));
        Equal(0u, Ready(poll));
        Put(a[1], "x"u8);
        Equal(0u, Ready(poll));                             // a write makes no room
        Check(Gives(a[0], "x"u8));
        Equal(0u, Ready(poll));                             // and there was room all the time
        Close(poll);
        poll = (int)Syscall.Call(291, 0);
        Equal(0, Watch(poll, a[0], In | EdgeTriggered));
        Equal(0u, Ready(poll));
        Put(a[1], "ab"u8);
        Equal(In, Ready(poll));
        byte b;
        Equal(1, Linux.Read(a[0], &b, 1));
        Equal(0u, Ready(poll));                             // a rest that was there before is no news
        Put(a[1], "c"u8);
        Equal(In, Ready(poll));
        Close(poll);
        Close(a[0]);
        Close(a[1]);
    }

    private static int OpenAgain(int file, int flags)
    {
        Span<byte> name = stackalloc byte[32];
        "/proc/self/fd/"u8.CopyTo(name);
        name.Slice(14).Clear();
        int at = 14;
        if (file >= 10)
            name[at++] = (byte)('0' + file / 10);
        name[at] = (byte)('0' + file % 10);
        return Open(name, flags, 0x180);
    }

    private static void OpenedByName()
    {
        int* a = stackalloc int[2];
        Pipe(a);
        Put(a[1], "left"u8);
        Close(a[1]);
        int again = OpenAgain(a[0], 0);                     // as "cat <(echo left)" does when echo was faster
        Check(again >= 0);
        Check(Gives(again, "left"u8));
        Check(Gives(again, ""u8));
        Close(again);
        Close(a[0]);
    }

    private static void CreatedByName()
    {
        int* a = stackalloc int[2];
        Pipe(a);
        int again = OpenAgain(a[1], WriteOnly | Create | Truncating);
        Check(again >= 0);
        Put(again, "through"u8);
        Check(Gives(a[0], "through"u8));
        Equal(Errno.Exists, OpenAgain(a[1], WriteOnly | Create | 0x80));
        Close(again);
        Close(a[0]);
        Close(a[1]);
    }

    /// <summary>Sends one byte with a descriptor beside it.</summary>
    private static void SendWithFile(int socket, byte value, int file)
    {
        nint* vector = stackalloc nint[2] { (nint)(&value), 1 };
        nint* control = stackalloc nint[3] { 20, 1 | (nint)1 << 32, file };                  // cmsghdr: length, SOL_SOCKET and SCM_RIGHTS
        nint* message = stackalloc nint[7] { 0, 0, (nint)vector, 1, (nint)control, 24, 0 };
        Equal(1, Syscall.Call(46, socket, (nint)message, 0));
    }

    private static void FilesInStream()
    {
        int* pair = stackalloc int[2];
        Equal(0, Syscall.Call(53, 1, 1 | NonBlocking, 0, (nint)pair));
        Put(pair[0], "a"u8);
        SendWithFile(pair[0], (byte)'b', pair[0]);
        Put(pair[0], "c"u8);
        Check(Gives(pair[1], "ab"u8));
        Check(Gives(pair[1], "c"u8));
        Close(pair[0]);
        Check(Gives(pair[1], ""u8));                        // the descriptor that nobody took holds nothing open
        Close(pair[1]);
    }

    private static void ResetByPeer()
    {
        const int connectionReset = -104;
        int* pair = stackalloc int[2];
        Equal(0, Syscall.Call(53, 1, 1, 0, (nint)pair));
        Put(pair[0], "unread"u8);
        Close(pair[1]);
        byte b;
        Equal(connectionReset, Linux.Read(pair[0], &b, 1));
        Equal(0, Linux.Read(pair[0], &b, 1));
        Close(pair[0]);
    }

    private static void NoPosition()
    {
        int* a = stackalloc int[2];
        Pipe(a);
        Equal(Errno.IllegalSeek, Seek(a[0], 0, 0));
        int events = (int)Syscall.Call(290, 0, NonBlocking);
        Equal(0, Seek(events, 5, 0));
        Close(events);
        Close(a[0]);
        Close(a[1]);
    }

    private static void CloseBoth(int* a, int* b)
    {
        Close(a[0]);
        Close(a[1]);
        Close(b[0]);
        Close(b[1]);
    }
}
