using System;
using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Files and directories in memory, and, where there is a disk, on it: the same calls below another folder.</summary>
internal static unsafe class FileCases
{
    private const int ReadOnly = 0, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, TemporaryFile = 0x410000, Directory = 0x10000;
    private const int NoData = -61, NotSupported = -95;
    private const int UnlinkAt = 263, RemoveDirectoryFlag = 0x200;

    private static int s_folder = -1;
    private static int s_file = -1;
    private static May s_may;

    /// <summary>Chooses the folder that the cases work in.</summary>
    public static void UseFolder(ReadOnlySpan<byte> path, May may)
    {
        s_may = may;
        if (s_file >= 0)
            Close(s_file);
        if (s_folder >= 0)
            Close(s_folder);
        MakeDirectory(path, 0x1C0);
        s_folder = Open(path, Directory);
        s_file = OpenHere("data"u8, ReadWrite | Create);
        Write(s_file, Data, 16 * Page);
    }

    /// <summary>Leaves nothing of them.</summary>
    public static void LeaveFolder(ReadOnlySpan<byte> path)
    {
        Remove("data"u8, 0);
        Close(s_file);
        Close(s_folder);
        s_file = s_folder = -1;
        RemoveDirectory(path);
        if (!OnDisk)
            return;
        int root = Open("/mnt/disk"u8, Directory);           // what its fsync would have to write is remembered for it
        Syscall.Call(74, root);
        Close(root);
    }

    private static int OpenHere(ReadOnlySpan<byte> name, int flags)
    {
        fixed (byte* n = name)
            return (int)Syscall.Call(257, s_folder, (nint)n, flags, 0x180);
    }

    private static nint Remove(ReadOnlySpan<byte> name, int flags)
    {
        fixed (byte* n = name)
            return Syscall.Call(UnlinkAt, s_folder, (nint)n, flags);
    }

    private static nint AtFolder(int call, ReadOnlySpan<byte> name, nint a2 = 0, nint a3 = 0)
    {
        fixed (byte* n = name)
            return Syscall.Call(call, s_folder, (nint)n, a2, a3);
    }

    private static nint AtFolders(int call, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to, nint flags = 0)
    {
        fixed (byte* f = from, t = to)
            return Syscall.Call(call, s_folder, (nint)f, s_folder, (nint)t, flags);
    }

    public static void OpenFile()
    {
        static nint Act() => OpenHere("data"u8, ReadOnly);
        Walk(&Act, &Undo.CloseResult, s_may);
    }

    public static void CreateFile()
    {
        static nint Act() => OpenHere("new"u8, ReadWrite | Create | Exclusive);

        static void After(nint result)
        {
            Undo.CloseResult(result);
            nint removed = Remove("new"u8, 0);
            // A failed create has created nothing, unless only the opening failed: Linux leaves the file then, too.
            Ktap.Check(removed == 0 || result < 0);
        }

        Walk(&Act, &After, s_may);
    }

    public static void CreateUnnamed()
    {
        static nint Act() => OpenHere("."u8, ReadWrite | TemporaryFile);
        Walk(&Act, &Undo.CloseResult, s_may);
    }

    public static void Directories()
    {
        static nint Act() => AtFolder(258, "folder"u8, 0x1C0);
        static void After(nint result) => Ktap.Check(Remove("folder"u8, RemoveDirectoryFlag) == 0 == (result == 0));
        Walk(&Act, &After, s_may);
    }

    public static void Nodes()
    {
        static nint Act() => AtFolder(259, "fifo"u8, 0x1180);
        static void After(nint result) => Ktap.Check(Remove("fifo"u8, 0) == 0 == (result == 0));
        Walk(&Act, &After, s_may);
    }

    public static void Links()
    {
        static nint Act() => AtFolders(265, "data"u8, "second"u8);
        static void After(nint result) => Ktap.Check(Remove("second"u8, 0) == 0 == (result == 0));
        Walk(&Act, &After, s_may);
    }

