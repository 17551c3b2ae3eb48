using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Initramfs;
using NanoVm.Files.Tmpfs;
using NanoVm.Memory.Hugetlb;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.SelfTest;

/// <summary>Names, archives, descriptors and locks against naive models, in a tree of files of its own.</summary>
internal sealed class FilesSuite : TestSuite
{
    private const int Names = 200;
    private const int Bytes = 64;

    private readonly Vfs _vfs;
    private readonly TmpfsType _type;
    private readonly byte[] _archive = new byte[2048];
    private readonly bool[] _model = new bool[512];
    private readonly byte[] _locks = new byte[2 * Bytes];

    public FilesSuite(PageCache cache, HugetlbSystem hugetlb)
    {
        _vfs = FilesSetup.Build(cache, hugetlb);
        _type = (TmpfsType)_vfs.FindType("tmpfs"u8)!;
    }

    public override ReadOnlySpan<byte> Name => "vfs"u8;

    public override int Count => 6;

    public override ReadOnlySpan<byte> CaseName(int number) => number switch
    {
        0 => "Names_are_found_whatever_came_and_went"u8,
        1 => "A_directory_is_read_once_though_it_changes"u8,
        2 => "A_good_archive_is_unpacked"u8,
        3 => "A_hostile_archive_hurts_nobody"u8,
        4 => "The_lowest_descriptor_is_given_out"u8,
        _ => "Record_locks_cut_and_join_as_bytes_do"u8,
    };

    public override void Run(int number, TestContext test)
    {
        switch (number)
        {
            case 0: ComeAndGo(test); break;
            case 1: ReadWhileChanging(test); break;
            case 2: GoodArchive(test); break;
            case 3: HostileArchives(test); break;
            case 4: Descriptors(test); break;
            default: RecordLocks(test); break;
        }
    }

    private TmpfsSuperblock? MakeInstance(TestContext test)
    {
        var options = new TmpfsOptions { Mode = 0x1ED };
        bool made = TmpfsSuperblock.Allocate(_vfs, _type, MountFlags.None, options).TryGet(out TmpfsSuperblock superblock, out _);
        test.Check(made, "a tmpfs can be made"u8);
        return made ? superblock : null;
    }

    private static ReadOnlySpan<byte> NameOf(int number, Span<byte> buffer)
    {
        var writer = new TextWriter(buffer);
        writer.Text("name"u8);
        writer.Decimal((ulong)number);
        return writer.Written;
    }

    private void ComeAndGo(TestContext test)
    {
        if (MakeInstance(test) is not { } superblock)
            return;
        Span<byte> buffer = stackalloc byte[32];
        _model.AsSpan().Clear();
        int count = 0;
        for (int step = 0; step < 4000; step++)
        {
            int number = test.Next(Names);
            ReadOnlySpan<byte> name = NameOf(number, buffer);
            Dentry? found = superblock.Root.Children.Find(name, Dentry.HashName(name));
            test.Check(found is not null == _model[number], "a name is found exactly while it is there"u8);
            if (found is not null)
            {
                TmpfsEntries.Remove(found);
                count--;
            }
            else
            {
                test.Check(TmpfsEntries.Make(superblock.Root, name, FileMode.Regular | 0x1A4, 0).IsOk, "a file is made"u8);
                count++;
            }
            _model[number] = !_model[number];
            test.Check(superblock.Root.Children.Count == count, "the entries are counted"u8);
        }
        superblock.Put();
    }

    private void ReadWhileChanging(TestContext test)
    {
        if (MakeInstance(test) is not { } superblock)
            return;
        Span<byte> buffer = stackalloc byte[32];
        for (int i = 0; i < Names; i++)
            TmpfsEntries.Make(superblock.Root, NameOf(i, buffer), FileMode.Regular | 0x1A4, 0);
        // Every even name stays; odd ones go and new ones come while the directory is read.
        ulong order = 0;
        int seen = 0;
        int added = Names;
        while (superblock.Root.Children.FirstFrom(order) is { } entry && seen < 10 * Names)
        {
            order = entry.Order + 1;
            if (IsEven(entry.Name))
                seen++;
            ReadOnlySpan<byte> victim = NameOf(test.Next(Names / 2) * 2 + 1, buffer);
            if (superblock.Root.Children.Find(victim, Dentry.HashName(victim)) is { } odd)
                TmpfsEntries.Remove(odd);
            if (added < 2 * Names)
                TmpfsEntries.Make(superblock.Root, NameOf(2 * added++ + 1, buffer), FileMode.Regular | 0x1A4, 0);
        }
        test.Check(seen == Names / 2, "what stays is seen exactly once"u8);
        superblock.Put();
    }

