using NanoVm.Core;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Virtual;

/// <summary>Copies an address space for <c>fork</c>.</summary>
/// <remarks>
/// Linux: <c>dup_mm</c>, <c>dup_mmap</c>. Lecture 000, "fork() → copy_mm()". Areas are copied, pages are shared: see <c>CopyPageRange.cs</c>.
/// </remarks>
internal sealed partial class MmStruct
{
    /// <summary>A new address space that looks exactly like this one, with one user.</summary>
    /// <returns>
    /// <see cref="Errno.ENOMEM"/>: no memory, or the promise of it is refused; <see cref="Errno.EINTR"/>: the task is being killed. The parent is
    /// then as it was (some of its entries may be write-protected, which its next write mends), and nothing is lost.
    /// </returns>
    /// <remarks>Takes <see cref="MmapLock"/> for writing.</remarks>
    public Result<MmStruct> DupMmap()
    {
        if (Allocate(System) is not { } child)
            return Errno.ENOMEM;
        if (MmapLock.WriteLockKillable() != Errno.None)
        {
            child.Put();
            return Errno.EINTR;
        }

        child.CopyBoundsFrom(this);
        Errno error = CopyAreas(child);
        TlbBatch.FlushMm(this);         // our private pages became read-only: no processor may go on writing them
        child.ValidateInDebug();
        MmapLock.WriteUnlock();

        if (error == Errno.None)
        {
            Faults.UserfaultContext.TellAll();
            return child;
        }

        Faults.UserfaultContext.TakeBackAfter(null);
        child.Put();
        return error;
    }

    private void CopyBoundsFrom(MmStruct parent)
    {
        MmapBase = parent.MmapBase;
        MmapLegacyBase = parent.MmapLegacyBase;
        LegacyLayout = parent.LegacyLayout;
        Randomize = parent.Randomize;
        TaskSize = parent.TaskSize;
        StartCode = parent.StartCode;
        EndCode = parent.EndCode;
        StartData = parent.StartData;
        EndData = parent.EndData;
        StartBreak = parent.StartBreak;
        Break = parent.Break;
        StartStack = parent.StartStack;
        ArgumentStart = parent.ArgumentStart;
        ArgumentEnd = parent.ArgumentEnd;
        EnvironmentStart = parent.EnvironmentStart;
        EnvironmentEnd = parent.EnvironmentEnd;
        SavedAuxv = parent.SavedAuxv;
        Dumpable = parent.Dumpable;
        CoreFilter = parent.CoreFilter;
        AllocatedKeys = parent.AllocatedKeys;
        ExecuteOnlyKey = parent.ExecuteOnlyKey;
        IsThpDisabled = parent.IsThpDisabled;
        ExeFile = parent.ExeFile;
        ExeFile?.Get();
    }

    private Errno CopyAreas(MmStruct child)
    {
        for (VmArea? area = Areas.First; area is not null; area = area.Next)
        {
            if ((area.Flags & VmFlags.DontCopy) != 0)
                continue;
            Errno error = CopyArea(child, area);
            if (error != Errno.None)
                return error;
        }

        return Errno.None;
    }

    private Errno CopyArea(MmStruct child, VmArea area)
    {
        // Reserve.
        ulong pages = area.Pages.Value;
        bool accounted = (area.Flags & VmFlags.Account) != 0;
        if (accounted && System.Commit(child, pages) != Errno.None)
            return Errno.ENOMEM;
        VmArea? copy = DuplicateArea(child, area);
        bool wipe = (area.Flags & VmFlags.WipeOnFork) != 0;
        if (copy is null || ForkUserfault(copy, area.Userfault) != Errno.None || (!wipe && AnonVma.Fork(copy, area) != Errno.None))
        {
            if (copy is not null)
                FreeArea(copy, opened: false);
            if (accounted)
                System.Uncommit(pages);
            return Errno.ENOMEM;
        }

        // Commit the area, then its pages. If they fail, the child is taken down whole, this area included.
        copy.Flags &= ~VmFlags.LockedMask;      // locks are not inherited
        child.Areas.Append(copy);
        LinkToFile(copy);
        child.AccountVm(copy.Flags, (long)pages);
        copy.Operations?.Open(copy);
        return wipe ? Errno.None : CopyPageRange(child, copy, area);
    }
}
