using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Sharing;

/// <summary>Memory shared by name or by descriptor: System V segments, <c>memfd_create</c> with its seals, other processes' memory.</summary>
internal static unsafe class Program
{
    private const int Private = 0, Create = 0x200, Exclusive = 0x400;
    private const int RemoveId = 0, Set = 1, Stat = 2;
    private const int ReadOnly = 0x1000, Round = 0x2000, RemapFlag = 0x4000, Exec = 0x8000;
    private const int IdRemoved = -43;
    private const int CloseOnExec = 1, AllowSealing = 2;
    private const int AddSeals = 1033, GetSeals = 1034;
    private const int SealSeal = 1, SealShrink = 2, SealGrow = 4, SealWrite = 8, SealFutureWrite = 16;
    private const int Busy = -16;

    public static int Main() => Run(
        new("shmget makes private segments, each a new one", &ShmPrivate),
        new("shmget of a key: absent, made, found, refused", &ShmKey),
        new("shmget refuses sizes: zero, larger than what is there", &ShmSizes),
        new("shmat shows the same memory at two places", &ShmTwice),
        new("shmat at a given address", &ShmAddress),
        new("shmat refuses unaligned addresses, RND rounds them", &ShmRound),
        new("shmat into an area needs REMAP", &ShmRemap),
        new("shmat REMAP needs an address", &ShmRemapNull),
        new("shmat read-only", &ShmReadOnly),
        new("shmat executable", &ShmExec),
        new("A segment's size is rounded up to pages in memory, not in its description", &ShmDescription),
        new("Attachments are counted over fork and exit", &ShmCounted),
        new("A removed segment lives until its last detachment", &ShmRemoved),
        new("shmdt refuses what is no segment's beginning", &ShmDetachRefuses),
        new("shmdt removes all that is left of the mapping", &ShmDetachParts),
        new("munmap of a segment is a detachment", &ShmUnmapped),
        new("shmctl SET changes the mode, STAT tells it", &ShmSet),
        new("Bad ids are EINVAL, removed ones too", &ShmBadIds),
        new("maps shows a segment by its key", &ShmMaps),
        new("memfd refuses unknown flags and long names", &MemFdRefuses),
        new("memfd begins empty and grows", &MemFdGrows),
        new("memfd: a program is run from it while it is open for writing", &MemFdRuns),
        new("memfd appears in maps by its name", &MemFdName),
        new("Two mappings and a descriptor see the same bytes", &MemFdSame),
        new("A memfd without ALLOW_SEALING has the seal SEAL", &SealDefault),
        new("Seals on other files are EINVAL", &SealOthers),
        new("SHRINK and GROW hold", &SealSizes),
        new("WRITE holds against write, pwrite and fallocate", &SealWriteHolds),
        new("WRITE is EBUSY while a writable mapping is there", &SealWriteBusy),
        new("WRITE lets read-only shared mappings through, not to be made writable", &SealWriteMappings),
        new("A private mapping of a sealed memfd may be written", &SealPrivate),
        new("FUTURE_WRITE leaves old mappings writable and refuses new ones", &SealFuture),
        new("SEAL ends sealing", &SealEnds),
        new("Seals need a writable descriptor, and known bits", &SealChecks),
        new("Punching a hole in a memfd takes pages from mappings", &MemFdPunch),
        new("process_vm_readv reads a child's memory", &RemoteRead),
        new("process_vm_writev writes into a child's memory, not into the parent's", &RemoteWrite),
        new("process_vm_readv gathers and scatters", &RemoteVectors),
        new("process_vm_readv stops at a hole: partial, or EFAULT", &RemotePartial),
        new("process_vm_writev does not write read-only memory", &RemoteReadOnly),
        new("process_vm_readv: flags, counts, lengths, pids", &RemoteRefuses),
        new("process_vm_readv faults the target's pages in", &RemoteFaults));

    // ---- System V ------------------------------------------------------------------------------------------------------------------------

    private static int NewSegment(int pages) => ShmGet(Private, pages * Page, Create | 0x180);

