using System;

namespace NanoVm.Files;

/// <summary>Flags of <c>open</c> and of an open file, with the numbers of x86-64 Linux.</summary>
/// <remarks>Linux: <c>O_*</c>; man 2 open.</remarks>
[Flags]
internal enum OpenFlags : uint
{
    ReadOnly = 0,
    WriteOnly = 1,
    ReadWrite = 2,
    AccessMask = 3,
    Create = 0x40,
    Exclusive = 0x80,
    NoControllingTerminal = 0x100,
    Truncate = 0x200,
    Append = 0x400,
    NonBlocking = 0x800,
    DataSync = 0x1000,
    Async = 0x2000,
    Direct = 0x4000,
    LargeFile = 0x8000,
    Directory = 0x10000,
    NoFollow = 0x20000,
    NoAccessTime = 0x40000,
    CloseOnExec = 0x80000,
    Sync = 0x101000,
    Path = 0x200000,
    TemporaryFileBit = 0x400000,
    TemporaryFile = 0x410000,

    /// <summary>All that <c>open</c> knows; other bits are ignored by <c>open</c> and refused by <c>openat2</c>.</summary>
    Known = AccessMask | Create | Exclusive | NoControllingTerminal | Truncate | Append | NonBlocking | DataSync | Async | Direct
        | LargeFile | Directory | NoFollow | NoAccessTime | CloseOnExec | Sync | Path | TemporaryFileBit,

    /// <summary>What <c>fcntl(F_SETFL)</c> may change. Linux: <c>SETFL_MASK</c>.</summary>
    Changeable = Append | NonBlocking | Async | Direct | NoAccessTime,

    /// <summary>What is forgotten after the open: it told how to open, not how the file is.</summary>
    OpenOnly = Create | Exclusive | NoControllingTerminal | Truncate | CloseOnExec,
}

/// <summary>What a process wants of a file, checked against mode bits. Linux: <c>MAY_*</c>; the numbers of <c>access</c>.</summary>
[Flags]
internal enum FileAccess : byte
{
    Exists = 0,
    Execute = 1,
    Write = 2,
    Read = 4,
}

/// <summary>Flags of <c>renameat2</c>. Linux: <c>RENAME_*</c>.</summary>
[Flags]
internal enum RenameFlags : uint
{
    None = 0,
    NoReplace = 1,
    Exchange = 2,
    Whiteout = 4,
}

/// <summary>Where <c>lseek</c> counts from. Linux: <c>SEEK_*</c>.</summary>
internal enum SeekOrigin : uint
{
    Start = 0,
    Current = 1,
    End = 2,
    Data = 3,
    Hole = 4,
}
