using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>What an address space may still take: its resource limits and the machine's promise of memory.</summary>
/// <remarks>Linux: <c>may_expand_vm</c>, <c>vm_stat_account</c>, <c>__vm_enough_memory</c>. Holders of <see cref="MmStruct.MmapLock"/> for writing.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>Whether RLIMIT_AS and RLIMIT_DATA allow <paramref name="pages"/> more.</summary>
    private bool MayExpandVm(VmFlags flags, ulong pages)
    {
        ResourceLimits limits = TaskMemory.Current.Limits;
        if (TotalVm + pages > limits.Soft(Resource.AddressSpace) >> PageSize.Shift)
            return false;
        if (!flags.IsData() || DataVm + pages <= limits.Soft(Resource.Data) >> PageSize.Shift)
            return true;
        // A soft limit of exactly zero is what some tools set to learn of brk; Linux lets mappings pass up to the hard limit then.
        return limits.Soft(Resource.Data) == 0 && DataVm + pages <= limits[Resource.Data].Hard >> PageSize.Shift;
    }

    /// <summary>Counts <paramref name="pages"/> (a negative number when they go) in the totals that the flags belong to.</summary>
    internal void AccountVm(VmFlags flags, long pages)
    {
        TotalVm += (ulong)pages;
        if (flags.IsExecutable())
            ExecVm += (ulong)pages;
        else if (flags.IsStack())
            StackVm += (ulong)pages;
        else if (flags.IsData())
            DataVm += (ulong)pages;
    }

    /// <summary>Whether RLIMIT_MEMLOCK allows <paramref name="bytes"/> more locked memory. Linux: <c>mlock_future_check</c>.</summary>
    private Errno MayLockMore(VmFlags flags, ulong bytes)
    {
        if ((flags & VmFlags.Locked) == 0)
            return Errno.None;
        TaskMemory task = TaskMemory.Current;
        ulong limit = task.Limits.Soft(Resource.LockedMemory) >> PageSize.Shift;
        ulong wanted = LockedVm + (bytes >> PageSize.Shift);
        return wanted > limit && !task.HasCapability(TaskMemory.CapIpcLock) ? Errno.EAGAIN : Errno.None;
    }

    /// <summary>Whether the task may lock anything at all. Linux: <c>can_do_mlock</c>.</summary>
    private static bool MayLock()
    {
        TaskMemory task = TaskMemory.Current;
        return task.Limits.Soft(Resource.LockedMemory) != 0 || task.HasCapability(TaskMemory.CapIpcLock);
    }
}

internal sealed partial class MemorySystem
{
    /// <summary>The pages that may be promised in mode <see cref="OvercommitPolicy.Never"/>; <c>CommitLimit</c> in <c>/proc/meminfo</c>.</summary>
    /// <remarks>Linux: <c>vm_commit_limit</c>. What is set aside for huge pages cannot be promised to anybody else.</remarks>
    public ulong CommitLimit
    {
        get
        {
            ulong pages = OvercommitKilobytes != 0
                ? OvercommitKilobytes >> (PageSize.Shift - 10)
                : (Frames.TotalFrames.Value - Hugetlb.Pool.Total * FrameAllocator.HugeFrames) * OvercommitRatio / 100;
            return pages + SwapPages;
        }
    }


    /// <summary>Promises <paramref name="pages"/> more pages of private memory to <paramref name="mm"/>.</summary>
    /// <param name="released">Pages already promised that the same operation will give back.</param>
    /// <returns><see cref="Errno.ENOMEM"/> when the policy refuses; nothing is promised then.</returns>
    internal Errno Commit(MmStruct mm, ulong pages, ulong released = 0) => Commit(mm.TotalVm, pages, released);

    /// <summary>The same for memory that belongs to a file and not to one address space. Linux: <c>shmem_acct_block</c>.</summary>
    internal Errno CommitShared(ulong pages) => Commit((PerCpu.Current as TaskMemory)?.Mm?.TotalVm ?? 0, pages, 0);

    /// <summary>Whether <see cref="CommitShared"/> would promise them now.</summary>
    internal bool MayCommitShared(ulong pages)
    {
        if (CommitShared(pages) != Errno.None)
            return false;
        Uncommit(pages);
        return true;
    }

    private Errno Commit(ulong totalVm, ulong pages, ulong released)
    {
        ulong wanted = CommittedPages + pages;
        if (OvercommitPolicy == OvercommitPolicy.Guess)
        {
            if (pages > Frames.TotalFrames.Value + SwapPages)
                return Errno.ENOMEM;
        }
        else if (OvercommitPolicy == OvercommitPolicy.Never)
        {
            ulong allowed = CommitLimit;
            if (PerCpu.Current is TaskMemory task && !task.HasCapability(TaskMemory.CapSysAdmin))
                allowed = Less(allowed, AdminReserveKilobytes >> (PageSize.Shift - 10));
            ulong reserve = UserReserveKilobytes >> (PageSize.Shift - 10);
            allowed = Less(allowed, totalVm / 32 < reserve ? totalVm / 32 : reserve);
            if (wanted - released >= allowed)
                return Errno.ENOMEM;
        }

        CommittedPages = wanted;
        return Errno.None;
    }

    /// <summary>Gives a promise back. Linux: <c>vm_unacct_memory</c>.</summary>
    internal void Uncommit(ulong pages) => CommittedPages -= pages;

    private static ulong Less(ulong value, ulong amount) => value > amount ? value - amount : 0;
}
