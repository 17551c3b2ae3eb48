using System.Threading;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>How much of memory may wait to be written, and how long.</summary>
/// <remarks>
/// Linux: <c>mm/page-writeback.c</c>. Above the background limit the flusher works; above the limit who makes pages dirty is held back until
/// there are fewer. Both are percentages of what could be dirty at all: free memory and pages of files.
/// </remarks>
internal sealed partial class PageCache
{
    private const ulong NanosecondsPerCentisecond = 10_000_000;

    private long _dirtyPages;
    private long _writebackPages;
    private long _dirtied;
    private long _written;

    /// <summary><c>/proc/sys/vm/dirty_ratio</c>, in percent; not used while <see cref="DirtyBytes"/> is set.</summary>
    public ulong DirtyRatio = 20;

    /// <summary><c>/proc/sys/vm/dirty_background_ratio</c>, in percent.</summary>
    public ulong DirtyBackgroundRatio = 10;

    /// <summary><c>/proc/sys/vm/dirty_bytes</c>, <c>dirty_background_bytes</c>; 0: the ratio counts.</summary>
    public ulong DirtyBytes, DirtyBackgroundBytes;

    /// <summary><c>/proc/sys/vm/dirty_expire_centisecs</c>: what has been dirty so long is written.</summary>
    public ulong DirtyExpireCentiseconds = 3000;

    /// <summary><c>/proc/sys/vm/dirty_writeback_centisecs</c>: how often the flusher looks; 0: never by itself.</summary>
    public ulong DirtyWritebackCentiseconds = 500;

    /// <summary>The flusher: woken when there is something to do before its time. Null on a machine without one (a test's).</summary>
    public KernelThread? Flusher;

    /// <summary>Pages that wait to be written to a disk. "Dirty".</summary>
    public PageCount DirtyPages => new((ulong)Volatile.Read(ref _dirtyPages));

    /// <summary>Pages that are being written. "Writeback".</summary>
    public PageCount WritebackPages => new((ulong)Volatile.Read(ref _writebackPages));

    /// <summary>Pages that became dirty, and pages that were written, since boot. <c>nr_dirtied</c>, <c>nr_written</c>.</summary>
    public ulong Dirtied => (ulong)Volatile.Read(ref _dirtied);
    public ulong Written => (ulong)Volatile.Read(ref _written);

    /// <summary>What could be dirty: free frames and pages of files. Linux: <c>global_dirtyable_memory</c>.</summary>
    public ulong DirtyablePages => Frames.FreeFrames.Value + Frames.Lru.Count(LruKind.InactiveFile).Value + Frames.Lru.Count(LruKind.ActiveFile).Value;

    /// <summary>From how many dirty pages on writers are held back.</summary>
    public ulong DirtyLimit => Limit(DirtyBytes, DirtyRatio);

    /// <summary>From how many on the flusher works. Always below <see cref="DirtyLimit"/>.</summary>
    public ulong BackgroundLimit
    {
        get
        {
            ulong limit = Limit(DirtyBackgroundBytes, DirtyBackgroundRatio);
            ulong hard = DirtyLimit;
            return limit < hard ? limit : hard / 2;
        }
    }

    public bool IsAboveBackground => DirtyPages.Value + WritebackPages.Value > BackgroundLimit;

    public bool IsAboveLimit => DirtyPages.Value + WritebackPages.Value > DirtyLimit;

    /// <summary>How old a change must be that the flusher writes it by itself, in nanoseconds.</summary>
    public ulong DirtyExpire => DirtyExpireCentiseconds * NanosecondsPerCentisecond;

    /// <summary>How long the flusher sleeps, in nanoseconds; 0: until it is woken.</summary>
    public ulong DirtyWriteback => DirtyWritebackCentiseconds * NanosecondsPerCentisecond;

    /// <summary>Has the flusher look for work now. Linux: <c>wakeup_flusher_threads</c>.</summary>
    public void WakeFlusher()
    {
        if (Flusher is { } flusher)
            PerCpu.Scheduler.Wake(flusher);
    }

    internal void CountDirty(long change)
    {
        Interlocked.Add(ref _dirtyPages, change);
        if (change <= 0)
            return;
        Interlocked.Add(ref _dirtied, change);
        if (PerCpu.CurrentOrNull is Virtual.TaskMemory thread)
            thread.Io.DiskBytesWritten += (ulong)change << PageSize.Shift;
    }

    /// <summary>A changed page goes and will not be written. Linux: <c>folio_account_cleaned</c>, <c>task_io_account_cancelled_write</c>.</summary>
    internal void CountCancelled()
    {
        Interlocked.Add(ref _dirtyPages, -1);
        if (PerCpu.CurrentOrNull is Virtual.TaskMemory thread)
            thread.Io.DiskBytesCancelled += PageSize.Bytes;
    }

    internal void CountWriteback(long change)
    {
        Interlocked.Add(ref _writebackPages, change);
        if (change < 0)
            Interlocked.Add(ref _written, -change);
    }

    private ulong Limit(ulong bytes, ulong ratio) => bytes != 0 ? (bytes + PageSize.Mask) >> PageSize.Shift : DirtyablePages * ratio / 100;
}
