using System;
using NanoVm.User.Suites;
using static NanoVm.User.Ktap;

namespace NanoVm.User.Tools.DiskCases;

/// <summary>Cases of names, links, times and numbers: what holds on every file system, so <c>diskcases DIRECTORY names</c> runs them on a tmpfs, too.</summary>
internal static unsafe partial class Program
{
    private const int At = -100, NoEntry = -2, Busy = -16, Exists = -17, OtherDevice = -18, NotDirectory = -20, IsDirectory = -21;
    private const int NotEmpty = -39, NotSupported = -95, NotPermitted = -1, NameTooLong = -36;
    private const int NoReplace = 1, Exchange = 2, Whiteout = 4;
    private const int TemporaryFile = 0x410000, DirectoryFlag = 0x10000, Exclusive = 0x80;

    private static bool s_isExt2;

    private static void RenameRefuses()
    {
        Linux.MakeDirectory("d"u8, 0x1ed);
        Linux.MakeDirectory("d/below"u8, 0x1ed);
        Linux.MakeDirectory("e"u8, 0x1ed);
        Touch("f"u8);
        Equal(NoEntry, Linux.Rename("nothing"u8, "g"u8));
        Equal(IsDirectory, Linux.Rename("f"u8, "e"u8));
        Equal(NotDirectory, Linux.Rename("e"u8, "f"u8));
        Equal(NotEmpty, Linux.Rename("e"u8, "d"u8));
        Equal(Invalid, Linux.Rename("d"u8, "d/below/x"u8));
        Equal(Invalid, Linux.Rename("d"u8, "d/below"u8));
        Equal(NotEmpty, Linux.Rename("d/below"u8, "d"u8));
        Equal(Busy, Linux.Rename("."u8, "x"u8));
        Equal(Busy, Linux.Rename("d/.."u8, "x"u8));
        Equal(Busy, Linux.Rename("d"u8, ".."u8));
        Equal(NotDirectory, Linux.Rename("f/"u8, "x"u8));
        Equal(NotDirectory, Linux.Rename("f"u8, "x/"u8));
        Equal(OtherDevice, Linux.Rename("f"u8, "/proc/f"u8));
        Equal(Exists, Rename2("f"u8, "d"u8, NoReplace));
        Equal(Exists, Rename2("f"u8, "."u8, NoReplace));
        Equal(NoEntry, Rename2("f"u8, "x"u8, Exchange));
        Equal(Invalid, Rename2("f"u8, "d"u8, Exchange | NoReplace));
        Equal(Invalid, Rename2("f"u8, "x"u8, 8));
        Equal(Invalid, Rename2("d"u8, "d/below"u8, Exchange));
        Equal(0, Linux.Rename("d"u8, "d/"u8));
        Equal(0, Linux.Rename("d/below/"u8, "d/x/"u8));
        Equal(0, Linux.RemoveDirectory("d/x"u8));
        Equal(0, Linux.RemoveDirectory("d"u8));
        Equal(0, Linux.RemoveDirectory("e"u8));
        Equal(0, Linux.Unlink("f"u8));
    }

