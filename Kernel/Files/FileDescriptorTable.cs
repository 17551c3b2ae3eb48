using System;
using System.Numerics;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>Whether a descriptor is closed by <c>execve</c>.</summary>
internal enum CloseOnExec : byte
{
    No,
    Yes,
}

/// <summary>Open files by number. Shared by <c>CLONE_FILES</c>, counted.</summary>
/// <remarks>
/// Linux: <c>files_struct</c>, <c>fdtable</c>. Grows by doubling up to the caller's RLIMIT_NOFILE. The lowest free number is found through
/// two levels of bitmaps: 4,096 descriptors a step. Guarded by the rule that kernel code is not preempted: no method sleeps between
/// looking and changing, except where it says that it looks again.
/// <para>A number is first reserved, then gets its file: opening may sleep, and nobody may see a half-open file.</para>
/// </remarks>
internal sealed class FileDescriptorTable
{
    private const int FirstCapacity = 64;

    private Vfs vfs = null!;
    private int references;
    private OpenFile?[] files = null!;

    // One bit a descriptor; "full" has one bit for each word of "used" that has no free bit.
    private ulong[] used = null!;
    private ulong[] closeOnExec = null!;
    private ulong[] full = null!;

    /// <summary>No number below this one is free.</summary>
    private int lowestFree;

    /// <summary>The process whose record lock a task of this table waits for: how deadlocks are found.</summary>
    internal FileDescriptorTable? BlockedBy;

    /// <summary>How many numbers there is room for.</summary>
    public int Capacity => files.Length;

    /// <summary>How many tasks share the table.</summary>
    public int References => references;

    /// <summary>How many descriptors are in use.</summary>
    public int Count { get; private set; }

    /// <summary>An empty table with one reference; null when memory is out.</summary>
    public static FileDescriptorTable? Allocate(Vfs vfs) => Allocate(vfs, FirstCapacity);

    public FileDescriptorTable Get()
    {
        references++;
        return this;
    }

    /// <summary>Linux: <c>put_files_struct</c>. The last user's exit closes everything.</summary>
    public void Put(TaskFiles who)
    {
        if (--references > 0)
            return;
        for (int fd = NextUsed(0); fd >= 0; fd = NextUsed(fd + 1))
            Close(who, fd);
        FreeArrays();
        vfs.DescriptorTables.Free(this);
    }

    /// <summary>The file behind a number, with a reference for the caller; null: EBADF, also for <c>O_PATH</c> files. Linux: <c>fget</c>.</summary>
    public OpenFile? GetFile(int fd)
    {
        OpenFile? file = Peek(fd);
        return file is null || file.IsPathOnly ? null : file.GetFile();
    }

    /// <summary>As <see cref="GetFile"/>, for the calls that also take <c>O_PATH</c> files. Linux: <c>fget_raw</c>.</summary>
    public OpenFile? GetAnyFile(int fd) => Peek(fd)?.GetFile();

    /// <summary>The file behind a number without a reference: sound until the caller sleeps.</summary>
    public OpenFile? Peek(int fd) => (uint)fd < (uint)files.Length ? files[fd] : null;

    public bool IsCloseOnExec(int fd) => (closeOnExec[fd >> 6] & (1UL << fd)) != 0;

    public void SetCloseOnExec(int fd, CloseOnExec value)
    {
        if (value == CloseOnExec.Yes)
            closeOnExec[fd >> 6] |= 1UL << fd;
        else
            closeOnExec[fd >> 6] &= ~(1UL << fd);
    }

    /// <summary>Reserves the lowest free number that is at least <paramref name="minimum"/>. Linux: <c>alloc_fd</c>.</summary>
    /// <param name="limit">The caller's RLIMIT_NOFILE.</param>
    /// <returns><see cref="Errno.EMFILE"/> at the limit, <see cref="Errno.ENOMEM"/>.</returns>
    public Result<int> Reserve(int minimum, ulong limit, CloseOnExec onExec)
    {
        int fd;
        for (; ; )
        {
            fd = NextFree(Math.Max(minimum, lowestFree));
            if ((ulong)fd >= limit)
                return Errno.EMFILE;
            if (fd < files.Length)
                break;
            Errno error = Grow(fd + 1);                      // may sleep: the number may be taken afterwards
            if (error != Errno.None)
                return error;
        }
        MarkUsed(fd);
        SetCloseOnExec(fd, onExec);
        if (minimum <= lowestFree)
            lowestFree = fd + 1;
        return fd;
    }

    /// <summary>Reserves the lowest free number within the task's limit.</summary>
    public Result<int> Reserve(TaskFiles who, CloseOnExec onExec) => Reserve(0, who.DescriptorLimit, onExec);