    private static void ShmPrivate()
    {
        int a = NewSegment(1), b = NewSegment(1);
        Check(a >= 0 && b >= 0 && a != b);
        nint at = ShmAttach(a, 0, 0), other = ShmAttach(b, 0, 0);
        *(byte*)at = 1;
        Equal(0, At(other));
        ShmDetach(at);
        ShmDetach(other);
        Equal(0, ShmControl(a, RemoveId));
        Equal(0, ShmControl(b, RemoveId));
    }

    private static void ShmKey()
    {
        int key = 0x4e560000 + GetPid() % 0xffff;
        Equal(Errno.NoEntry, ShmGet(key, Page, 0));
        int id = ShmGet(key, Page, Create | Exclusive | 0x180);
        Check(id >= 0);
        Equal(id, ShmGet(key, Page, 0));
        Equal(id, ShmGet(key, 0, Create));
        Equal(Errno.Exists, ShmGet(key, Page, Create | Exclusive));
        Equal(0, ShmControl(id, RemoveId));
        Equal(Errno.NoEntry, ShmGet(key, Page, 0));
    }

    private static void ShmSizes()
    {
        int key = 0x4e570000 + GetPid() % 0xffff;
        Equal(Errno.Invalid, ShmGet(Private, 0, Create | 0x180));
        Equal(Errno.Invalid, ShmGet(Private, -1, Create | 0x180));
        int id = ShmGet(key, Page, Create | 0x180);
        Equal(Errno.Invalid, ShmGet(key, Page + 1, 0));
        Equal(id, ShmGet(key, 1, 0));
        ShmControl(id, RemoveId);
    }

    private static void ShmTwice()
    {
        int id = NewSegment(2);
        nint a = ShmAttach(id, 0, 0), b = ShmAttach(id, 0, 0);
        Check(a > 0 && b > 0 && a != b);
        *(byte*)(a + Page) = 66;
        Equal(66, At(b + Page));
        Equal(0, At(b));
        Look(a, "WW"u8);
        ShmDetach(a);
        Equal(66, At(b + Page));
        ShmDetach(b);
        ShmControl(id, RemoveId);
    }

    private static void ShmAddress()
    {
        int id = NewSegment(2);
        nint a = Room(2);
        Equal(a, ShmAttach(id, a, 0));
        Look(a - Page, ".WW."u8);
        Equal(0, ShmDetach(a));
        Look(a, ".."u8);
        ShmControl(id, RemoveId);
    }

    private static void ShmRound()
    {
        int id = NewSegment(1);
        nint a = Room(1);
        Equal(Errno.Invalid, ShmAttach(id, a + 5, 0));
        Equal(a, ShmAttach(id, a + 5, Round));
        Equal(Errno.Invalid, ShmDetach(a + 5));
        Equal(0, ShmDetach(a));
        ShmControl(id, RemoveId);
    }

    private static void ShmRemap()
    {
        int id = NewSegment(1);
        nint a = Alone(3);
        Touch(a, 3, 9);
        Equal(Errno.Invalid, ShmAttach(id, a + Page, 0));
        Equal(a + Page, ShmAttach(id, a + Page, RemapFlag));
        Equal(0, At(a + Page));
        Look(a, "w|W|w"u8);
        Equal(0, ShmDetach(a + Page));
        Drop(a, 3);
        ShmControl(id, RemoveId);
    }

    private static void ShmRemapNull()
    {
        int id = NewSegment(1);
        Equal(Errno.Invalid, ShmAttach(id, 0, RemapFlag));
        ShmControl(id, RemoveId);
    }

    private static void ShmReadOnly()
    {
        int id = NewSegment(1);
        nint a = ShmAttach(id, 0, ReadOnly);
        Look(a, "R"u8);
        Equal(Signal.Segmentation, Child.SignalOfWrite(a));
        Equal(Errno.Access, Mprotect(a, Page, Protection.ReadWrite));
        ShmDetach(a);
        ShmControl(id, RemoveId);
    }

    private static void ShmExec()
    {
        int id = ShmGet(Private, Page, Create | 0x1c0);
        nint a = ShmAttach(id, 0, Exec);
        Look(a, "A"u8);
        *(byte*)a = 0xc3;
        Equal(0, Child.SignalOfCall(a));
        ShmDetach(a);
        ShmControl(id, RemoveId);
    }