    private static void RenameMoves()
    {
        Linux.MakeDirectory("d"u8, 0x1ed);
        Linux.MakeDirectory("e"u8, 0x1ed);
        Linux.MakeDirectory("d/below"u8, 0x1ed);
        Touch("f"u8);
        // Two names of one file: nothing happens, both stay.
        Equal(0, Linux.Link("f"u8, "g"u8));
        Equal(0, Linux.Rename("f"u8, "g"u8));
        Equal(2, LinksOf("f"u8));
        Equal(0, Linux.Unlink("g"u8));
        // A directory that moves takes a link from one parent to the other, and its ".." follows.
        Equal(3, LinksOf("d"u8));
        Equal(2, LinksOf("e"u8));
        long e = InodeOf("e"u8);
        Equal(0, Linux.Rename("d/below"u8, "e/moved"u8));
        Equal(2, LinksOf("d"u8));
        Equal(3, LinksOf("e"u8));
        Equal(e, InodeOf("e/moved/.."u8));
        // Over an empty directory.
        Linux.MakeDirectory("d/other"u8, 0x1ed);
        Equal(0, Linux.Rename("e/moved"u8, "d/other"u8));
        Equal(2, LinksOf("e"u8));
        Equal(3, LinksOf("d"u8));
        // Over a file that is open: it lives on without a name.
        Touch("h"u8);
        int open = Linux.Open("h"u8, ReadWrite);
        long f = InodeOf("f"u8);
        Equal(0, Linux.Rename("f"u8, "h"u8));
        Equal(f, InodeOf("h"u8));
        Equal(0, Stat(open).Links);
        Linux.Close(open);
        // A file and a directory change places.
        Equal(0, Rename2("h"u8, "d/other"u8, Exchange));
        Equal(f, InodeOf("d/other"u8));
        Equal(2, LinksOf("d"u8));
        Equal(2, LinksOf("h"u8));
        Equal(InodeOf("."u8), InodeOf("h/.."u8));
        Equal(0, Rename2("h"u8, "e/n"u8, NoReplace));
        Equal(0, Linux.Unlink("d/other"u8));
        Equal(0, Linux.RemoveDirectory("e/n"u8));
        Equal(0, Linux.RemoveDirectory("d"u8));
        Equal(0, Linux.RemoveDirectory("e"u8));
    }

    private static void LinksCount()
    {
        long before = LinksOf("."u8);
        Linux.MakeDirectory("d"u8, 0x1ed);
        Equal(before + 1, LinksOf("."u8));
        Equal(2, LinksOf("d"u8));
        Equal(NotPermitted, Linux.Link("d"u8, "x"u8));
        Touch("d/f"u8);
        Equal(0, Linux.Link("d/f"u8, "f"u8));
        Equal(Exists, Linux.Link("d/f"u8, "f"u8));
        Equal(NoEntry, Linux.Link("nothing"u8, "x"u8));
        Equal(2, LinksOf("f"u8));
        // A link of a symbolic link is one, not one of its target.
        Equal(0, Linux.SymbolicLink("f"u8, "s"u8));
        Equal(0, Linux.Link("s"u8, "t"u8));
        Equal(InodeOf("s"u8, followed: false), InodeOf("t"u8, followed: false));
        Equal(0, Linux.Unlink("s"u8));
        Equal(0, Linux.Unlink("t"u8));
        Equal(IsDirectory, Linux.Unlink("d"u8));
        Equal(NotDirectory, Linux.RemoveDirectory("f"u8));
        Equal(NotEmpty, Linux.RemoveDirectory("d"u8));
        Equal(Invalid, Linux.RemoveDirectory("d/."u8));
        Equal(NotEmpty, Linux.RemoveDirectory("d/.."u8));
        Equal(0, Linux.Unlink("d/f"u8));
        Equal(1, LinksOf("f"u8));
        // The directory goes while it is open: nothing can be made in it any more.
        int open = Linux.Open("d"u8, DirectoryFlag);
        Equal(0, Linux.RemoveDirectory("d"u8));
        Equal(0, Stat(open).Links);
        Equal(NoEntry, OpenAt(open, "x"u8, ReadWrite | Create));
        Linux.Close(open);
        Equal(before, LinksOf("."u8));
        Equal(0, Linux.Unlink("f"u8));
    }

    private static void Unnamed()
    {
        int file = Linux.Open("."u8, TemporaryFile | ReadWrite, 0x1a4);
        Check(file >= 0);
        Equal(0, Stat(file).Links);
        byte letter = (byte)'x';
        Equal(1, Linux.Write(file, &letter, 1));
        Equal(0, LinkOpen(file, "named"u8));
        Equal(1, Stat(file).Links);
        Equal(Exists, LinkOpen(file, "named"u8));
        Linux.Close(file);
        Equal(1, StatOf("named"u8).Size);
        Equal(0, Linux.Unlink("named"u8));
        Equal(Invalid, Linux.Open("."u8, TemporaryFile, 0x1a4));
        file = Linux.Open("."u8, TemporaryFile | ReadWrite | Exclusive, 0x1a4);
        Equal(NoEntry, LinkOpen(file, "named"u8));
        Linux.Close(file);
        // What had a name and lost it never gets one again.
        Touch("lost"u8);
        file = Linux.Open("lost"u8, ReadWrite);
        Linux.Unlink("lost"u8);
        Equal(NoEntry, LinkOpen(file, "named"u8));
        Linux.Close(file);
    }

