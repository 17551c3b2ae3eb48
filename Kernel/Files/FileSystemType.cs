using System;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>A kind of file system that <c>mount</c> knows by name. Linux: <c>file_system_type</c>. Built at boot, lives forever.</summary>
internal abstract class FileSystemType
{
    internal FileSystemType? Next;

    public abstract ReadOnlySpan<byte> Name { get; }

    /// <summary>True when a mount needs a block device; otherwise /proc/filesystems says <c>nodev</c>.</summary>
    public virtual bool NeedsDevice => false;

    /// <summary>Makes an instance, or answers one that exists (proc). The caller gets one reference.</summary>
    /// <param name="source">The first argument of <c>mount</c>.</param>
    /// <param name="options">The last argument of <c>mount</c>: words parted by commas.</param>
    public abstract Result<Superblock> Create(Vfs vfs, TaskFiles? who, ReadOnlySpan<byte> source, MountFlags flags, ReadOnlySpan<byte> options);
}
