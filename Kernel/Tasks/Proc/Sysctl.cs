using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary>Numbers that users write to files of <c>/proc</c>.</summary>
internal static class SysctlNumber
{
    /// <summary>Takes one decimal, octal (0…) or hexadecimal (0x…) number with blanks around it.</summary>
    /// <returns>False: <paramref name="error"/> says why (EFAULT, EINVAL).</returns>
    public static bool Take(ref IovIter from, out long value, out Errno error)
    {
        bool good = Take(ref from, out ulong magnitude, out bool isNegative, out error) && magnitude <= long.MaxValue;
        value = isNegative ? -(long)magnitude : (long)magnitude;
        if (!good && error == Errno.None)
            error = Errno.EINVAL;
        return good;
    }

    /// <summary>The same for a number that has no sign.</summary>
    public static bool Take(ref IovIter from, out ulong value, out Errno error)
    {
        bool good = Take(ref from, out value, out bool isNegative, out error) && !isNegative;
        if (!good && error == Errno.None)
            error = Errno.EINVAL;
        return good;
    }

    private static bool Take(ref IovIter from, out ulong value, out bool isNegative, out Errno error)
    {
        value = 0;
        isNegative = false;
        Span<byte> text = stackalloc byte[32];
        error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return false;
        error = TryParse(text.Slice(0, count), out value, out isNegative) && from.Remaining == 0 ? Errno.None : Errno.EINVAL;
        return error == Errno.None;
    }

    private static bool TryParse(ReadOnlySpan<byte> text, out ulong value, out bool isNegative)
    {
        value = 0;
        int at = 0;
        while (at < text.Length && IsBlank(text[at]))
            at++;
        isNegative = at < text.Length && text[at] == '-';
        if (isNegative)
            at++;
        int digits = 0;
        uint radix = 10;
        if (at + 1 < text.Length && text[at] == '0')
        {
            bool isHex = (text[at + 1] | 32) == 'x';
            radix = isHex ? 16u : 8u;
            at += isHex ? 2 : 0;
        }
        ulong number = 0;
        for (; at < text.Length; at++, digits++)
        {
            int c = text[at] | 32;
            uint digit = c is >= 'a' and <= 'f' ? (uint)(c - 'a' + 10) : text[at] is >= (byte)'0' and <= (byte)'9' ? (uint)(text[at] - '0') : 99;
            if (digit >= radix)
                break;
            if (number > (ulong.MaxValue - digit) / radix)
                return false;
            number = number * radix + digit;
        }
        while (at < text.Length && (IsBlank(text[at]) || text[at] == 0))
            at++;
        value = number;
        return digits > 0 && at == text.Length;
    }

    private static bool IsBlank(byte c) => c is (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r';
}

/// <summary>Which setting a <see cref="SysctlFile"/> shows.</summary>
internal enum Setting
{
    HostName,
    DomainName,
    KernelName,
    Release,
    Version,
    PidMax,
    ThreadsMax,
    BootId,
    Uuid,
    EntropyAvailable,
    PoolSize,
    RandomizeVaSpace,
    ExitStatus,
    SelfTest,
    CorePattern,
    CoreUsesPid,
    Printk,
    CapLastCap,
    GroupsMax,
    ChildRunsFirst,
    RealTimePeriod,
    RealTimeRuntime,
    PtyMax,
    PtyCount,
    PanicOnOops,
    KptrRestrict,
    DmesgRestrict,
    OverflowUid,
    OverflowGid,
    MaxMapCount,
    OvercommitMemory,
    OvercommitRatio,
    OvercommitKilobytes,
    MmapMinAddress,
    Swappiness,
    UnprivilegedUserfaults,
    DropCaches,
    AdminReserve,
    UserReserve,
    PageCluster,
    MinFree,
    WatermarkScale,
    OomKillAllocatingTask,
    PanicOnOom,
    OomDumpTasks,
    FileMax,
    FileCount,
    OpenMax,
    PipeMaxSize,
    InodeCount,
    DentryState,
    ProtectedLinks,
    SomeMaximum,
}

/// <summary>A file of <c>/proc/sys</c>: one value, which root may change where it can be changed.</summary>
/// <remarks>Linux: <c>ctl_table</c> with <c>proc_dointvec_minmax</c> and its kin.</remarks>
internal sealed class SysctlFile : ProcPage
{
    private readonly ProcessFiles _files;
    private readonly Setting _setting;