    public static void SymbolicLinks()
    {
        static nint Act()
        {
            fixed (byte* target = "a target that is too long for what fits into most inodes, so that it needs a place of its own somewhere else"u8, name = "pointer"u8)
            {
                nint error = Syscall.Call(266, (nint)target, s_folder, (nint)name);
                return error < 0 ? error : AtFolder(267, "pointer"u8, (nint)Data, 4096);
            }
        }

        static void After(nint result) => Remove("pointer"u8, 0);
        Walk(&Act, &After, s_may);
    }

    public static void Renames()
    {
        static nint Act() => AtFolders(316, "data"u8, "moved"u8);

        static void After(nint result)
        {
            if (result == 0)
                AtFolders(316, "moved"u8, "data"u8);
        }

        Walk(&Act, &After, s_may);
    }

    public static void Exchanges()
    {
        static nint Act() => AtFolders(316, "data"u8, "other"u8, 2);

        static void After(nint result)
        {
            if (result == 0)
                AtFolders(316, "data"u8, "other"u8, 2);
        }

        Close(OpenHere("other"u8, ReadWrite | Create));
        Walk(&Act, &After, s_may);
        Remove("other"u8, 0);
    }

    public static void Removes()
    {
        static nint Act() => Remove("victim"u8, 0);
        static nint Whole()
        {
            Suspended(&MakeVictim);
            nint result = Act();
            return result;
        }

        static void After(nint result)
        {
            if (result != 0)
                Remove("victim"u8, 0);
        }

        Walk(&Whole, &After, s_may);
    }

    private static void MakeVictim()
    {
        int file = OpenHere("victim"u8, ReadWrite | Create);
        Write(file, Data, 3 * Page);
        Close(file);
    }

    public static void Lists()
    {
        static nint Act()
        {
            Seek(s_folder, 0, 0);
            return Syscall.Call(217, s_folder, (nint)Data, 16 * Page);
        }

        Walk(&Act, &Undo.Nothing, s_may);
    }

    public static void Attributes()
    {
        static nint Act()
        {
            nint error = AtFolder(262, "data"u8, (nint)Data, 0);
            if (error == 0)
                error = AtFolder(268, "data"u8, 0x1A4);
            if (error == 0)
                error = AtFolder(269, "data"u8, 4);
            if (error == 0)
                error = Syscall.Call(138, s_folder, (nint)Data);
            if (error == 0)
                error = AtFolder(280, "data"u8, 0, 0);
            return error;
        }

        Walk(&Act, &Undo.Nothing, s_may);
    }

    public static void Reads()
    {
        static nint Act() => PositionedRead(s_file, Data, 16 * Page, 0);
        Walk(&Act, &Undo.Nothing, s_may);
    }

    public static void Writes()
    {
        // Into fresh pages, one of them far away: the cache's tree grows.
        static nint Act()
        {
            int file = OpenHere("grown"u8, ReadWrite | Create);
            if (file < 0)
                return file;
            nint result = PositionedWrite(file, Data, 2 * Page, 0);
            if (result > 0)
                result = PositionedWrite(file, Data, 3, 5000 * (nint)Page);
            Close(file);
            return result;
        }

        static void After(nint result) => Remove("grown"u8, 0);
        Walk(&Act, &After, s_may | May.NoSpace);
    }

    public static void Sizes()
    {
        static nint Act()
        {
            nint error = Truncate(s_file, 5 * Page + 7);
            if (error == 0)
                error = Truncate(s_file, 16 * Page);
            if (error == 0)
                error = Syscall.Call(285, s_file, 0, 0, 20 * Page);
            if (error == 0)
                error = Truncate(s_file, 16 * Page);
            return error == -95 ? 0 : error;
        }

        static void After(nint result)
        {
            Truncate(s_file, 0);
            Truncate(s_file, 16 * Page);
            PositionedWrite(s_file, Data, 16 * Page, 0);
        }

        Walk(&Act, &After, s_may | May.NoSpace);
    }

    public static void VectorsAndCopies()
    {
        static nint Act()
        {
            nint* vector = (nint*)(Data + 32 * Page);
            for (int i = 0; i < 20; i++)
            {
                vector[2 * i] = (nint)Data + i * Page;
                vector[2 * i + 1] = 100;
            }

            nint result = Syscall.Call(295, s_file, (nint)vector, 20, 0);
            if (result > 0)
                result = Syscall.Call(296, s_file, (nint)vector, 20, 0);
            if (result > 0)
            {
                nint* from = (nint*)(Data + 33 * Page);
                from[0] = 0;
                from[1] = 12 * Page;
                result = Syscall.Call(326, s_file, (nint)from, s_file, (nint)(from + 1), Page, 0);
            }

            return result;
        }

        Walk(&Act, &Undo.Nothing, s_may | May.NoSpace);
    }

