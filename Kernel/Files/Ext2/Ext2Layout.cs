using System;
using System.Runtime.CompilerServices;

namespace NanoVm.Files.Ext2;

/// <summary>Numbers of ext2's disk format, and little-endian access to its records.</summary>
/// <remarks>Source: "The Second Extended File System", the format's public description. All numbers on the disk are little-endian.</remarks>
internal static class Ext2Layout
{
    public const ushort Magic = 0xEF53;
    public const uint RootInode = 2;
    public const uint FirstInodeOfRevision0 = 11;
    public const ushort StateValid = 1;

    public const uint CompatAttributes = 0x8;
    public const uint IncompatFileType = 0x2;
    public const uint ReadOnlySparseSuper = 0x1;
    public const uint ReadOnlyLargeFile = 0x2;
    public const uint ReadOnlyKnown = ReadOnlySparseSuper | ReadOnlyLargeFile;

    /// <summary>The directory has a hash tree, which this driver does not keep: it is forgotten when an entry is added.</summary>
    public const uint FlagIndexedDirectory = 0x1000;
    public const uint FlagImmutable = 0x10;
    public const uint FlagAppendOnly = 0x20;

    /// <summary>Names of one file. Linux: <c>EXT2_LINK_MAX</c>.</summary>
    public const uint MaximumLinks = 32000;

    public const int DirectBlocks = 12;
    public const int BlockPointers = 15;

    public static class Super
    {
        public const int Offset = 1024;
        public const int Inodes = 0;
        public const int Blocks = 4;
        public const int ReservedBlocks = 8;
        public const int FreeBlocks = 12;
        public const int FreeInodes = 16;
        public const int FirstDataBlock = 20;
        public const int LogBlockSize = 24;
        public const int BlocksPerGroup = 32;
        public const int InodesPerGroup = 40;
        public const int MountTime = 44;
        public const int WriteTime = 48;
        public const int MountCount = 52;
        public const int Magic = 56;
        public const int State = 58;
        public const int Revision = 76;
        public const int ReservedUid = 80;
        public const int ReservedGid = 82;
        public const int FirstInode = 84;
        public const int InodeSize = 88;
        public const int Compat = 92;
        public const int Incompat = 96;
        public const int ReadOnlyCompat = 100;
    }

    public static class Group
    {
        public const int Size = 32;
        public const int BlockBitmap = 0;
        public const int InodeBitmap = 4;
        public const int InodeTable = 8;
        public const int FreeBlocks = 12;
        public const int FreeInodes = 14;
        public const int Directories = 16;
    }

    public static class Node
    {
        public const int Mode = 0;
        public const int Uid = 2;
        public const int Size = 4;
        public const int AccessTime = 8;
        public const int ChangeTime = 12;
        public const int ModifyTime = 16;
        public const int DeleteTime = 20;
        public const int Gid = 24;
        public const int Links = 26;
        public const int Sectors = 28;
        public const int Flags = 32;
        public const int Pointers = 40;
        public const int Generation = 100;
        public const int FileAcl = 104;
        public const int SizeHigh = 108;
        public const int UidHigh = 120;
        public const int GidHigh = 122;
        public const int Length = 128;

        // Behind the 128 bytes of every record, where records are larger. How many bytes of them are used is in the first.
        public const int ExtraLength = 128;
        public const int ChangeTimeExtra = 132;
        public const int ModifyTimeExtra = 136;
        public const int AccessTimeExtra = 140;
        public const int BirthTime = 144;
        public const int BirthTimeExtra = 148;
        public const ushort ExtraBytes = 32;
    }

    /// <summary>The block of extended attributes: its header, and an entry's fields.</summary>
    public static class Xattr
    {
        public const uint MagicNumber = 0xEA02_0000;
        public const int Magic = 0;
        public const int Users = 4;
        public const int Blocks = 8;
        public const int HeaderBytes = 32;

        public const int NameLength = 0;
        public const int NameIndex = 1;
        public const int ValueOffset = 2;
        public const int ValueBlock = 4;
        public const int ValueBytes = 8;
        public const int Hash = 12;
        public const int EntryBytes = 16;
    }

    public static class Entry
    {
        public const int Inode = 0;
        public const int RecordLength = 4;
        public const int NameLength = 6;
        public const int Type = 7;
        public const int Name = 8;
    }

    public static ushort Get16(ReadOnlySpan<byte> from, int offset) => Unsafe.ReadUnaligned<ushort>(in from.Slice(offset, 2)[0]);
    public static uint Get32(ReadOnlySpan<byte> from, int offset) => Unsafe.ReadUnaligned<uint>(in from.Slice(offset, 4)[0]);
    public static void Set16(Span<byte> to, int offset, ushort value) => Unsafe.WriteUnaligned(ref to.Slice(offset, 2)[0], value);
    public static void Set32(Span<byte> to, int offset, uint value) => Unsafe.WriteUnaligned(ref to.Slice(offset, 4)[0], value);

    /// <summary>The <c>file_type</c> of a directory entry for a mode.</summary>
    public static byte ToEntryType(uint mode) => (mode & FileMode.TypeMask) switch
    {
        FileMode.Regular => 1,
        FileMode.Directory => 2,
        FileMode.CharacterDevice => 3,
        FileMode.BlockDevice => 4,
        FileMode.Fifo => 5,
        FileMode.Socket => 6,
        FileMode.SymbolicLink => 7,
        _ => 0,
    };

    /// <summary>The <c>d_type</c> that <c>getdents64</c> shows for an entry's type; 0 where it is unknown.</summary>
    public static byte ToDirectoryType(byte entryType) => entryType switch
    {
        1 => FileMode.ToDirectoryType(FileMode.Regular),
        2 => FileMode.ToDirectoryType(FileMode.Directory),
        3 => FileMode.ToDirectoryType(FileMode.CharacterDevice),
        4 => FileMode.ToDirectoryType(FileMode.BlockDevice),
        5 => FileMode.ToDirectoryType(FileMode.Fifo),
        6 => FileMode.ToDirectoryType(FileMode.Socket),
        7 => FileMode.ToDirectoryType(FileMode.SymbolicLink),
        _ => 0,
    };
}