    /// <summary>Makes one.</summary>
    public SysctlFile(ProcessFiles files, ReadOnlySpan<byte> name, Setting setting, uint permissions = 0x1A4)
        : base(name, permissions)
    {
        _files = files;
        _setting = setting;
    }

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        TaskSystem s = _files.System;
        IoSystem io = _files.Io;
        switch (_setting)
        {
            case Setting.HostName:
                w.Text(s.Names.Host);
                break;
            case Setting.DomainName:
                w.Text(s.Names.Domain);
                break;
            case Setting.KernelName:
                w.Text(SystemNames.KernelName);
                break;
            case Setting.Release:
                w.Text(SystemNames.Release);
                break;
            case Setting.Version:
                w.Text(SystemNames.Version);
                break;
            case Setting.BootId:
                Uuid(ref w, _files.BootIdHigh, _files.BootIdLow);
                break;
            case Setting.Uuid:
                Uuid(ref w, Core.Random.Next(), Core.Random.Next());
                break;
            case Setting.CorePattern:
                w.Text(s.CorePattern.Text);
                break;
            case Setting.Printk:
                w.Text("4\t4\t1\t7"u8);
                break;
            case Setting.SelfTest:
                w.Decimal((ulong)_files.SelfTestsRun);
                w.Byte((byte)' ');
                w.Decimal((ulong)_files.SelfTestsFailed);
                break;
            case Setting.FileCount:
                w.Signed(io.Vfs.OpenFiles);
                w.Text("\t0\t9223372036854775807"u8);
                break;
            case Setting.InodeCount:
                w.Text("0\t0"u8);
                break;
            case Setting.DentryState:
                w.Signed((long)io.Vfs.Dentries.Objects.Count);
                w.Byte((byte)'\t');
                w.Signed(io.Vfs.Dentries.UnusedCount);
                w.Text("\t45\t0\t0\t0"u8);
                break;
            default:
                w.Signed(Value(s, io));
                break;
        }
        w.Byte((byte)'\n');
        return Errno.None;
    }

    private long Value(TaskSystem s, IoSystem io) => _setting switch
    {
        Setting.PidMax => s.Pids.Maximum,
        Setting.ThreadsMax => s.MaximumTasks,
        Setting.EntropyAvailable or Setting.PoolSize => 256,
        Setting.RandomizeVaSpace => s.Memory.RandomizeVaSpace,
        Setting.ExitStatus => s.ExitStatus,
        Setting.CapLastCap => 40,
        Setting.GroupsMax => 65536,
        Setting.ChildRunsFirst => s.ChildRunsFirst,
        Setting.CoreUsesPid => s.CorePattern.AddsPid ? 1 : 0,
        Setting.RealTimePeriod => s.Scheduler.RealTime.PeriodMicroseconds,
        Setting.RealTimeRuntime => s.Scheduler.RealTime.RuntimeMicroseconds,
        Setting.PtyMax => Files.Terminal.PtyTable.Maximum,
        Setting.PtyCount => io.Ptys.Count,
        Setting.PanicOnOops => 1,
        Setting.OverflowUid or Setting.OverflowGid => 65534,
        Setting.MaxMapCount => s.Memory.MaxMapCount,
        Setting.OvercommitMemory => (int)s.Memory.OvercommitPolicy,
        Setting.OvercommitRatio => (long)s.Memory.OvercommitRatio,
        Setting.OvercommitKilobytes => (long)s.Memory.OvercommitKilobytes,
        Setting.MmapMinAddress => (long)s.Memory.MmapMinAddress,
        Setting.Swappiness => s.Memory.Reclaim!.Swappiness,
        Setting.UnprivilegedUserfaults => s.Memory.UnprivilegedUserfaults ? 1 : 0,
        Setting.DropCaches => _files.DropCaches,
        Setting.AdminReserve => (long)s.Memory.AdminReserveKilobytes,
        Setting.UserReserve => (long)s.Memory.UserReserveKilobytes,
        Setting.PageCluster => 3,
        Setting.MinFree => (long)s.Physical.Frames.MinimumFreeKilobytes,
        Setting.WatermarkScale => (long)s.Physical.Frames.WatermarkScale,
        Setting.OomKillAllocatingTask => s.Oom.KillAllocatingTask,
        Setting.PanicOnOom => s.Oom.Panic,
        Setting.OomDumpTasks => s.Oom.DumpTasks,
        Setting.FileMax => long.MaxValue,
        Setting.OpenMax => (long)SystemNames.MaximumOpenFiles,
        Setting.PipeMaxSize => (long)io.PipeMaximumBytes,
        Setting.ProtectedLinks => 1,
        Setting.SomeMaximum => 100000,
        _ => 0,
    };

