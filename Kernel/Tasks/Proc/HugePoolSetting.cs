using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;
using NanoVm.Files.Sys;
using NanoVm.Memory.Hugetlb;

namespace NanoVm.Tasks.Proc;

/// <summary>Which number of the pool of huge pages a <see cref="HugePoolSetting"/> shows.</summary>
internal enum HugePoolNumber : byte
{
    /// <summary>Pages that were asked for, those in use beyond it not among them when it is written: <c>nr_hugepages</c>.</summary>
    Pages,
    /// <summary>The most that may be made on demand: <c>nr_overcommit_hugepages</c>.</summary>
    Overcommit,
    /// <summary>Who may make System V segments of them: <c>hugetlb_shm_group</c>.</summary>
    SegmentGroup,
    Free,
    Reserved,
    Surplus,
}

/// <summary>The size of the pool of huge pages, in <c>/proc/sys/vm</c> and in <c>/sys/kernel/mm/hugepages/hugepages-2048kB</c>.</summary>
/// <remarks>
/// Linux: <c>hugetlb_sysctl_handler</c>, <c>nr_hugepages_store</c>. A pool that cannot grow as far as was asked is no error: who wrote the number
/// reads it again to see what came of it.
/// </remarks>
internal sealed class HugePoolSetting(HugePool pool, ReadOnlySpan<byte> name, HugePoolNumber number)
    : ProcPage(name, number <= HugePoolNumber.SegmentGroup ? 0x1A4u : 0x124u)
{
    private readonly HugePool _pool = pool;
    private readonly HugePoolNumber _number = number;

    /// <summary>Adds the files of <c>/proc/sys/vm</c>.</summary>
    public static void AddSettings(ProcFileSystem proc, ProcDirectory vm, HugePool pool)
    {
        vm.Add(proc, new HugePoolSetting(pool, "nr_hugepages"u8, HugePoolNumber.Pages));
        vm.Add(proc, new HugePoolSetting(pool, "nr_overcommit_hugepages"u8, HugePoolNumber.Overcommit));
        vm.Add(proc, new HugePoolSetting(pool, "hugetlb_shm_group"u8, HugePoolNumber.SegmentGroup));
    }

    /// <summary>Adds the directories of <c>/sys/kernel/mm</c> and of the node.</summary>
    public static void AddDirectory(SysFileSystem sys, HugePool pool)
    {
        var sizes = new ProcDirectory("hugepages"u8);
        sys.MemoryDirectory.Add(sys, sizes);
        var size = new ProcDirectory("hugepages-2048kB"u8);
        sizes.Add(sys, size);
        size.Add(sys, new HugePoolSetting(pool, "nr_hugepages"u8, HugePoolNumber.Pages));
        size.Add(sys, new HugePoolSetting(pool, "nr_overcommit_hugepages"u8, HugePoolNumber.Overcommit));
        size.Add(sys, new HugePoolSetting(pool, "free_hugepages"u8, HugePoolNumber.Free));
        size.Add(sys, new HugePoolSetting(pool, "resv_hugepages"u8, HugePoolNumber.Reserved));
        size.Add(sys, new HugePoolSetting(pool, "surplus_hugepages"u8, HugePoolNumber.Surplus));

        // The node's own part of the pool: all of it.
        sizes = new ProcDirectory("hugepages"u8);
        sys.NodeDirectory.Add(sys, sizes);
        size = new ProcDirectory("hugepages-2048kB"u8);
        sizes.Add(sys, size);
        size.Add(sys, new HugePoolSetting(pool, "free_hugepages"u8, HugePoolNumber.Free));
        size.Add(sys, new HugePoolSetting(pool, "nr_hugepages"u8, HugePoolNumber.Pages));
        size.Add(sys, new HugePoolSetting(pool, "surplus_hugepages"u8, HugePoolNumber.Surplus));
    }

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Decimal(_number switch
        {
            HugePoolNumber.Pages => _pool.Total,
            HugePoolNumber.Overcommit => _pool.Overcommit,
            HugePoolNumber.SegmentGroup => _pool.SegmentGroup,
            HugePoolNumber.Free => _pool.Free,
            HugePoolNumber.Reserved => _pool.Reserved,
            _ => _pool.Surplus,
        });
        w.Byte((byte)'\n');
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        if (!SysctlNumber.Take(ref from, out ulong value, out Errno error))
            return error;
        switch (_number)
        {
            case HugePoolNumber.Pages:
                _pool.SetSize(value);
                return total;
            case HugePoolNumber.Overcommit:
                _pool.Overcommit = value;
                return total;
            case HugePoolNumber.SegmentGroup when value <= int.MaxValue:
                _pool.SegmentGroup = (uint)value;
                return total;
            default:
                return Errno.EINVAL;
        }
    }
}
