using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Memory.Mapping;

namespace NanoVm.Tasks.Proc;

/// <summary>How much may be dirty, and how long: files of <c>/proc/sys/vm</c>.</summary>
internal enum DirtyLimitKind : byte
{
    Ratio,
    BackgroundRatio,
    Bytes,
    BackgroundBytes,
    Expire,
    Writeback,
}

/// <summary><c>/proc/sys/vm/dirty_*</c>. A limit in bytes and the same in percent exclude each other: the one that is written sets the other to 0.</summary>
/// <remarks>Linux: <c>dirty_ratio_handler</c>, <c>dirty_bytes_handler</c>, <c>dirty_writeback_centisecs_handler</c>.</remarks>
internal sealed class DirtySetting(PageCache cache, ReadOnlySpan<byte> name, DirtyLimitKind kind) : ProcPage(name, 0x1A4)
{
    private readonly PageCache _cache = cache;
    private readonly DirtyLimitKind _kind = kind;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Decimal(_kind switch
        {
            DirtyLimitKind.Ratio => _cache.DirtyBytes != 0 ? 0 : _cache.DirtyRatio,
            DirtyLimitKind.BackgroundRatio => _cache.DirtyBackgroundBytes != 0 ? 0 : _cache.DirtyBackgroundRatio,
            DirtyLimitKind.Bytes => _cache.DirtyBytes,
            DirtyLimitKind.BackgroundBytes => _cache.DirtyBackgroundBytes,
            DirtyLimitKind.Expire => _cache.DirtyExpireCentiseconds,
            _ => _cache.DirtyWritebackCentiseconds,
        });
        w.Byte((byte)'\n');
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        if (!SysctlNumber.Take(ref from, out long value, out Errno error))
            return error;
        return Set(value) ? total : Errno.EINVAL;
    }

    private bool Set(long value)
    {
        switch (_kind)
        {
            case DirtyLimitKind.Ratio when value is >= 0 and <= 100:
                _cache.DirtyRatio = (ulong)value;
                _cache.DirtyBytes = 0;
                return true;
            case DirtyLimitKind.BackgroundRatio when value is >= 0 and <= 100:
                _cache.DirtyBackgroundRatio = (ulong)value;
                _cache.DirtyBackgroundBytes = 0;
                return true;
            case DirtyLimitKind.Bytes when value >= 2 * (long)PageSize.Bytes:
                _cache.DirtyBytes = (ulong)value;
                return true;
            case DirtyLimitKind.BackgroundBytes when value >= 1:
                _cache.DirtyBackgroundBytes = (ulong)value;
                return true;
            case DirtyLimitKind.Expire when value is >= 0 and <= int.MaxValue:
                _cache.DirtyExpireCentiseconds = (ulong)value;
                return true;
            case DirtyLimitKind.Writeback when value is >= 0 and <= int.MaxValue:
                _cache.DirtyWritebackCentiseconds = (ulong)value;
                _cache.WakeFlusher();                        // its sleep has the old length
                return true;
            default:
                return false;
        }
    }
}
