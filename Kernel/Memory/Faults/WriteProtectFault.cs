using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>A write to a page that is mapped read-only in an area that may be written: the other half of copy-on-write.</summary>
/// <remarks>
/// Linux: <c>do_wp_page</c>, <c>wp_page_reuse</c>, <c>wp_page_copy</c>, <c>wp_page_shared</c>. Lecture 004, "write fault (write-protected fault)".
/// <code>
///   shared area        → ask the file (page_mkwrite), then writable in place
///   zero page          → a zeroed frame takes its place
///   anonymous, one user→ writable in place: the others have gone or copied already
///   else               → copy; the old frame stays with its other users
/// </code>
/// </remarks>
internal sealed partial class MmStruct
{
    private PageFaultResult DoWpPage(ref VmFault fault)
    {
        if ((fault.Area.Flags & VmFlags.Shared) != 0)
            return WpShared(ref fault);

        Pte original = fault.Original;
        if (original.Has(PteFlags.UserfaultWriteProtect) && (fault.Area.Flags & VmFlags.UserfaultWriteProtect) != 0)
            return HandleUserfault(ref fault, UserfaultContext.FaultWriteProtect);
        if (!original.IsSpecial)
        {
            bool enabled = PageTableLock.AcquireRaw();
            ref Pte entry = ref fault.Entry;
            if (entry != original)
            {
                PageTableLock.ReleaseRaw(enabled);
                return PageFaultResult.Handled;     // settled meanwhile; if not, the access faults again
            }

            if (CanReuse(ref System.Frames[original.Pfn]))
            {
                Reuse(ref entry, fault.Area);
                PageTableLock.ReleaseRaw(enabled);
                TlbBatch.FlushPage(this, fault.Address);
                System.Statistics.Count(VmCounter.WpReuse);
                return PageFaultResult.Handled;
            }

            PageTableLock.ReleaseRaw(enabled);
        }

        return WpCopy(ref fault);
    }

    private static void Reuse(ref Pte entry, VmArea area)
    {
        PteFlags more = PteFlags.Accessed | PteFlags.Dirty | PteFlags.SoftDirty;
        if ((area.Flags & VmFlags.Write) != 0)
            more |= PteFlags.Writable;              // not for a debugger's forced write into read-only memory
        entry = entry.With(more);
    }

    private PageFaultResult WpCopy(ref VmFault fault)
    {
        // Reserve.
        VmArea area = fault.Area;
        Pte original = fault.Original;
        bool zero = original.IsSpecial && original.Pfn == System.ZeroPage;
        if (area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return PageFaultResult.OutOfMemory;
        AllocationFlags flags = zero ? AllocationFlags.Zeroed : AllocationFlags.None;
        if (System.Frames.Allocate(0, flags, out Pfn copy) != Errno.None)
            return PageFaultResult.OutOfMemory;
        bool device = original.IsSpecial && !zero;
        if (device && !TryCopyDevicePage(fault.Address, copy))
        {
            System.Frames.Put(copy);
            return PageFaultResult.Sigbus;
        }

        // Commit. The copy is made under the lock: the entry that still reads as before holds the old frame.
        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        if (entry != original)
        {
            PageTableLock.ReleaseRaw(enabled);
            System.Frames.Put(copy);
            return PageFaultResult.Handled;
        }

        Pfn old = original.Pfn;
        if (!original.IsSpecial)
        {
            DirectMap.CopyPage(copy, old);
            ref PageFrame frame = ref System.Frames[old];
            if (!frame.IsAnonymous)
            {
                if ((frame.Flags & FrameFlags.SwapBacked) != 0)
                    ShmemPages--;
                else
                    FilePages--;
                AnonymousPages++;
            }

            if ((area.Flags & VmFlags.Locked) != 0)
                System.UnlockPage(old);
            System.RemoveMapping(ref frame);
        }
        else
        {
            AnonymousPages++;
        }

        System.AddNewAnonymous(area, fault.Address, copy);
        PteFlags rights = area.PageProtection | PteFlags.Dirty | PteFlags.SoftDirty;
        if ((area.Flags & VmFlags.Write) != 0)
            rights |= PteFlags.Writable;
        entry = new Pte(copy, rights);
        PageTableLock.ReleaseRaw(enabled);

        // The old translation goes before the old frame may.
        TlbBatch.FlushPage(this, fault.Address);
        if (!original.IsSpecial)
            System.Frames.Put(old);
        System.Statistics.Count(VmCounter.WpCopy);
        return PageFaultResult.Handled;
    }

    /// <summary>Device memory has no frame in the direct map: its content is read where the program itself sees it. Linux: <c>__wp_page_copy_user</c>.</summary>
    /// <returns>False when it cannot be read there: the address space is not the running one, or the device does not answer.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryCopyDevicePage(VirtAddr address, Pfn copy)
    {
        TaskMemory task = TaskMemory.Current;
        if (!ReferenceEquals(task.Mm, this))
            return false;
        task.PageFaultsDisabled++;
        Errno error = UserCopy.CopyFromUser(DirectMap.Page(copy), address);
        task.PageFaultsDisabled--;
        return error == Errno.None;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private PageFaultResult WpShared(ref VmFault fault)
    {
        Pte original = fault.Original;
        VmOperations? operations = fault.Area.Operations;
        bool counted = !original.IsSpecial && (fault.Area.Flags & VmFlags.PfnMap) == 0;
        if (counted && operations is { HasPageMkwrite: true })
        {
            fault.Page = original.Pfn;
            fault.PageIndex = fault.Area.PageIndexOf(fault.Address);
            System.Frames.Hold(fault.Page);
            PageFaultResult result = operations.PageMkwrite(ref fault);
            System.Frames.LetGo(fault.Page);
            if (result != PageFaultResult.Handled)
                return result;
        }

        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref fault.Entry;
        if (entry == original)
        {
            if (counted)
                System.MarkFileFrameDirty(ref System.Frames[original.Pfn], original.Pfn);
            Reuse(ref entry, fault.Area);
        }

        PageTableLock.ReleaseRaw(enabled);
        TlbBatch.FlushPage(this, fault.Address);
        System.Statistics.Count(VmCounter.WpShared);
        return PageFaultResult.Handled;
    }
}
