using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>The last thread has left: every area, page and table of the address space goes.</summary>
/// <remarks>Linux: <c>exit_mmap</c>. After it the top-level table alone is left, for those who still run on it (kernel threads that borrowed it).</remarks>
internal sealed partial class MmStruct
{
    /// <summary>Frees every table of the user's half, looking only where areas are.</summary>
    /// <remarks>
    /// A table that several areas share goes with the last of them: each group of neighbours frees what lies below the start of the next one.
    /// </remarks>
    private void FreeAllPageTables(ref TlbBatch batch)
    {
        VmArea? area = Areas.First;
        while (area is not null)
        {
            VirtAddr start = area.Start;
            VirtAddr end = area.End;
            area = area.Next;
            while (area is not null && area.Start - end <= PageSize.LargeBytes)
            {
                end = area.End;
                area = area.Next;
            }

            FreePageTables(new PageRange(start, end), new PageRange(VirtAddr.Zero, area is null ? TablesEnd : area.Start), ref batch);
        }
    }

    private void ExitMmap()
    {
        // Whoever still has these tables loaded is lazy or leaving: on the kernel's own tables nothing of ours is cached, and no
        // frame has to wait for a flush.
        if (Mmu.Root == Root)
            Mmu.LoadRoot(System.InitMm.Root);

        // Nobody uses it any more, but it is still in the list of all: who looks through that (/proc/memfsck) must not find it half gone.
        MmapLock.WriteLock();
        var batch = new TlbBatch(this);
        for (VmArea? area = Areas.First; area is not null; area = area.Next)
        {
            UnmapPages(area, area.Range, ref batch);
            UnlinkFromFile(area);
            PerCpu.Scheduler.CondResched();
        }

        FreeAllPageTables(ref batch);
        batch.Finish();

        VmArea? walk = Areas.First;
        Areas.Clear();
        InvalidateVmaCaches();
        MmapLock.WriteUnlock();
        while (walk is not null)
        {
            VmArea area = walk;
            walk = area.Next;
            if ((area.Flags & VmFlags.Account) != 0)
                System.Uncommit(area.Pages.Value);
            FreeArea(area);
        }

        TotalVm = 0;
        DataVm = 0;
        ExecVm = 0;
        StackVm = 0;
        LockedVm = 0;
        if (AnonymousPages + FilePages + ShmemPages + SwapEntries + HugetlbPages != 0)
            Panic.Now("an address space ends with pages left over"u8);
    }
}