    /// <summary>Gives a reserved number its file; takes over the caller's reference. Linux: <c>fd_install</c>.</summary>
    public void Install(int fd, OpenFile file) => files[fd] = file;

    /// <summary>Gives a reserved number back that got no file. Linux: <c>put_unused_fd</c>.</summary>
    public void Unreserve(int fd) => MarkFree(fd);

    /// <summary>Reserves a number and installs a file; the caller's reference is taken over on success only.</summary>
    public Result<int> Add(TaskFiles who, OpenFile file, CloseOnExec onExec)
    {
        Result<int> fd = Reserve(who, onExec);
        if (fd.IsOk)
            Install(fd.Value, file);
        return fd;
    }

    /// <summary>Linux: <c>close_fd</c>.</summary>
    /// <returns><see cref="Errno.EBADF"/>, or what <see cref="OpenFile.Flush"/> says; the number is free in any case.</returns>
    public Errno Close(TaskFiles who, int fd)
    {
        OpenFile? file = Peek(fd);
        if (file is null)
        {
            // A number that another thread has reserved and not filled yet is left alone.
            return Errno.EBADF;
        }
        files[fd] = null;
        MarkFree(fd);
        return CloseFile(who, file);
    }

    /// <summary>Puts a file at exactly this number, closing what was there. Takes over the caller's reference on success. Linux: <c>replace_fd</c>.</summary>
    /// <returns><see cref="Errno.EBADF"/> beyond the limit, <see cref="Errno.EBUSY"/> for a number that is just being opened.</returns>
    public Errno Replace(TaskFiles who, int fd, OpenFile file, CloseOnExec onExec)
    {
        if ((uint)fd >= who.DescriptorLimit)
            return Errno.EBADF;
        if (fd >= files.Length)
        {
            Errno error = Grow(fd + 1);
            if (error != Errno.None)
                return error;
        }
        OpenFile? old = files[fd];
        bool wasUsed = (used[fd >> 6] & (1UL << fd)) != 0;
        if (old is null && wasUsed)
            return Errno.EBUSY;
        if (!wasUsed)
            MarkUsed(fd);
        files[fd] = file;
        SetCloseOnExec(fd, onExec);
        if (old is not null)
            CloseFile(who, old);
        return Errno.None;
    }

    /// <summary>The first used number at or after <paramref name="fd"/>, or −1: for /proc/PID/fd and <c>close_range</c>.</summary>
    public int NextUsed(int fd)
    {
        if ((uint)fd >= (uint)files.Length)
            return -1;
        int word = fd >> 6;
        ulong bits = used[word] & (ulong.MaxValue << fd);
        while (bits == 0)
        {
            if (++word >= used.Length)
                return -1;
            bits = used[word];
        }
        return (word << 6) + BitOperations.TrailingZeroCount(bits);
    }

    /// <summary>Linux: <c>do_close_on_exec</c>.</summary>
    public void CloseForExec(TaskFiles who)
    {
        for (int word = 0; word < closeOnExec.Length; word++)
        {
            ulong bits = closeOnExec[word] & used[word];
            closeOnExec[word] = 0;
            while (bits != 0)
            {
                Close(who, (word << 6) + BitOperations.TrailingZeroCount(bits));
                bits &= bits - 1;
            }
        }
    }

    /// <summary>A copy for <c>fork</c>: the same files under the same numbers. Linux: <c>dup_fd</c>.</summary>
    /// <returns>Null when memory is out.</returns>
    public FileDescriptorTable? Clone()
    {
        FileDescriptorTable? copy;
        do
        {
            copy = Allocate(vfs, CapacityFor(HighestUsed() + 1));
            if (copy is null)
                return null;
            // The allocation may have slept, and another thread that shares this table may have grown it: look again.
            if (copy.files.Length > HighestUsed())
                break;
            copy.FreeArrays();
            vfs.DescriptorTables.Free(copy);
        }
        while (true);

        for (int fd = NextUsed(0); fd >= 0; fd = NextUsed(fd + 1))
        {
            // A number that is reserved only is being opened by another thread: the copy does not get it.
            if (files[fd] is not { } file)
                continue;
            copy.files[fd] = file.GetFile();
            copy.MarkUsed(fd);
            copy.SetCloseOnExec(fd, IsCloseOnExec(fd) ? CloseOnExec.Yes : CloseOnExec.No);
        }
        return copy;
    }

    private static FileDescriptorTable? Allocate(Vfs vfs, int capacity)
    {
        FileDescriptorTable? table = vfs.DescriptorTables.Allocate();
        if (table is null)
            return null;
        table.vfs = vfs;
        table.references = 1;
        if (table.TryAllocateArrays(capacity, out Arrays arrays))
        {
            table.UseArrays(arrays);
            return table;
        }
        vfs.DescriptorTables.Free(table);
        return null;
    }