    private static bool IsEven(ReadOnlySpan<byte> name) => ((name[^1] - '0') & 1) == 0;

    private void GoodArchive(TestContext test)
    {
        if (MakeInstance(test) is not { } superblock)
            return;
        int length = BuildArchive();
        Errno error = InitramfsUnpacker.Unpack(_vfs, superblock, _archive.AsSpan(0, length), out int count);
        test.Check(error == Errno.None && count == 6, "all entries are unpacked"u8);
        Dentry? folder = superblock.Root.Children.Find("folder"u8, Dentry.HashName("folder"u8));
        Dentry? file = folder?.Children.Find("file"u8, Dentry.HashName("file"u8));
        Dentry? link = folder?.Children.Find("link"u8, Dentry.HashName("link"u8));
        Dentry? second = superblock.Root.Children.Find("second"u8, Dentry.HashName("second"u8));
        test.Check(file?.Inode is { Size: 5, Links: 2 }, "a file has its contents and both names"u8);
        test.Check(ReferenceEquals(file?.Inode, second?.Inode), "a hard link is the same file"u8);
        test.Check(link?.Inode is not null && link.Inode.LinkText.SequenceEqual("file"u8), "a link has its text"u8);
        Dentry? replaced = superblock.Root.Children.Find("twice"u8, Dentry.HashName("twice"u8));
        test.Check(replaced?.Inode is { Size: 3 }, "a later entry replaces an earlier one"u8);
        superblock.Put();
    }

    private void HostileArchives(TestContext test)
    {
        for (int round = 0; round < 400; round++)
        {
            if (MakeInstance(test) is not { } superblock)
                return;
            int length = BuildArchive();
            int changes = 1 + test.Next(20);
            for (int i = 0; i < changes; i++)
                _archive[test.Next(length)] = test.Next(3) == 0 ? (byte)test.Next(256) : (byte)"0123456789abcdefABCDEF/."[test.Next(24)];
            InitramfsUnpacker.Unpack(_vfs, superblock, _archive.AsSpan(0, test.Next(4) == 0 ? test.Next(length) : length), out _);
            superblock.Put();
        }
        test.Check(true, "nothing was lost"u8);
    }

    private int BuildArchive()
    {
        _archive.AsSpan().Clear();
        int at = 0;
        Add(ref at, "folder"u8, 1, FileMode.Directory | 0x1ED, 2, default);
        Add(ref at, "folder/file"u8, 2, FileMode.Regular | 0x1A4, 2, default);
        Add(ref at, "folder/link"u8, 3, FileMode.SymbolicLink | 0x1FF, 1, "file"u8);
        Add(ref at, "second"u8, 2, FileMode.Regular | 0x1A4, 2, "hello"u8);
        Add(ref at, "twice"u8, 4, FileMode.Regular | 0x1A4, 1, "first"u8);
        Add(ref at, "TRAILER!!!"u8, 0, 0, 1, default);
        at = (at + 511) & ~511;                              // archives are padded, and another may follow
        Add(ref at, "/./twice"u8, 2, FileMode.Regular | 0x1A4, 1, "new"u8);
        Add(ref at, "TRAILER!!!"u8, 0, 0, 1, default);
        return at;
    }

    private void Add(ref int at, ReadOnlySpan<byte> name, uint inode, uint mode, uint links, ReadOnlySpan<byte> data)
    {
        var writer = new TextWriter(_archive.AsSpan()[at..]);
        writer.Text("070701"u8);
        writer.Hex(inode, 8);
        writer.Hex(mode, 8);
        writer.Hex(0, 8);
        writer.Hex(0, 8);
        writer.Hex(links, 8);
        writer.Hex(0, 8);
        writer.Hex((ulong)data.Length, 8);
        for (int i = 0; i < 4; i++)
            writer.Hex(0, 8);
        writer.Hex((ulong)name.Length + 1, 8);
        writer.Hex(0, 8);
        writer.Text(name);
        writer.Byte(0);
        while ((writer.Length & 3) != 0)
            writer.Byte(0);
        writer.Text(data);
        while ((writer.Length & 3) != 0)
            writer.Byte(0);
        at += writer.Length;
    }

