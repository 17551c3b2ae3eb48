using System;

namespace NanoVm.Files;

/// <summary>Flags of <c>mount</c>. Linux: <c>MS_*</c>.</summary>
[Flags]
internal enum MountFlags : ulong
{
    None = 0,
    ReadOnly = 1,
    NoSetUid = 2,
    NoDevices = 4,
    NoExecute = 8,
    Synchronous = 16,
    Remount = 32,
    MandatoryLocks = 64,
    DirectorySync = 128,
    NoSymbolicFollow = 256,
    NoAccessTime = 1024,
    NoDirectoryAccessTime = 2048,
    Bind = 4096,
    Move = 8192,
    Recursive = 16384,
    Silent = 32768,
    Unbindable = 1 << 17,
    Private = 1 << 18,
    Slave = 1 << 19,
    Shared = 1 << 20,
    RelativeAccessTime = 1 << 21,
    StrictAccessTime = 1 << 24,
    LazyTime = 1 << 25,

    /// <summary>What belongs to a mount and not to the instance.</summary>
    PerMount = ReadOnly | NoSetUid | NoDevices | NoExecute | NoAccessTime | NoDirectoryAccessTime | RelativeAccessTime | NoSymbolicFollow,

    Propagation = Unbindable | Private | Slave | Shared,
}

/// <summary>Flags of <c>umount2</c>. Linux: <c>MNT_*</c>, <c>UMOUNT_NOFOLLOW</c>.</summary>
[Flags]
internal enum UnmountFlags : uint
{
    None = 0,
    Force = 1,
    Detach = 2,
    Expire = 4,
    NoFollow = 8,
    Known = 15,
}