    public static void Locks()
    {
        static nint Act()
        {
            nint error = Syscall.Call(73, s_file, 2);
            short* record = (short*)(Data + 256);
            new Span<short>(record, 16).Clear();
            record[0] = 1;
            *(long*)(record + 4) = 10;
            *(long*)(record + 8) = 10;
            if (error == 0)
                error = Syscall.Call(72, s_file, 6, (nint)record);
            record[0] = 2;                                   // unlocking the middle needs a second record
            *(long*)(record + 4) = 14;
            *(long*)(record + 8) = 2;
            return error == 0 ? Syscall.Call(72, s_file, 6, (nint)record) : error;
        }

        static void After(nint result)
        {
            Syscall.Call(73, s_file, 8);
            short* record = (short*)(Data + 256);
            new Span<short>(record, 16).Clear();
            record[0] = 2;
            Syscall.Call(72, s_file, 6, (nint)record);
        }

        Walk(&Act, &After, s_may);                           // ENOLCK is not among them: Linux says ENOMEM here
    }

    public static void Places()
    {
        static nint Act()
        {
            nint error = Syscall.Call(81, s_folder);
            return error < 0 ? error : Syscall.Call(79, (nint)Data, 4096);
        }

        static void After(nint result)
        {
            fixed (byte* root = "/"u8)
                Syscall.Call(80, (nint)root);
        }

        Walk(&Act, &After, s_may);
    }

    public static void Descriptors()
    {
        static nint Act()
        {
            nint result = Dup2(s_file, 900);                 // the table of descriptors grows
            if (result >= 0)
                result = Syscall.Call(72, s_file, 0, 1000);
            return result;
        }

        WalkInChild(&Act);
    }

    public static void Synchronizes()
    {
        static nint Act()
        {
            PositionedWrite(s_file, Data, 3 * Page, 0);
            nint error = Syscall.Call(74, s_file);
            return error == 0 ? Syscall.Call(306, s_file) : error;
        }

        // What a failed fsync has not written is remembered until one succeeds; the file's error and the disk's are told once each.
        static void After(nint result)
        {
            for (int i = 0; i < 4; i++)
                Syscall.Call(74, s_file);
        }

        Walk(&Act, &After, s_may | May.Io | May.Late);
    }

    /// <summary>Reads and writes that go by the cache, and advice that empties it.</summary>
    public static void Direct()
    {
        static nint Act()
        {
            int file = OpenHere("direct"u8, ReadWrite | Create | 0x4000);
            if (file < 0)
                return file == -22 ? 0 : file;               // a file system that cannot
            nint result = PositionedWrite(file, Data, 4 * Page, 0);
            if (result > 0)
                result = PositionedRead(file, Data + 8 * Page, 4 * Page, 0);
            if (result > 0)
                result = Syscall.Call(221, file, 0, 4 * Page, 4);
            Close(file);
            return result;
        }

        static void After(nint result) => Remove("direct"u8, 0);
        Walk(&Act, &After, s_may | May.NoSpace);
    }

    /// <summary>A file is read from its beginning to its end: pages ahead are fetched; none of them is in the cache before.</summary>
    public static void ReadsInOrder()
    {
        static nint Act()
        {
            int file = OpenHere("data"u8, ReadOnly);
            if (file < 0)
                return file;
            Syscall.Call(221, file, 0, 0, 4);
            nint result;
            int total = 0;
            while ((result = Read(file, Data, 3 * Page)) > 0 && total < 20 * Page)
                total += (int)result;
            Close(file);
            return result;
        }

        // Transfers that were begun ahead are waited for: a page that is being read cannot be dropped.
        static void After(nint result) => PositionedRead(s_file, Data, 16 * Page, 0);

        Syscall.Call(74, s_file);
        Walk(&Act, &After, s_may);
    }