    private Errno CloseFile(TaskFiles who, OpenFile file)
    {
        Errno error = file.Flush(who);
        if (file.Inode.Locks is not null && !file.IsPathOnly)
            FileLock.DescriptorClosed(file, this);
        file.Put();
        return error;
    }

    private int NextFree(int from)
    {
        int word = from >> 6;
        if (word >= used.Length)
            return from;
        ulong free = ~used[word] & (ulong.MaxValue << from);
        if (free == 0)
        {
            int group = ++word >> 6;
            ulong groups = group < full.Length ? ~full[group] & (ulong.MaxValue << word) : 0;
            while (groups == 0)
            {
                if (++group >= full.Length)
                    return Math.Max(from, files.Length);
                groups = ~full[group];
            }
            word = (group << 6) + BitOperations.TrailingZeroCount(groups);
            if (word >= used.Length)
                return Math.Max(from, files.Length);
            free = ~used[word];
        }
        return (word << 6) + BitOperations.TrailingZeroCount(free);
    }

    private int HighestUsed()
    {
        for (int word = used.Length - 1; word >= 0; word--)
        {
            if (used[word] != 0)
                return (word << 6) + 63 - BitOperations.LeadingZeroCount(used[word]);
        }
        return -1;
    }

    private void MarkUsed(int fd)
    {
        int word = fd >> 6;
        used[word] |= 1UL << fd;
        if (used[word] == ulong.MaxValue)
            full[word >> 6] |= 1UL << word;
        Count++;
    }

    private void MarkFree(int fd)
    {
        int word = fd >> 6;
        used[word] &= ~(1UL << fd);
        closeOnExec[word] &= ~(1UL << fd);
        full[word >> 6] &= ~(1UL << word);
        Count--;
        if (fd < lowestFree)
            lowestFree = fd;
    }

    private static int CapacityFor(int wanted)
    {
        int capacity = FirstCapacity;
        while (capacity < wanted)
            capacity <<= 1;
        return capacity;
    }

    // Reserve the larger arrays first, then copy and swap: the copying does not sleep.
    private Errno Grow(int wanted)
    {
        if (!TryAllocateArrays(CapacityFor(wanted), out Arrays larger))
            return Errno.ENOMEM;
        if (wanted <= files.Length)
        {
            // Another thread grew the table while memory was being found.
            FreeArrays(larger);
            return Errno.None;
        }
        var old = new Arrays { Files = files, Used = used, CloseOnExec = closeOnExec, Full = full };
        for (int i = 0; i < files.Length; i++)
            larger.Files[i] = files[i];
        used.AsSpan().CopyTo(larger.Used);
        closeOnExec.AsSpan().CopyTo(larger.CloseOnExec);
        full.AsSpan().CopyTo(larger.Full);
        UseArrays(larger);
        FreeArrays(old);
        return Errno.None;
    }

    private bool TryAllocateArrays(int capacity, out Arrays arrays)
    {
        KernelArrays memory = vfs.Arrays;
        arrays.Files = memory.Allocate<OpenFile?>(capacity)!;
        arrays.Used = memory.Allocate<ulong>(capacity >> 6)!;
        arrays.CloseOnExec = memory.Allocate<ulong>(capacity >> 6)!;
        arrays.Full = memory.Allocate<ulong>((capacity + 4095) >> 12)!;
        if (arrays.Files is not null && arrays.Used is not null && arrays.CloseOnExec is not null && arrays.Full is not null)
            return true;
        FreeArrays(arrays);
        return false;
    }

    private void UseArrays(in Arrays arrays)
    {
        files = arrays.Files;
        used = arrays.Used;
        closeOnExec = arrays.CloseOnExec;
        full = arrays.Full;
    }

    private void FreeArrays() => FreeArrays(new Arrays { Files = files, Used = used, CloseOnExec = closeOnExec, Full = full });

    private void FreeArrays(in Arrays arrays)
    {
        FreeArray(arrays.Files);
        FreeArray(arrays.Used);
        FreeArray(arrays.CloseOnExec);
        FreeArray(arrays.Full);
    }

    private void FreeArray<T>(T[]? array)
    {
        if (array is not null)
            vfs.Arrays.Free(array);
    }

    /// <summary>The four arrays that grow together.</summary>
    private struct Arrays
    {
        public OpenFile?[] Files;
        public ulong[] Used;
        public ulong[] CloseOnExec;
        public ulong[] Full;
    }
}