    /// <summary><c>struct shmid64_ds</c>: permissions 48 bytes, size, three times, two pids, attachments.</summary>
    private static long Described(int id, int offset)
    {
        byte* buffer = stackalloc byte[160];
        return ShmControl(id, Stat, buffer) == 0 ? *(long*)(buffer + offset) : -1;
    }

    private static long Attachments(int id) => Described(id, 88);

    private static void ShmDescription()
    {
        int id = ShmGet(Private, Page + 1, Create | 0x1a4);
        Equal(Page + 1, Described(id, 48));
        Equal(0x1a4, Described(id, 20) & 0x1ff);
        nint a = ShmAttach(id, 0, 0);
        Look(a, "WW"u8);
        Equal(0, At(a + 2 * Page - 1));
        Equal(GetPid(), Described(id, 80) & 0xffffffff);
        ShmDetach(a);
        ShmControl(id, RemoveId);
    }

    private static void ShmCounted()
    {
        int id = NewSegment(1);
        Equal(0, Attachments(id));
        nint a = ShmAttach(id, 0, 0), b = ShmAttach(id, 0, 0);
        Equal(2, Attachments(id));
        int pid = Linux.Fork();
        if (pid == 0)
            Exit((int)Attachments(id));
        Equal(4, Child.Status(pid));
        Equal(2, Attachments(id));
        ShmDetach(a);
        Equal(1, Attachments(id));
        ShmDetach(b);
        Equal(0, Attachments(id));
        ShmControl(id, RemoveId);
    }

    private static void ShmRemoved()
    {
        int key = 0x4e580000 + GetPid() % 0xffff;
        int id = ShmGet(key, Page, Create | 0x180);
        nint a = ShmAttach(id, 0, 0);
        *(byte*)a = 3;
        Equal(0, ShmControl(id, RemoveId));
        Equal(Errno.NoEntry, ShmGet(key, Page, 0));     // the key is free again
        Equal(3, At(a));
        Equal(0x200, Described(id, 20) & 0x200);        // SHM_DEST
        nint b = ShmAttach(id, 0, 0);
        Equal(3, At(b));
        ShmDetach(b);
        Equal(0, ShmDetach(a));
        Check(ShmControl(id, RemoveId) is Errno.Invalid or IdRemoved);
    }

    private static void ShmDetachRefuses()
    {
        int id = NewSegment(2);
        nint a = ShmAttach(id, 0, 0), b = Alone(1);
        Equal(Errno.Invalid, ShmDetach(a + Page));
        Equal(Errno.Invalid, ShmDetach(b));
        Equal(Errno.Invalid, ShmDetach(0));
        Equal(0, ShmDetach(a));
        Equal(Errno.Invalid, ShmDetach(a));
        Drop(b, 1);
        ShmControl(id, RemoveId);
    }

    private static void ShmDetachParts()
    {
        int id = NewSegment(4);
        nint a = Room(4);
        ShmAttach(id, a, 0);
        Drop(a + Page, 1);
        Mprotect(a + 2 * Page, Page, Protection.Read);
        Look(a, "W.R|W"u8);
        Equal(3, Attachments(id));
        Equal(0, ShmDetach(a));
        Look(a, "...."u8);
        Equal(0, Attachments(id));
        ShmControl(id, RemoveId);
    }

    private static void ShmUnmapped()
    {
        int id = NewSegment(1);
        nint a = ShmAttach(id, 0, 0);
        Equal(1, Attachments(id));
        Drop(a, 1);
        Equal(0, Attachments(id));
        ShmControl(id, RemoveId);
    }

    private static void ShmSet()
    {
        int id = NewSegment(1);
        byte* buffer = stackalloc byte[160];
        Equal(0, ShmControl(id, Stat, buffer));
        *(int*)(buffer + 20) = 0x1b0;
        Equal(0, ShmControl(id, Set, buffer));
        Equal(0x1b0, Described(id, 20) & 0x1ff);
        ShmControl(id, RemoveId);
    }

