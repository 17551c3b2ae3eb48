using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Faults;

/// <summary>What a page fault means: the decision tree of the lectures, from CR2 to the verdict.</summary>
/// <remarks>
/// Linux: <c>exc_page_fault</c>, <c>do_kern_addr_fault</c>, <c>do_user_addr_fault</c>. Lecture 000, "Options for handling page faults".
/// <code>
///   address in the kernel's half?
///     yes ── from user mode ─────────────────────────────── SIGSEGV MAPERR
///        └── from the kernel ───────────────────────────── recovery table, else a bug
///     no
///     from the kernel, no mm or faults disabled? ────────── recovery table
///     reserved bit set? ─────────────────────────────────── a damaged page table: a bug
///     kernel fetches user code (SMEP)? ──────────────────── a bug
///     area above the address?  no ───────────────────────── SIGSEGV MAPERR
///     starts above it?  yes ── no stack ─────────────────── SIGSEGV MAPERR
///                        └── stack cannot grow ──────────── SIGSEGV MAPERR
///     its key forbids the access? ───────────────────────── SIGSEGV PKUERR
///     area forbids the access? ──────────────────────────── SIGSEGV ACCERR
///     HandleMmFault ─────────────────────────────────────── handled, SIGBUS, out of memory
///   For an access from the kernel (a system call's buffer) each SIGSEGV and SIGBUS is: recovery table, so EFAULT.
/// </code>
/// </remarks>
internal static class PageFaultHandler
{
    /// <summary>Decides about the fault of <paramref name="task"/> at <paramref name="address"/> and mends what can be mended.</summary>
    /// <remarks>Interrupts are on, unless they were off where the kernel faulted. May sleep.</remarks>
    public static PageFaultResult DoUserAddrFault(TaskMemory task, VirtAddr address, PageFaultCode code)
    {
        MmStruct? mm = task.Mm;
        bool fromUser = (code & PageFaultCode.User) != 0;
        if (mm is null || address >= mm.TaskSize)
            return OutsideUserSpace(mm, address, code);

        const PageFaultCode rare = PageFaultCode.ReservedBit | PageFaultCode.ProtectionKey | PageFaultCode.ShadowStack;
        if ((code & rare) != 0)
            return Rare(mm, code);
        if (!fromUser)
        {
            if (task.PageFaultsDisabled != 0)
                return PageFaultResult.KernelFixup;
            if ((code & PageFaultCode.InstructionFetch) != 0)
                return PageFaultResult.KernelBad;           // SMEP caught a jump into user memory
            mm.System.Statistics.Count(VmCounter.FaultFromKernel);
        }

        // A kernel access outside the copies with an exception entry would find the lock taken by this very thread: refused by the caller.
        mm.MmapLock.ReadLock();
        PageFaultResult result = Resolve(mm, address, code);
        if (result == PageFaultResult.Retry)
        {
            // The lock is released already. A killed task must not fault again and again inside a copy: that ends with EFAULT.
            return !fromUser && task.FatalSignalPending ? PageFaultResult.KernelFixup : PageFaultResult.Handled;
        }

        mm.MmapLock.ReadUnlock();
        if (result == PageFaultResult.Handled)
            return result;
        return Refused(mm, result, fromUser);
    }

    private static PageFaultResult Resolve(MmStruct mm, VirtAddr address, PageFaultCode code)
    {
        VmArea? area = mm.FindVma(address);
        if (area is null)
            return PageFaultResult.SegvMaperr;
        if (address < area.Start)
        {
            if ((area.Flags & VmFlags.GrowsDown) == 0 || mm.ExpandStack(area, address) != Errno.None)
                return PageFaultResult.SegvMaperr;
        }

        // The key is looked at before the rights, and here, or a page would be brought in only to be refused by the processor.
        if (ProtectionKeys.Available && (code & PageFaultCode.InstructionFetch) == 0
            && !ProtectionKeys.Allows(area.Flags.ProtectionKey(), (code & PageFaultCode.Write) != 0))
            return PageFaultResult.SegvPkuerr;
        if (IsForbidden(area, code))
            return PageFaultResult.SegvAccerr;

        FaultFlags flags = (FaultFlags)((uint)(code & PageFaultCode.Write) >> 1) | (FaultFlags)(uint)(code & PageFaultCode.User) | FaultFlags.AllowRetry;
        return mm.HandleMmFault(area, address, flags);
    }

    /// <summary>Whether the area's flags refuse the access.</summary>
    /// <remarks>
    /// Linux: <c>access_error</c>. A write needs Write. A read or fetch of a page that is present was refused by the page's own bits, so no
    /// fault handling can help. Else any right is enough: x86 cannot map a page that is writable or executable but not readable.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsForbidden(VmArea area, PageFaultCode code)
    {
        if ((code & PageFaultCode.Write) != 0)
            return (area.Flags & VmFlags.Write) == 0;
        if ((code & PageFaultCode.Present) != 0)
            return true;
        return (area.Flags & VmFlags.AccessMask) == 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static PageFaultResult OutsideUserSpace(MmStruct? mm, VirtAddr address, PageFaultCode code)
    {
        // Vmalloc's areas need no mending: the top-level entries of all kernel space are the same in every table since boot.
        if ((code & PageFaultCode.User) == 0)
            return PageFaultResult.KernelFixup;
        bool isVmalloc = address.Value is >= KernelLayout.Vmalloc and < KernelLayout.VmallocEnd;
        mm?.System.Statistics.Count(VmCounter.FaultSegv);
        mm?.System.Statistics.Count(isVmalloc ? VmCounter.FaultVmalloc : VmCounter.FaultKernelArea);
        // Always MAPERR, whether or not the kernel has a page there: a program must not learn the kernel's layout by probing.
        return PageFaultResult.SegvMaperr;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static PageFaultResult Rare(MmStruct mm, PageFaultCode code)
    {
        if ((code & PageFaultCode.ReservedBit) != 0)
            return PageFaultResult.KernelBad;
        return Refused(mm, (code & PageFaultCode.ProtectionKey) != 0 ? PageFaultResult.SegvPkuerr : PageFaultResult.SegvAccerr,
            (code & PageFaultCode.User) != 0);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static PageFaultResult Refused(MmStruct mm, PageFaultResult result, bool fromUser)
    {
        if (result == PageFaultResult.Installed)
            return PageFaultResult.Handled;
        CountRefused(mm.System.Statistics, result);
        if (!fromUser)
        {
            // Want of memory is no EFAULT: room is made and the copy goes on, unless the task itself is to die for it.
            bool final = result == PageFaultResult.KernelBad || (result == PageFaultResult.OutOfMemory && !TaskMemory.Current.FatalSignalPending);
            return final ? result : PageFaultResult.KernelFixup;
        }

        return result;
    }

    private static void CountRefused(VmStat statistics, PageFaultResult result)
    {
        switch (result)
        {
            case PageFaultResult.Sigbus:
                statistics.Count(VmCounter.FaultSigbus);
                return;
            case PageFaultResult.SegvMaperr:
                statistics.Count(VmCounter.FaultBadArea);
                break;
            case PageFaultResult.SegvAccerr or PageFaultResult.SegvPkuerr:
                statistics.Count(VmCounter.FaultBadAccess);
                break;
            default:
                return;
        }

        statistics.Count(VmCounter.FaultSegv);
    }
}