    private static void Uuid(ref TextWriter w, ulong high, ulong low)
    {
        high = (high & ~0xF000UL) | 0x4000;                  // version 4: random
        low = (low & ~(3UL << 62)) | 2UL << 62;
        w.Hex(high >> 32, 8);
        w.Byte((byte)'-');
        w.Hex(high >> 16 & 0xFFFF, 4);
        w.Byte((byte)'-');
        w.Hex(high & 0xFFFF, 4);
        w.Byte((byte)'-');
        w.Hex(low >> 48, 4);
        w.Byte((byte)'-');
        w.Hex(low & 0xFFFF_FFFF_FFFF, 12);
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        TaskSystem s = _files.System;
        if (_setting is Setting.HostName or Setting.DomainName or Setting.CorePattern)
            return SetText(s, ref from);
        if (!SysctlNumber.Take(ref from, out long value, out Errno error))
            return error;
        return Set(s, value) ? total : Errno.EINVAL;
    }

    // A text ends at the first line end; what is too long is cut off.
    private Result<long> SetText(TaskSystem s, ref IovIter from)
    {
        long total = (long)from.Remaining;
        Span<byte> buffer = stackalloc byte[CorePattern.MaximumBytes];
        Errno fault = from.CopyFromIter(buffer, out int count);
        if (fault != Errno.None)
            return fault;
        int end = buffer[..count].IndexOf((byte)'\n');
        ReadOnlySpan<byte> text = buffer[..(end < 0 ? count : end)];
        switch (_setting)
        {
            case Setting.HostName:
                s.Names.SetHost(text[..Math.Min(text.Length, SystemNames.MaximumBytes)]);
                return total;
            case Setting.DomainName:
                s.Names.SetDomain(text[..Math.Min(text.Length, SystemNames.MaximumBytes)]);
                return total;
            default:
                return s.CorePattern.TrySet(text) ? total : Errno.EINVAL;
        }
    }