    private static void ShmBadIds()
    {
        Equal(Errno.Invalid, ShmAttach(-1, 0, 0));
        Equal(Errno.Invalid, ShmControl(-1, Stat, (void*)0));
        Equal(Errno.Invalid, ShmControl(-1, RemoveId));
        int id = NewSegment(1);
        ShmControl(id, RemoveId);
        Check(ShmAttach(id, 0, 0) is Errno.Invalid or IdRemoved);
        id = NewSegment(1);
        Equal(Errno.Invalid, ShmControl(id, 999));
        Equal(Errno.BadAddress, ShmControl(id, Stat, (void*)8));
        ShmControl(id, RemoveId);
    }

    private static void ShmMaps()
    {
        int key = 0x4e59abcd;
        int id = ShmGet(key, Page, Create | 0x180);
        nint a = ShmAttach(id, 0, 0);
        Equal(a, Areas.Named("/SYSV4e59abcd (deleted)"u8).Start);
        ShmDetach(a);
        ShmControl(id, RemoveId);
    }

    // ---- memfd ---------------------------------------------------------------------------------------------------------------------------

    private static void MemFdRefuses()
    {
        Equal(Errno.Invalid, MemFd("x"u8, 0x100));
        Equal(Errno.BadAddress, (int)Syscall.Call(319, 8, 0));
        Span<byte> name = stackalloc byte[251];
        name.Fill((byte)'a');
        name[250] = 0;
        Equal(Errno.Invalid, MemFd(name, 0));
        name[249] = 0;
        int file = MemFd(name, 0);
        Check(file >= 0);
        Close(file);
    }

