using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>How an address space begins and how its last remains go. What happens in between is <c>ExitMmap.cs</c>.</summary>
/// <remarks>Linux: <c>mm_alloc</c>, <c>mm_init</c>, <c>__mmdrop</c>.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>A new, empty address space with one user; only the kernel's half of its top-level table is filled.</summary>
    /// <returns>Null when there is no memory.</returns>
    public static MmStruct? Allocate(MemorySystem system)
    {
        if (system.Mms.Allocate() is not { } mm)
            return null;
        mm.System = system;
        if (!mm.AllocateRoot())
        {
            system.Mms.Free(mm);
            return null;
        }

        mm.Users = 1;
        mm.Count = 1;
        mm.TaskSize = system.DefaultTaskSize;
        mm.MmapBase = mm.TaskSize;
        mm.Dumpable = 1;
        mm.CoreFilter = CoreFilter.Usual;
        mm.AllocatedKeys = 1;       // key 0 is every page's key from the start
        mm.AddToList();
        return mm;
    }

    /// <summary>The kernel's own address space over the tables that boot made. Made with <c>new</c>, once, before there is anything to fail.</summary>
    public static MmStruct CreateInitMm(MemorySystem system, Pfn kernelRoot)
    {
        return new MmStruct { System = system, Root = kernelRoot, Users = 1, Count = 1, TaskSize = system.DefaultTaskSize };
    }

    private void Free()
    {
        if (IsInitMm)
            Panic.Now("the kernel's own address space was dropped"u8);
        FreeRoot();
        System.Mms.Free(this);
    }

    private void AddToList()
    {
        using (System.MmListLock.Acquire())
        {
            MmStruct head = System.InitMm;
            PreviousMm = head;
            NextMm = head.NextMm;
            if (NextMm is { } next)
                next.PreviousMm = this;
            head.NextMm = this;
        }
    }

    private void RemoveFromList()
    {
        using (System.MmListLock.Acquire())
        {
            PreviousMm!.NextMm = NextMm;
            if (NextMm is { } next)
                next.PreviousMm = PreviousMm;
            NextMm = null;
            PreviousMm = null;
        }
    }
}