    private void Descriptors(TestContext test)
    {
        FileDescriptorTable? table = FileDescriptorTable.Allocate(_vfs);
        test.Check(table is not null, "a table can be made"u8);
        if (table is null)
            return;
        _model.AsSpan().Clear();
        for (int step = 0; step < 5000; step++)
        {
            int number = test.Next(_model.Length);
            if (test.Next(3) == 0 && _model[number])
            {
                table.Unreserve(number);
                _model[number] = false;
                continue;
            }
            int minimum = test.Next(4) == 0 ? number : 0;
            int lowest = minimum;
            while (lowest < _model.Length && _model[lowest])
                lowest++;
            Result<int> result = table.Reserve(minimum, (ulong)_model.Length, CloseOnExec.No);
            test.Check(lowest == _model.Length ? result.Error == Errno.EMFILE : result.IsOk && result.Value == lowest, "the lowest free number"u8);
            if (result.IsOk)
                _model[result.Value] = true;
        }
        for (int i = 0; i < _model.Length; i++)
        {
            if (_model[i])
                table.Unreserve(i);
        }
        table.Put(null!);
    }

    // Two owners lock and unlock ranges; a byte each tells what the owner holds there.
    private void RecordLocks(TestContext test)
    {
        if (MakeInstance(test) is not { } superblock)
            return;
        FileDescriptorTable? first = FileDescriptorTable.Allocate(_vfs);
        FileDescriptorTable? second = FileDescriptorTable.Allocate(_vfs);
        FileLock? wanted = _vfs.FileLockObjects.Allocate();
        if (first is not null && second is not null && wanted is not null
            && TmpfsEntries.Make(superblock.Root, "locked"u8, FileMode.Regular | 0x1A4, 0).TryGet(out Dentry entry, out _)
            && FileLocks.Of(entry.Inode!) is { } locks)
        {
            _locks.AsSpan().Fill((byte)FileLockType.Unlock);
            for (int step = 0; step < 4000; step++)
            {
                int who = test.Next(2);
                int start = test.Next(Bytes);
                int end = start + test.Next(Bytes - start);
                var type = (FileLockType)test.Next(3);
                wanted.Kind = FileLockKind.Process;
                wanted.Type = type;
                wanted.Start = start;
                wanted.End = end;
                wanted.Owner = who == 0 ? first : second;
                bool allowed = type == FileLockType.Unlock || IsFree(1 - who, start, end, type);
                Errno error = locks.Set(null!, wanted, wait: false);
                test.Check(error == (allowed ? Errno.None : Errno.EAGAIN), "locks exclude each other byte by byte"u8);
                if (allowed)
                    _locks.AsSpan(who * Bytes + start, end - start + 1).Fill((byte)type);
            }
            test.Check(IsSame(locks, first, 0) && IsSame(locks, second, 1), "the list says what the bytes say"u8);
            locks.RemoveOwner(first);
            locks.RemoveOwner(second);
            test.Check(locks.First is null, "an owner's locks go with it"u8);
        }
        else
        {
            test.Check(false, "there is memory"u8);
        }
        if (wanted is not null)
            _vfs.FileLockObjects.Free(wanted);
        first?.Put(null!);
        second?.Put(null!);
        superblock.Put();
    }

    private bool IsFree(int other, int start, int end, FileLockType type)
    {
        for (int i = start; i <= end; i++)
        {
            var held = (FileLockType)_locks[other * Bytes + i];
            if (held == FileLockType.Write || (held == FileLockType.Read && type == FileLockType.Write))
                return false;
        }
        return true;
    }

    // Each owner's locks are disjoint, in order, and never two alike side by side.
    private bool IsSame(FileLocks locks, FileDescriptorTable owner, int who)
    {
        int at = 0;
        FileLock? before = null;
        for (FileLock? held = locks.First; held is not null; held = held.Next)
        {
            if (!ReferenceEquals(held.Owner, owner))
                continue;
            if (held.Start < at || (before is not null && before.Type == held.Type && before.End + 1 == held.Start))
                return false;
            for (; at < held.Start; at++)
            {
                if (_locks[who * Bytes + at] != (byte)FileLockType.Unlock)
                    return false;
            }
            for (; at <= held.End; at++)
            {
                if (_locks[who * Bytes + at] != (byte)held.Type)
                    return false;
            }
            before = held;
        }
        for (; at < Bytes; at++)
        {
            if (_locks[who * Bytes + at] != (byte)FileLockType.Unlock)
                return false;
        }
        return true;
    }
}