    private bool Set(TaskSystem s, long value)
    {
        switch (_setting)
        {
            case Setting.PidMax:
                if (value is < 301 or > PidTable.Limit)
                    return false;
                s.Pids.Maximum = (int)value;
                return true;
            case Setting.ThreadsMax:
                if (value is < 20 or > int.MaxValue)
                    return false;
                s.MaximumTasks = (int)value;
                return true;
            case Setting.RandomizeVaSpace:
                if (value is < 0 or > 2)
                    return false;
                s.Memory.RandomizeVaSpace = (int)value;
                return true;
            case Setting.ExitStatus:
                if (value is < 0 or > 255)
                    return false;
                s.ExitStatus = (int)value;
                return true;
            case Setting.ChildRunsFirst:
                if (value is < int.MinValue or > int.MaxValue)
                    return false;
                s.ChildRunsFirst = (int)value;
                return true;
            case Setting.CoreUsesPid:
                s.CorePattern.AddsPid = value != 0;
                return true;
            case Setting.RealTimePeriod:
                return s.Scheduler.RealTime.TrySet(value, s.Scheduler.RealTime.RuntimeMicroseconds);
            case Setting.RealTimeRuntime:
                return s.Scheduler.RealTime.TrySet(s.Scheduler.RealTime.PeriodMicroseconds, value);
            case Setting.MaxMapCount:
                if (value is < 0 or > int.MaxValue)
                    return false;
                s.Memory.MaxMapCount = (int)value;
                return true;
            case Setting.OvercommitMemory:
                if (value is < 0 or > 2)
                    return false;
                s.Memory.OvercommitPolicy = (Memory.Virtual.OvercommitPolicy)value;
                return true;
            case Setting.OvercommitRatio:
                if (value is < 0 or > int.MaxValue)
                    return false;
                s.Memory.OvercommitRatio = (ulong)value;
                s.Memory.OvercommitKilobytes = 0;
                return true;
            case Setting.OvercommitKilobytes:
                if (value < 0)
                    return false;
                s.Memory.OvercommitKilobytes = (ulong)value;
                s.Memory.OvercommitRatio = 0;
                return true;
            case Setting.MmapMinAddress:
                if (value < 0)
                    return false;
                s.Memory.MmapMinAddress = (ulong)value;
                return true;
            case Setting.UnprivilegedUserfaults:
                if (value is < 0 or > 1)
                    return false;
                s.Memory.UnprivilegedUserfaults = value == 1;
                return true;
            case Setting.Swappiness:
                if (value is < 0 or > 200)
                    return false;
                s.Memory.Reclaim!.Swappiness = (int)value;
                return true;
            case Setting.DropCaches:
                if (value is < 1 or > 4)
                    return false;
                _files.DropCaches = (int)value;
                if ((value & 1) != 0)
                    _ = Memory.Swap.DropCaches.Run(s.Memory);
                if ((value & 2) != 0)
                {
                    _ = _files.Io.Vfs.Dentries.Shrink(int.MaxValue);
                    s.Stacks.Shrink();
                    _ = s.Physical.Shrink();
                }
                return true;
            case Setting.AdminReserve:
                if (value < 0)
                    return false;
                s.Memory.AdminReserveKilobytes = (ulong)value;
                return true;
            case Setting.UserReserve:
                if (value < 0)
                    return false;
                s.Memory.UserReserveKilobytes = (ulong)value;
                return true;
            case Setting.MinFree:
                if (value is < 0 or > int.MaxValue)
                    return false;
                s.Physical.Frames.MinimumFreeKilobytes = (ulong)value;
                return true;
            case Setting.WatermarkScale:
                if (value is < 1 or > 3000)
                    return false;
                s.Physical.Frames.WatermarkScale = (ulong)value;
                return true;
            case Setting.OomKillAllocatingTask:
                if (value is < int.MinValue or > int.MaxValue)
                    return false;
                s.Oom.KillAllocatingTask = (int)value;
                return true;
            case Setting.PanicOnOom:
                if (value is < 0 or > 2)
                    return false;
                s.Oom.Panic = (int)value;
                return true;
            case Setting.OomDumpTasks:
                if (value is < int.MinValue or > int.MaxValue)
                    return false;
                s.Oom.DumpTasks = (int)value;
                return true;
            case Setting.PipeMaxSize:
                if (value is < 4096 or > 1L << 31)
                    return false;
                ulong size = 4096;
                while (size < (ulong)value)
                    size <<= 1;
                _files.Io.PipeMaximumBytes = size;
                return true;
            default:
                return false;                               // these are only read
        }
    }
}
