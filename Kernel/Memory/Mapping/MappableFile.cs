namespace NanoVm.Memory.Mapping;

/// <summary>An open file, as far as memory cares.</summary>
/// <remarks>Linux: what <c>mm/</c> uses of <c>struct file</c>. <c>Files.OpenFile</c> derives from it.</remarks>
internal abstract partial class MappableFile
{
    /// <summary>Takes one more reference. Linux: <c>get_file</c>.</summary>
    public abstract void Get();

    /// <summary>Gives a reference back; the last one closes the file. Linux: <c>fput</c>.</summary>
    public abstract void Put();

    /// <summary>The file's page cache, or null: devices have none.</summary>
    public abstract AddressSpace? Mapping { get; }

    /// <summary>For what the file was opened; <see cref="Core.Access.Execute"/> unless it lies on a file system mounted <c>noexec</c>.</summary>
    public abstract Core.Access Allowed { get; }

    /// <summary>Whether it was opened, or marked, for appending only: such a file has no shared writable mappings.</summary>
    public virtual bool IsAppendOnly => false;

    /// <summary>How far ahead of this file's readers and faults to read.</summary>
    public ReadAheadState ReadAhead;

    /// <summary>Whether <c>mmap</c> works at all; else it says ENODEV.</summary>
    public virtual bool CanMap => Mapping is not null;

    /// <summary>Whether its pages are huge ones of the pool. Linux: <c>is_file_hugepages</c>.</summary>
    public virtual bool IsHuge => false;

    /// <summary>The device number (as <c>stat</c> has it) and inode number that <c>/proc/PID/maps</c> shows.</summary>
    public abstract ulong Device { get; }

    public abstract ulong InodeNumber { get; }

    /// <summary>Writes the name that <c>/proc/PID/maps</c> shows, with <c> (deleted)</c> where so.</summary>
    public abstract void WritePath(ref Core.TextWriter to);
}
