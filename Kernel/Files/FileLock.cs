using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Files;

/// <summary>Which call a lock comes from; kinds other than the two record kinds do not see each other.</summary>
internal enum FileLockKind : byte
{
    /// <summary><c>fcntl(F_SETLK)</c>: owned by the process, by its descriptor table.</summary>
    Process,

    /// <summary><c>fcntl(F_OFD_SETLK)</c>: owned by the open file. Conflicts with <see cref="Process"/> locks.</summary>
    OpenFile,

    /// <summary><c>flock</c>: owned by the open file, over the whole file.</summary>
    Flock,
}

/// <summary>What a lock forbids to others. The numbers of <c>F_RDLCK</c>, <c>F_WRLCK</c>, <c>F_UNLCK</c>.</summary>
internal enum FileLockType : short
{
    Read = 0,
    Write = 1,
    Unlock = 2,
}

/// <summary>One lock on a range of a file.</summary>
/// <remarks>Linux: <c>struct file_lock</c>. The list hangs from <see cref="FileLocks"/>; nothing sleeps while it is walked.</remarks>
internal sealed class FileLock
{
    public FileLockKind Kind;
    public FileLockType Type;

    /// <summary>First and last byte; <see cref="long.MaxValue"/>: to the end, however far that moves.</summary>
    public long Start;
    public long End;

    /// <summary>A <see cref="FileDescriptorTable"/> or an <see cref="OpenFile"/>.</summary>
    public object? Owner;

    /// <summary>The process number for <c>F_GETLK</c> and /proc/locks; −1 for a lock of an open file.</summary>
    public int Process;

    internal FileLock? Next;

    public bool Overlaps(in FileLock other) => Start <= other.End && other.Start <= End;

    /// <summary>Do the two exclude each other? Linux: <c>posix_locks_conflict</c>, <c>flock_locks_conflict</c>.</summary>
    public bool ConflictsWith(FileLock other)
    {
        if (ReferenceEquals(Owner, other.Owner) || (Kind == FileLockKind.Flock) != (other.Kind == FileLockKind.Flock))
            return false;
        return (Type == FileLockType.Write || other.Type == FileLockType.Write) && Overlaps(other);
    }

    /// <summary>The last reference to an open file goes: its own locks go with it.</summary>
    public static void FileReleased(OpenFile file) => file.Inode.Locks?.RemoveOwner(file);

    /// <summary>A process closes a descriptor of the file: all its record locks on the file go, whichever descriptor made them.</summary>
    public static void DescriptorClosed(OpenFile file, FileDescriptorTable table) => file.Inode.Locks?.RemoveOwner(table);
}
