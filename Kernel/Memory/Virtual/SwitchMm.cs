using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Makes the next task's address space the loaded one, or avoids that.</summary>
/// <remarks>
/// Linux: <c>switch_mm</c>, <c>enter_lazy_tlb</c> and the mm half of <c>context_switch</c>. Lecture 001, "The mm_struct and Kernel Threads".
/// A kernel thread never looks at user memory, so it may run on whatever tables are loaded: it borrows the previous task's mm
/// (<see cref="TaskMemory.ActiveMm"/>, one reference of <see cref="MmStruct.Count"/>) and no CR3 load happens.
/// </remarks>
internal static class SwitchMm
{
    /// <summary>Called by the scheduler with interrupts off, before the switch of stacks.</summary>
    public static void Switch(TaskMemory previous, TaskMemory next)
    {
        MmStruct loaded = previous.ActiveMm!;
        if (next.Mm is { } mm)
        {
            next.ActiveMm = mm;
            if (ReferenceEquals(mm, loaded))
            {
                mm.System.Statistics.Count(VmCounter.MmSwitchSame);
            }
            else
            {
                mm.System.Statistics.Count(VmCounter.MmSwitches);
                Mmu.LoadRoot(mm.Root);
            }
        }
        else
        {
            loaded.System.Statistics.Count(VmCounter.MmSwitchLazy);
            loaded.Grab();
            next.ActiveMm = loaded;
        }

        if (previous.Mm is null)
        {
            // The borrower gives its loan back. Not before the load above: dropping the last reference frees the tables it ran on.
            previous.ActiveMm = null;
            loaded.Drop();
        }
    }

    /// <summary>Takes <paramref name="mm"/> as the running task's own, in place of the old one, which the caller then puts. Linux: <c>exec_mmap</c>'s core.</summary>
    /// <returns>The old mm whose user reference now is the caller's; null when a kernel thread becomes a program (its loan is given back here).</returns>
    public static MmStruct? Adopt(TaskMemory task, MmStruct mm)
    {
        bool enabled = Interrupts.Disable();
        MmStruct? old = task.Mm;
        MmStruct? active = task.ActiveMm;
        task.Mm = mm;
        task.ActiveMm = mm;
        task.VmaCache = default;
        mm.System.Statistics.Count(VmCounter.MmSwitches);
        Mmu.LoadRoot(mm.Root);
        Interrupts.Restore(enabled);
        if (old is null)
            active?.Drop();
        return old;
    }

    /// <summary>The running task gives up its mm (<c>exit_mm</c>) and goes on lazily on its tables.</summary>
    /// <returns>The mm; its user reference now is the caller's, who puts it.</returns>
    public static MmStruct? Abandon(TaskMemory task)
    {
        bool enabled = Interrupts.Disable();
        MmStruct? mm = task.Mm;
        if (mm is not null)
        {
            mm.Grab();              // what ActiveMm holds from here on, as for any borrower
            task.Mm = null;
            task.VmaCache = default;
        }

        Interrupts.Restore(enabled);
        return mm;
    }
}