    private static void MemFdRuns()
    {
        // The smallest program: exit(42), mapped at 4 MiB with its ELF header.
        ReadOnlySpan<byte> code = [0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05];
        byte* image = stackalloc byte[132];
        new Span<byte>(image, 132).Clear();
        *(uint*)image = 0x464c457f;
        *(uint*)(image + 4) = 0x00010102;
        *(uint*)(image + 16) = 2 | 62 << 16;            // ET_EXEC, x86-64
        *(uint*)(image + 20) = 1;
        *(ulong*)(image + 24) = 0x400000 + 120;
        *(ulong*)(image + 32) = 64;
        *(uint*)(image + 52) = 64 | 56 << 16;
        *(uint*)(image + 56) = 1 | 64 << 16;
        *(uint*)(image + 64) = 1;                       // PT_LOAD, readable and executable
        *(uint*)(image + 68) = 5;
        *(ulong*)(image + 80) = 0x400000;
        *(ulong*)(image + 88) = 0x400000;
        *(ulong*)(image + 96) = 132;
        *(ulong*)(image + 104) = 132;
        *(ulong*)(image + 112) = Page;
        code.CopyTo(new Span<byte>(image + 120, 12));
        int file = MemFd("program"u8, 0);
        Equal(132, Linux.Write(file, image, 132));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            byte nothing = 0;
            nint* words = stackalloc nint[2];
            words[1] = 0;
            words[0] = (nint)(&nothing);
            Exit((int)-Syscall.Call(322, file, (nint)(&nothing), (nint)words, (nint)(words + 1), 0x1000));
        }
        Equal(42, Child.Status(pid));
        Close(file);
    }

    private static void MemFdGrows()
    {
        int file = MemFd("suite"u8, 0);
        Equal(0, Seek(file, 0, 2));
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(Signal.Bus, Child.SignalOfRead(a));
        Equal(0, Truncate(file, Page + 1));
        Equal(0, At(a));
        Equal(0, At(a + Page));
        Equal(Page + 1, Seek(file, 0, 2));
        Drop(a, 2);
        Close(file);
    }

    private static void MemFdName()
    {
        int file = MemFd("a name"u8, CloseOnExec);
        Truncate(file, Page);
        nint a = Mmap(0, Page, Protection.Read, Map.Shared, file);
        Equal(a, Areas.Named("/memfd:a name (deleted)"u8).Start);
        Drop(a, 1);
        Equal(1, Fcntl(file, 1));
        Close(file);
    }

    private static void MemFdSame()
    {
        int file = MemFd("suite"u8, 0);
        Truncate(file, 2 * Page);
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file), b = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file, Page);
        *(byte*)(a + Page) = 5;
        Equal(5, At(b));
        byte value = 6;
        PositionedWrite(file, &value, 1, Page);
        Equal(6, At(b));
        *(byte*)b = 7;
        PositionedRead(file, &value, 1, Page);
        Equal(7, value);
        Drop(a, 2);
        Drop(b, 1);
        Close(file);
    }

    private static void SealDefault()
    {
        int file = MemFd("suite"u8, 0);
        Equal(SealSeal, Fcntl(file, GetSeals));
        Equal(Errno.NotPermitted, Fcntl(file, AddSeals, SealWrite));
        Close(file);
        file = MemFd("suite"u8, AllowSealing);
        Equal(0, Fcntl(file, GetSeals));
        Close(file);
    }

    private static void SealOthers()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        Equal(Errno.Invalid, Fcntl(ends[0], GetSeals));
        Equal(Errno.Invalid, Fcntl(ends[1], AddSeals, SealWrite));
        Close(ends[0]);
        Close(ends[1]);
    }

    private static int Sealable(int pages)
    {
        int file = MemFd("suite"u8, AllowSealing);
        Truncate(file, pages * Page);
        return file;
    }

    private static void SealSizes()
    {
        int file = Sealable(2);
        Equal(0, Fcntl(file, AddSeals, SealShrink));
        Equal(Errno.NotPermitted, Truncate(file, Page));
        Equal(0, Truncate(file, 3 * Page));
        Equal(0, Fcntl(file, AddSeals, SealGrow));
        Equal(Errno.NotPermitted, Truncate(file, 4 * Page));
        Equal(0, Truncate(file, 3 * Page));
        byte value = 1;
        Equal(Errno.NotPermitted, PositionedWrite(file, &value, 1, 3 * Page));
        Equal(1, PositionedWrite(file, &value, 1, 2 * Page));
        Equal(Errno.NotPermitted, Fallocate(file, 0, 3 * Page, Page));
        Equal(SealShrink | SealGrow, Fcntl(file, GetSeals));
        Close(file);
    }

    private static void SealWriteHolds()
    {
        int file = Sealable(2);
        byte value = 1;
        Equal(1, PositionedWrite(file, &value, 1, 0));
        Equal(0, Fcntl(file, AddSeals, SealWrite));
        Equal(Errno.NotPermitted, PositionedWrite(file, &value, 1, 0));
        Equal(Errno.NotPermitted, Linux.Write(file, &value, 1));
        Equal(Errno.NotPermitted, Fallocate(file, 3, 0, Page));
        Equal(0, Truncate(file, 3 * Page));
        Equal(1, PositionedRead(file, &value, 1, 0));
        Close(file);
    }

    private static void SealWriteBusy()
    {
        int file = Sealable(1);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        Equal(Busy, Fcntl(file, AddSeals, SealWrite));
        Equal(0, Fcntl(file, GetSeals));
        Mprotect(a, Page, Protection.Read);
        Equal(Busy, Fcntl(file, AddSeals, SealWrite));      // it could be made writable again
        Drop(a, 1);
        Equal(0, Fcntl(file, AddSeals, SealWrite));
        Close(file);
    }

    private static void SealWriteMappings()
    {
        int file = Sealable(1);
        Fcntl(file, AddSeals, SealWrite);
        Equal(Errno.NotPermitted, Mmap(0, Page, Protection.ReadWrite, Map.Shared, file));
        int pid = Linux.Fork();
        if (pid == 0)
        {
            // Linux 6.1 refuses the read-only mapping too, for its mprotect could not be refused; 6.7 and later allow it and refuse that.
            nint a = Mmap(0, Page, Protection.Read, Map.Shared, file);
            Exit(a == Errno.NotPermitted || Mprotect(a, Page, Protection.ReadWrite) == Errno.Access ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Close(file);
    }

    private static void SealPrivate()
    {
        int file = Sealable(1);
        Fcntl(file, AddSeals, SealWrite | SealShrink | SealGrow);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Private, file);
        Check(!IsError(a));
        *(byte*)a = 9;
        byte back = 1;
        PositionedRead(file, &back, 1, 0);
        Equal(0, back);
        Drop(a, 1);
        Close(file);
    }

    private static void SealFuture()
    {
        int file = Sealable(1);
        nint a = Mmap(0, Page, Protection.ReadWrite, Map.Shared, file);
        Equal(0, Fcntl(file, AddSeals, SealFutureWrite));
        *(byte*)a = 4;
        Equal(Errno.NotPermitted, Mmap(0, Page, Protection.ReadWrite, Map.Shared, file));
        nint b = Mmap(0, Page, Protection.Read, Map.Shared, file);
        Equal(4, At(b));
        Equal(Errno.Access, Mprotect(b, Page, Protection.ReadWrite));
        byte value = 1;
        Equal(Errno.NotPermitted, PositionedWrite(file, &value, 1, 0));
        Drop(a, 1);
        Drop(b, 1);
        Close(file);
    }

    private static void SealEnds()
    {
        int file = Sealable(1);
        Equal(0, Fcntl(file, AddSeals, SealSeal | SealGrow));
        Equal(Errno.NotPermitted, Fcntl(file, AddSeals, SealShrink));
        Equal(SealSeal | SealGrow, Fcntl(file, GetSeals));
        Close(file);
    }

    private static void SealChecks()
    {
        int file = Sealable(1);
        Equal(Errno.Invalid, Fcntl(file, AddSeals, 0x100));
        Equal(0, Fcntl(file, AddSeals, 0));
        Span<byte> path = stackalloc byte[32];
        "/proc/self/fd/"u8.CopyTo(path);
        if (file >= 10)
        {
            path[14] = (byte)('0' + file / 10);
            path[15] = (byte)('0' + file % 10);
        }
        else
        {
            path[14] = (byte)('0' + file);
        }
        int readOnly = Open(path, 0);
        Check(readOnly >= 0);
        Equal(Errno.NotPermitted, Fcntl(readOnly, AddSeals, SealWrite));
        Close(readOnly);
        Close(file);
    }

    private static void MemFdPunch()
    {
        int file = Sealable(3);
        nint a = Mmap(0, 3 * Page, Protection.ReadWrite, Map.Shared, file), b = Mmap(0, 3 * Page, Protection.ReadWrite, Map.Private, file);
        Touch(a, 3, 7);
        Touch(b + Page, 1, 8);
        Equal(0, Fallocate(file, 3, 0, 2 * Page));
        Equal(0, At(a));
        Equal(0, At(a + Page));
        Equal(7, At(a + 2 * Page));
        Equal(8, At(b + Page));     // its own copy
        Equal(0, At(b));
        Drop(a, 3);
        Drop(b, 3);
        Close(file);
    }

    // ---- other processes' memory -----------------------------------------------------------------------------------------------------------

    /// <summary>A child that lives until it is told to end by <see cref="EndSleeper"/>.</summary>
    private static int Sleeper()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            while (true)
                Syscall.Call(34);       // pause
        }
        return pid;
    }

    private static void EndSleeper(int pid)
    {
        Kill(pid, Signal.Kill);
        Child.Status(pid);
    }

    private static nint ReadOne(int pid, nint from, void* to, nint bytes)
    {
        nint* own = stackalloc nint[2], theirs = stackalloc nint[2];
        own[0] = (nint)to;
        own[1] = theirs[1] = bytes;
        theirs[0] = from;
        return ProcessRead(pid, own, 1, theirs, 1);
    }

    private static nint WriteOne(int pid, nint at, void* from, nint bytes)
    {
        nint* own = stackalloc nint[2], theirs = stackalloc nint[2];
        own[0] = (nint)from;
        own[1] = theirs[1] = bytes;
        theirs[0] = at;
        return ProcessWrite(pid, own, 1, theirs, 1);
    }

    private static void RemoteRead()
    {
        nint a = Alone(1);
        Touch(a, 1, 41);
        int pid = Sleeper();
        Touch(a, 1, 1);
        byte value = 0;
        Equal(1, ReadOne(pid, a, &value, 1));
        Equal(41, value);
        EndSleeper(pid);
        Drop(a, 1);
    }

    private static void RemoteWrite()
    {
        nint a = Alone(2);
        Touch(a, 2, 1);
        int pid = Sleeper();
        long value = 0x1122334455667788;
        Equal(8, WriteOne(pid, a + Page - 4, &value, 8));
        long back = 0;
        Equal(8, ReadOne(pid, a + Page - 4, &back, 8));
        Equal(value, back);
        Equal(0, At(a + Page - 1));
        Equal(1, At(a + Page));
        EndSleeper(pid);
        Drop(a, 2);
    }

    private static void RemoteVectors()
    {
        nint a = Alone(3);
        for (int i = 0; i < 3 * Page; i++)
            ((byte*)a)[i] = (byte)(i * 7);
        byte* to = stackalloc byte[300];
        nint* own = stackalloc nint[6], theirs = stackalloc nint[4];
        own[0] = (nint)to; own[1] = 50;
        own[2] = (nint)(to + 50); own[3] = 0;
        own[4] = (nint)(to + 50); own[5] = 250;
        theirs[0] = a + Page - 100; theirs[1] = 200;
        theirs[2] = a + 2 * Page; theirs[3] = 60;
        Equal(260, ProcessRead(GetPid(), own, 3, theirs, 2));
        bool good = true;
        for (int i = 0; i < 200; i++)
            good &= to[i] == (byte)((Page - 100 + i) * 7);
        for (int i = 0; i < 60; i++)
            good &= to[200 + i] == (byte)((2 * Page + i) * 7);
        Check(good);
        Drop(a, 3);
    }

    private static void RemotePartial()
    {
        nint a = Alone(2);
        Drop(a + Page, 1);
        byte* to = stackalloc byte[200];
        Equal(100, ReadOne(GetPid(), a + Page - 100, to, 200));
        Equal(Errno.BadAddress, ReadOne(GetPid(), a + Page, to, 200));
        Equal(Errno.BadAddress, WriteOne(GetPid(), a + Page, to, 200));
        Drop(a, 1);
    }

    private static void RemoteReadOnly()
    {
        nint a = Alone(1, Protection.Read);
        byte value = 1;
        Equal(Errno.BadAddress, WriteOne(GetPid(), a, &value, 1));
        Equal(1, ReadOne(GetPid(), a, &value, 1));
        Mprotect(a, Page, Protection.None);
        Equal(Errno.BadAddress, ReadOne(GetPid(), a, &value, 1));
        Drop(a, 1);
    }

    private static void RemoteRefuses()
    {
        nint* vector = stackalloc nint[2];
        byte value = 0;
        vector[0] = (nint)(&value);
        vector[1] = 1;
        Equal(Errno.Invalid, ProcessRead(GetPid(), vector, 1, vector, 1, 1));
        Equal(Errno.Invalid, ProcessRead(GetPid(), vector, 2000, vector, 1));
        Equal(Errno.Invalid, ProcessRead(GetPid(), vector, 1, vector, 2000));
        Equal(0, ProcessRead(GetPid(), vector, 0, vector, 1));
        Equal(0, ProcessRead(GetPid(), vector, 1, vector, 0));
        Equal(Errno.NoSuchProcess, ProcessRead(0x3fffff, vector, 1, vector, 1));
        Equal(Errno.BadAddress, ProcessRead(GetPid(), (nint*)8, 1, vector, 1));
        nint* negative = stackalloc nint[2];
        negative[0] = vector[0];
        negative[1] = -1;
        Equal(Errno.Invalid, ProcessRead(GetPid(), negative, 1, vector, 1));
    }

    private static void RemoteFaults()
    {
        nint a = Alone(4);
        byte* to = stackalloc byte[8];
        Equal(8, WriteOne(GetPid(), a + Page, to, 8));
        Equal(8, ReadOne(GetPid(), a + 2 * Page, to, 8));
        Equal(2, Resident(a, 4));
        Equal(4, Proc.Smaps(a, "Anonymous"u8));
        Drop(a, 4);
    }
}