    /// <summary>A file's pages are mapped shared, written through the mapping, and written back.</summary>
    public static void MappedWrites()
    {
        static nint Act()
        {
            nint at = Mmap(0, 8 * Page, Protection.ReadWrite, Map.Shared, s_file);
            if (IsError(at))
                return at;
            *(byte*)at = 1;
            *(byte*)(at + 5 * Page) = 1;
            nint error = Msync(at, 8 * Page, 4);
            Munmap(at, 8 * Page);
            return error;
        }

        static void After(nint result)
        {
            for (int i = 0; i < 4; i++)
                Syscall.Call(74, s_file);
        }

        WalkInChild(&Act, s_may | May.Io | May.Late);
        After(0);
    }

    public static void Mounts()
    {
        static nint Act()
        {
            fixed (byte* type = "tmpfs"u8, place = "/tmp/inject-mount"u8, options = "size=1m,mode=700"u8)
                return Syscall.Call(165, (nint)type, (nint)place, (nint)type, 0, (nint)options);
        }

        static nint Bind()
        {
            fixed (byte* source = "/tmp"u8, place = "/tmp/inject-mount"u8)
                return Syscall.Call(165, (nint)source, (nint)place, 0, 4096, 0);
        }

        static void After(nint result)
        {
            fixed (byte* place = "/tmp/inject-mount"u8)
            {
                if (result == 0)
                    Syscall.Call(166, (nint)place, 0);
            }
        }

        MakeDirectory("/tmp/inject-mount"u8, 0x1C0);
        Walk(&Act, &After);
        Walk(&Bind, &After);
        RemoveDirectory("/tmp/inject-mount"u8);
    }

    /// <summary>Attributes that have names of their own. tmpfs has none of those, as in Linux 6.1: the call still brings name and value in.</summary>
    public static void NamedAttributes()
    {
        static nint Act()
        {
            Chain.Begin();
            fixed (byte* name = "trusted.injected"u8, other = "trusted.other"u8, data = "data"u8)
            {
                int absent = OnDisk ? NoData : NotSupported;
                Chain.DoUnless(NotSupported, Syscall.Call(190, s_file, (nint)name, (nint)Data, 200, 0));
                Chain.DoUnless(NotSupported, Syscall.Call(188, (nint)data, (nint)other, (nint)Data, 20, 0));
                Chain.DoUnless(absent, Syscall.Call(193, s_file, (nint)name, (nint)(Data + Page), 300));
                Chain.DoUnless(absent, Syscall.Call(192, (nint)data, (nint)other, (nint)(Data + Page), 300));
                Chain.Do(Syscall.Call(196, s_file, (nint)(Data + Page), 300));
                Chain.Do(Syscall.Call(195, (nint)data, (nint)(Data + Page), 300));
            }

            return Chain.First;
        }

        static void After(nint result)
        {
            fixed (byte* name = "trusted.injected"u8, other = "trusted.other"u8, data = "data"u8)
            {
                Syscall.Call(199, s_file, (nint)name);
                Syscall.Call(197, (nint)data, (nint)other);
            }
        }

        static nint Removing()
        {
            fixed (byte* name = "trusted.injected"u8)
            {
                int left = Left();
                Arm(0);
                Syscall.Call(190, s_file, (nint)name, (nint)Data, 200, 0);
                Arm(left);
                return Syscall.Call(199, s_file, (nint)name);
            }
        }

        Syscall.Call(81, s_folder);
        Walk(&Act, &After, s_may);
        if (OnDisk)
            Walk(&Removing, &After, s_may);
        LeaveDirectory();
    }