    private static void OpenWithoutName()
    {
        byte* memory = Memory(16 * Page, 7);
        int file = Linux.Open("gone"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(16 * Page, Linux.Write(file, memory, 16 * Page));
        Equal(0, Linux.Unlink("gone"u8));
        Syscall.Call(162);
        Put("/proc/sys/vm/drop_caches"u8, "3"u8);
        Fill(memory, 16 * Page, 0);
        Equal(16 * Page, Linux.PositionedRead(file, memory, 16 * Page, 0));
        Check(All(memory, 16 * Page, 7));
        Equal(0, Stat(file).Links);
        // It can be written and mapped as before; another file of the name is another.
        int other = Linux.Open("gone"u8, ReadWrite | Create | Exclusive, 0x1a4);
        Check(Stat(other).Inode != Stat(file).Inode);
        Equal(Page, Linux.PositionedWrite(file, memory, Page, 20 * Page));
        Equal(0, Syscall.Call(74, file));
        Equal(0, Stat(other).Size);
        byte* mapped = Map(file, 21 * Page);
        Linux.Close(file);
        Syscall.Call(162);
        Put("/proc/sys/vm/drop_caches"u8, "3"u8);
        Check(mapped[20 * Page] == 7 && mapped[16 * Page] == 0);
        Linux.Munmap((nint)mapped, 21 * Page);
        Remove(other, "gone"u8, memory, 16 * Page);
    }

    private static void TimesOfCalls()
    {
        Linux.MakeDirectory("d"u8, 0x1ed);
        long* old = stackalloc long[4] { 1000, 0, 2000, 0 };
        int d = Linux.Open("d"u8, DirectoryFlag);
        Equal(0, Syscall.Call(280, d, 0, (nint)old));
        Touch("d/f"u8);
        Check(Stat(d).Modified > 2000, "a new name changes the directory");
        int f = Linux.Open("d/f"u8, ReadWrite);
        Age(f, old);
        byte letter = 1;
        Linux.Write(f, &letter, 1);
        Check(Stat(f).Modified > 2000 && Stat(f).Accessed == 1000);
        Age(f, old);
        Equal(0, Syscall.Call(91, f, 0x180));                // fchmod
        Equal(2000, Stat(f).Modified);
        Check(Stat(f).Changed > 2000);
        // Reading: the time of access is older than the content's, so it moves.
        Linux.PositionedRead(f, &letter, 1, 0);
        Check(Stat(f).Accessed > 2000);
        Age(f, old);
        Equal(0, Linux.Truncate(f, 1));
        Check(Stat(f).Modified > 2000, "the same length, and yet a change");
        Age(f, old);
        Equal(0, Linux.Truncate(f, 10));
        Check(Stat(f).Modified > 2000);
        Age(f, old);
        byte* mapped = Map(f, Page);
        mapped[0] = 3;
        Equal(0, Linux.Msync((nint)mapped, Page, 4));
        Check(Stat(f).Modified > 2000, "a store through a mapping");
        Linux.Munmap((nint)mapped, Page);
        // One time only, and now.
        Age(f, old);
        long* some = stackalloc long[4] { 0, 0x3ffffffe, 77, 5 };
        Equal(0, Syscall.Call(280, f, 0, (nint)some));
        Check(Stat(f).Accessed == 1000 && Stat(f).Modified == 77);
        some[1] = 0x3fffffff;
        some[3] = 0x3ffffffe;
        Equal(0, Syscall.Call(280, f, 0, (nint)some));
        Check(Stat(f).Accessed > 2000 && Stat(f).Modified == 77);
        some[1] = 1_000_000_000;
        Equal(Invalid, Syscall.Call(280, f, 0, (nint)some));
        Age(d, old);
        Equal(0, Linux.Rename("d/f"u8, "d/g"u8));
        Check(Stat(d).Modified > 2000);
        Age(d, old);
        Equal(0, Linux.Unlink("d/g"u8));
        Check(Stat(d).Modified > 2000);
        Linux.Close(f);
        Linux.Close(d);
        Linux.RemoveDirectory("d"u8);
    }

    private static void Attributes()
    {
        int file = Linux.Open("attributes"u8, ReadWrite | Create | Truncating, 0x1a4);
        if (s_isExt2)
        {
            Equal(-61, GetAttribute(file, "user.one"u8));
            Equal(0, SetAttribute(file, "user.one"u8, "first"u8, 0));
            Equal(5, GetAttribute(file, "user.one"u8));
            Equal(Exists, SetAttribute(file, "user.one"u8, "again"u8, 1));
            Equal(-61, SetAttribute(file, "user.two"u8, "again"u8, 2));
            Equal(0, SetAttribute(file, "user.two"u8, "a longer one"u8, 1));
            Equal(0, SetAttribute(file, "user.one"u8, "1"u8, 0));
            Equal(1, GetAttribute(file, "user.one"u8));
            Equal(12, GetAttribute(file, "user.two"u8));
            Equal(18, ListAttributes(file));
            Syscall.Call(162);
            Put("/proc/sys/vm/drop_caches"u8, "3"u8);
            Equal(12, GetAttribute(file, "user.two"u8));
            Equal(0, RemoveAttribute(file, "user.two"u8));
            Equal(-61, RemoveAttribute(file, "user.two"u8));
            Equal(9, ListAttributes(file));
            Equal(0, RemoveAttribute(file, "user.one"u8));
            Equal(0, ListAttributes(file));
        }
        Equal(NotSupported, SetAttribute(file, "strange.one"u8, "first"u8, 0));
        // For the host's tools to look at: a file that keeps two.
        if (s_isExt2)
        {
            Equal(0, SetAttribute(file, "user.kept"u8, "a value of some length"u8, 0));
            Equal(0, SetAttribute(file, "trusted.kept"u8, ""u8, 0));
        }
        Linux.Close(file);
    }

    private static void Numbers()
    {
        int file = Linux.Open("."u8, 0);
        long* stat = stackalloc long[15];
        Equal(0, Syscall.Call(138, file, (nint)stat));
        Equal(s_isExt2 ? 0xEF53 : 0x01021994, stat[0]);
        Equal(stat[1], stat[9]);                             // one size of blocks
        Equal(255, stat[8]);
        Check((stat[10] & 0x20) != 0, "the flags are valid");
        Check(stat[3] <= stat[2] && stat[4] <= stat[3] && stat[6] <= stat[5]);
        Linux.Close(file);
    }

    private static void Reserving()
    {
        int file = Linux.Open("reserve"u8, ReadWrite | Create | Truncating, 0x1a4);
        Equal(Invalid, Syscall.Call(285, file, 0, 0, 0));
        Equal(Invalid, Syscall.Call(285, file, 0, -1, Page));
        Equal(NotSupported, Syscall.Call(285, file, 2, 0, Page));        // a hole without keeping the size
        Equal(NotSupported, Syscall.Call(285, file, 0x4000, 0, Page));
        Equal(-27, Syscall.Call(285, file, 0, unchecked((nint)0x7fff_ffff_ffff_f000), Page));
        Equal(BadDescriptor, Syscall.Call(285, 999, 0, 0, Page));
        int reader = Linux.Open("reserve"u8, 0);
        Equal(BadDescriptor, Syscall.Call(285, reader, 0, 0, Page));
        Linux.Close(reader);
        reader = Linux.Open("."u8, 0);
        Equal(BadDescriptor, Syscall.Call(285, reader, 0, 0, Page));
        Linux.Close(reader);
        Equal(s_isExt2 ? NotSupported : 0, Syscall.Call(285, file, 0, 0, Page));
        Remove(file, "reserve"u8, null, 0);
    }

    private static void SymbolicLinks()
    {
        Span<byte> target = stackalloc byte[4100];
        byte* back = Memory(2 * Page, 0);
        foreach (int length in (ReadOnlySpan<int>)[1, 59, 60, 61, 1000])
        {
            target.Fill((byte)'t');
            target[length] = 0;
            Equal(0, Linux.SymbolicLink(target[..(length + 1)], "link"u8));
            Syscall.Call(162);
            Put("/proc/sys/vm/drop_caches"u8, "3"u8);
            Equal(length, ReadLink("link"u8, back, 2 * Page));
            Check(All(back, length, (byte)'t'));
            Equal(Math.Min(length, 10), ReadLink("link"u8, back, 10));
            Equal(0, Linux.Unlink("link"u8));
        }
        target[4096] = 0;
        target[..4096].Fill((byte)'t');
        Equal(NameTooLong, Linux.SymbolicLink(target[..4097], "link"u8));
        Equal(NoEntry, Linux.SymbolicLink("\0"u8, "link"u8));
        target[255] = 0;
        Touch(target[..256]);
        Equal(0, Linux.Unlink(target[..256]));
        target[255] = (byte)'t';
        target[256] = 0;
        Equal(NameTooLong, Linux.Open(target[..257], ReadWrite | Create, 0x1a4));
        Linux.Munmap((nint)back, 2 * Page);
    }

    private static void ReadingDirectories()
    {
        const int Names = 500;
        Equal(0, Linux.MakeDirectory("many"u8, 0x1ed));
        Span<byte> name = stackalloc byte[32];
        for (int i = 0; i < Names; i++)
            Touch(NameOf(i, name));
        int file = Linux.Open("many"u8, DirectoryFlag);
        byte* entries = Memory(Page, 0);
        byte* seen = Memory(Page, 0);
        int count = 0, others = 0;
        nint got;
        // Each name that was there all the time is seen once, though others go meanwhile.
        while ((got = Syscall.Call(217, file, (nint)entries, 1000)) > 0)
        {
            for (nint at = 0; at < got; at += *(ushort*)(entries + at + 16))
            {
                byte* text = entries + at + 19;
                if (text[0] == '.')
                {
                    Check(entries[at + 18] is 0 or 4);       // a disk without "filetype" does not know
                    others++;
                    continue;
                }
                Check(entries[at + 18] is 0 or 8);
                int number = 0;
                for (int i = 22; i < 26; i++)
                    number = number * 10 + text[i] - '0';
                seen[number]++;
                count++;
            }
            for (int i = 1; i < 4; i++)
                Linux.Unlink(NameOf((count * 3 + i * 97) % Names | 1, name));
        }
        Equal(0, got);
        Equal(2, others);
        for (int i = 0; i < Names; i += 2)
            Equal(1, seen[i]);
        for (int i = 1; i < Names; i += 2)
            Check(seen[i] <= 1);
        Equal(0, Linux.Seek(file, 0, 0));
        Check(Syscall.Call(217, file, (nint)entries, 1000) > 0);
        Equal(0, Linux.Seek(file, 0, 0));
        Equal(Invalid, Syscall.Call(217, file, (nint)entries, 10));
        Equal(IsDirectory, Linux.Read(file, entries, 10));
        Linux.Close(file);
        for (int i = 0; i < Names; i++)
            Linux.Unlink(NameOf(i, name));
        Equal(0, Linux.RemoveDirectory("many"u8));
        Linux.Munmap((nint)entries, Page);
        Linux.Munmap((nint)seen, Page);
    }

    private static void Vectors()
    {
        byte* memory = Memory(4 * Page, 5);
        int file = Linux.Open("vectors"u8, ReadWrite | Create | Truncating, 0x1a4);
        nint* pieces = stackalloc nint[6] { (nint)memory, 100, (nint)memory + Page, 0, (nint)memory + 2 * Page, 5000 };
        Equal(5100, Syscall.Call(20, file, (nint)pieces, 3));
        // What a bad piece follows is written.
        pieces[4] = 16;
        Equal(100, Syscall.Call(296, file, (nint)pieces, 3, 6000, 0));
        Equal(6100, Linux.Seek(file, 0, 2));
        Equal(Invalid, Syscall.Call(20, file, (nint)pieces, 2000));
        Equal(0, Syscall.Call(20, file, (nint)pieces, 0));
        pieces[1] = -1;
        Equal(Invalid, Syscall.Call(20, file, (nint)pieces, 1));
        pieces[1] = 100;
        Equal(Invalid, Syscall.Call(296, file, (nint)pieces, 1, -5, 0));
        // Appending: where one writes does not count.
        int append = Linux.Open("vectors"u8, ReadWrite | Append);
        Equal(10, Linux.PositionedWrite(append, memory, 10, 0));
        Equal(6110, Linux.Seek(file, 0, 2));
        Linux.Close(append);
        Equal(Fault, Linux.Write(file, (void*)16, 10));
        Equal(6110, Linux.Seek(file, 0, 2));
        Remove(file, "vectors"u8, memory, 4 * Page);
    }

    // ---- what these cases share ----------------------------------------------------------------------------------------------------

    private struct Facts
    {
        public long Inode, Links, Size, Accessed, Modified, Changed;
    }

    private static Facts Take(long* stat) => new() { Inode = stat[1], Links = stat[2], Size = stat[6], Accessed = stat[9], Modified = stat[11], Changed = stat[13] };

    private static Facts Stat(int file)
    {
        long* stat = stackalloc long[18];
        return Syscall.Call(5, file, (nint)stat) == 0 ? Take(stat) : default;
    }

    private static Facts StatOf(ReadOnlySpan<byte> path, bool followed = true)
    {
        long* stat = stackalloc long[18];
        fixed (byte* p = path)
            return Syscall.Call(262, At, (nint)p, (nint)stat, followed ? 0 : 0x100) == 0 ? Take(stat) : default;
    }

    private static long LinksOf(ReadOnlySpan<byte> path) => StatOf(path).Links;

    private static long InodeOf(ReadOnlySpan<byte> path, bool followed = true) => StatOf(path, followed).Inode;

    private static void Age(int file, long* times) => Equal(0, Syscall.Call(280, file, 0, (nint)times));

    private static void Touch(ReadOnlySpan<byte> path) => Equal(0, Linux.Close(Linux.Open(path, ReadWrite | Create | Truncating, 0x1a4)));

    private static nint Rename2(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to, int flags)
    {
        fixed (byte* f = from, t = to)
            return Syscall.Call(316, At, (nint)f, At, (nint)t, flags);
    }

    private static int OpenAt(int directory, ReadOnlySpan<byte> path, int flags)
    {
        fixed (byte* p = path)
            return (int)Syscall.Call(257, directory, (nint)p, flags, 0x1a4);
    }

    private static nint ReadLink(ReadOnlySpan<byte> path, byte* to, int bytes)
    {
        fixed (byte* p = path)
            return Syscall.Call(89, (nint)p, (nint)to, bytes);
    }

    // By the descriptor's own name in /proc.
    private static nint LinkOpen(int file, ReadOnlySpan<byte> to)
    {
        Span<byte> path = stackalloc byte[32];
        "/proc/self/fd/"u8.CopyTo(path);
        path[14] = (byte)('0' + file / 10);
        path[15] = (byte)('0' + file % 10);
        path[16] = 0;
        if (file < 10)
        {
            path[14] = path[15];
            path[15] = 0;
        }
        fixed (byte* p = path, t = to)
            return Syscall.Call(265, At, (nint)p, At, (nint)t, 0x400);
    }

    private static nint SetAttribute(int file, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, int flags)
    {
        fixed (byte* n = name, v = value)
            return Syscall.Call(190, file, (nint)n, (nint)v, value.Length, flags);
    }

    private static nint GetAttribute(int file, ReadOnlySpan<byte> name)
    {
        byte* value = stackalloc byte[64];
        fixed (byte* n = name)
            return Syscall.Call(193, file, (nint)n, (nint)value, 64);
    }

    private static nint RemoveAttribute(int file, ReadOnlySpan<byte> name)
    {
        fixed (byte* n = name)
            return Syscall.Call(199, file, (nint)n);
    }

    private static nint ListAttributes(int file) => Syscall.Call(196, file, 0, 0);
}
