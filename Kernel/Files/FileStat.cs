namespace NanoVm.Files;

/// <summary>What is known about a file, before it takes the shape of <c>stat</c> or <c>statx</c>.</summary>
/// <remarks>Linux: <c>kstat</c>.</remarks>
internal struct FileStat
{
    public ulong Device;
    public ulong InodeNumber;
    public uint Mode;
    public uint Links;
    public uint Uid;
    public uint Gid;
    public ulong Rdev;
    public ulong Size;
    public uint BlockSize;

    /// <summary>Memory or disk taken, in units of 512 bytes.</summary>
    public ulong Blocks;
    public FileTime AccessTime;
    public FileTime ModifyTime;
    public FileTime ChangeTime;
    public FileTime BirthTime;

    /// <summary>Linux: <c>STATX_ATTR_*</c>.</summary>
    public ulong Attributes;
    public ulong AttributesMask;
    public ulong MountNumber;
}

/// <summary>Numbers of a file system. Linux: <c>kstatfs</c>; counts in units of <see cref="BlockSize"/>.</summary>
internal struct FileSystemStat
{
    public ulong Type;
    public ulong BlockSize;
    public ulong Blocks;
    public ulong BlocksFree;
    public ulong BlocksAvailable;
    public ulong Files;
    public ulong FilesFree;
    public ulong Identity;
    public ulong NameLength;
    public ulong Flags;
}
