using System;

namespace NanoVm.Files;

/// <summary>Which fields of an <see cref="AttributeChange"/> are meant. Linux: <c>ATTR_*</c>.</summary>
[Flags]
internal enum Attributes : ushort
{
    None = 0,
    Mode = 1,
    Uid = 2,
    Gid = 4,
    Size = 8,
    AccessTime = 16,
    ModifyTime = 32,
    ChangeTime = 64,

    /// <summary>The access time was given by the caller and is not "now": only the owner may say it.</summary>
    AccessTimeGiven = 128,
    ModifyTimeGiven = 256,

    /// <summary>The size changes through an open file or an <c>O_TRUNC</c>, whose right to write has been checked.</summary>
    ThroughFile = 512,
}

/// <summary>A wish to change an inode's attributes. Linux: <c>iattr</c>.</summary>
internal struct AttributeChange
{
    public Attributes Valid;
    public uint Mode;
    public uint Uid;
    public uint Gid;
    public ulong Size;
    public FileTime AccessTime;
    public FileTime ModifyTime;
    public FileTime ChangeTime;
}