    /// <summary>The old calls, which know no folder but the working one.</summary>
    public static void ByPath()
    {
        static nint Act()
        {
            Chain.Begin();
            fixed (byte* data = "data"u8, made = "made"u8, name = "name"u8, link = "link"u8, node = "node"u8)
            {
                Chain.Do(Syscall.Call(4, (nint)data, (nint)Data));
                Chain.Do(Syscall.Call(6, (nint)data, (nint)Data));
                Chain.Do(Syscall.Call(5, s_file, (nint)Data));
                Chain.Do(Syscall.Call(332, s_folder, (nint)data, 0, 0xfff, (nint)Data));
                Chain.Do(Syscall.Call(21, (nint)data, 4));
                Chain.Do(Syscall.Call(439, s_folder, (nint)data, 4, 0x200));
                Chain.Do(Syscall.Call(137, (nint)data, (nint)Data));
                Chain.Do(Syscall.Call(90, (nint)data, 0x1A4));
                Chain.Do(Syscall.Call(91, s_file, 0x1A4));
                Chain.Do(Syscall.Call(92, (nint)data, 0, 0));
                Chain.Do(Syscall.Call(94, (nint)data, 0, 0));
                Chain.Do(Syscall.Call(93, s_file, 0, 0));
                Chain.Do(Syscall.Call(132, (nint)data, 0));
                Chain.Do(Syscall.Call(235, (nint)data, 0));
                Chain.Do(Syscall.Call(76, (nint)data, 16 * Page));
                nint file = Syscall.Call(85, (nint)made, 0x180);
                Chain.Do(file);
                if (file >= 0)
                    Close((int)file);
                Chain.DoUnless(Errno.NoEntry, Syscall.Call(82, (nint)made, (nint)name));
                Chain.Do(Syscall.Call(86, (nint)data, (nint)made));
                Chain.Do(Syscall.Call(88, (nint)data, (nint)link));
                Chain.DoUnless(Errno.NoEntry, Syscall.Call(89, (nint)link, (nint)Data, 100));
                Chain.Do(Syscall.Call(133, (nint)node, 0x1180, 0));
                nint list = Syscall.Call(78, s_folder, (nint)Data, 4 * Page);
                Chain.Do(list);
                Seek(s_folder, 0, 0);
            }

            return Chain.First;
        }

        static void After(nint result)
        {
            Remove("made"u8, 0);
            Remove("name"u8, 0);
            Remove("link"u8, 0);
            Remove("node"u8, 0);
        }

        Syscall.Call(81, s_folder);
        Walk(&Act, &After, s_may);
        LeaveDirectory();
    }

    /// <summary>Vectors, parts of a file brought in or written, handles, and opening with conditions.</summary>
    public static void OtherTransfers()
    {
        static nint Act()
        {
            nint* vector = (nint*)Data;
            vector[0] = (nint)(Data + 4 * Page);
            vector[1] = Page + 100;
            vector[2] = (nint)(Data + 8 * Page);
            vector[3] = Page;
            ulong* how = (ulong*)(Data + Page);
            how[0] = how[1] = 0;
            how[2] = 0x08;                                   // RESOLVE_BENEATH
            uint* handle = (uint*)(Data + 2 * Page);
            handle[0] = 128;
            Chain.Begin();
            Seek(s_file, 0, 0);
            Chain.Do(Syscall.Call(19, s_file, (nint)vector, 2));
            Seek(s_file, 0, 0);
            Chain.Do(Syscall.Call(20, s_file, (nint)vector, 2));
            Chain.Do(Syscall.Call(327, s_file, (nint)vector, 2, 0, 0, 0));
            Chain.Do(Syscall.Call(328, s_file, (nint)vector, 2, 0, 0, 2));      // RWF_DSYNC
            Chain.Do(Syscall.Call(187, s_file, 0, 8 * Page));
            Chain.Do(Syscall.Call(277, s_file, 0, 8 * Page, 7));
            Chain.Do(Syscall.Call(75, s_file));
            fixed (byte* data = "data"u8)
            {
                nint file = Syscall.Call(437, s_folder, (nint)data, (nint)how, 24);
                Chain.Do(file);
                if (file >= 0)
                    Close((int)file);
                // A file system that has no handles says so.
                nint named = Syscall.Call(303, s_folder, (nint)data, (nint)handle, (nint)(Data + 3 * Page), 0);
                Chain.DoUnless(NotSupported, named);
                if (named == 0)
                {
                    file = Syscall.Call(304, s_folder, (nint)handle, ReadOnly);
                    Chain.Do(file);
                    if (file >= 0)
                        Close((int)file);
                }
            }

            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing, s_may);
    }

    private static void LeaveDirectory()
    {
        fixed (byte* root = "/"u8)
            Syscall.Call(80, (nint)root);
    }
}
