using System;
using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Memory.Virtual;

/// <summary>Reads and writes the memory of an address space that need not be the running task's: exec's strings, <c>/proc/PID/mem</c>, <c>process_vm_readv</c>.</summary>
/// <remarks>Linux: <c>access_remote_vm</c>, <c>get_user_pages_remote</c>. Pages are faulted in and copied exactly as the owner's own access would.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>Copies between <paramref name="buffer"/> and the memory at <paramref name="address"/>.</summary>
    /// <param name="force">As a debugger: private memory can be written (a copy is made) and any memory read, whatever the area allows. Linux: <c>FOLL_FORCE</c>.</param>
    /// <returns>The bytes done; fewer than asked when there is no memory there or it forbids the access.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public ulong AccessRemote(VirtAddr address, Span<byte> buffer, bool write, bool force = false)
    {
        ulong done = 0;
        MmapLock.ReadLock();
        while (done < (ulong)buffer.Length)
        {
            VirtAddr at = address + done;
            if (at.Value < address.Value || at >= TaskSize || FindExtendVma(at) is not { } area)
                break;
            ulong part = PageSize.Bytes - at.PageOffset;
            if (part > (ulong)buffer.Length - done)
                part = (ulong)buffer.Length - done;
            Span<byte> piece = buffer.Slice((int)done, (int)part);

            if ((area.Flags & (VmFlags.Io | VmFlags.PfnMap)) != 0)
            {
                // A device's memory is its own: only a debugger may look, and only if the device helps.
                ulong n = force && area.Operations is { } operations ? operations.Access(area, at, piece, write) : 0;
                done += n;
                if (n != part)
                    break;
                continue;
            }

            if (!MayAccess(area, write, force))
                break;
            // A debugger does not wait for a program to answer a fault: that may be the one which it has stopped.
            if (!TryGetFrame(area, at, write, mayWait: !force, out Pfn frame, out bool released))
            {
                if (!released)
                    break;
                MmapLock.ReadLock();
                if (TaskMemory.Current.FatalSignalPending)
                    break;
                continue;
            }

            Span<byte> memory = DirectMap.Page(frame).Slice((int)at.PageOffset, (int)part);
            if (write)
            {
                piece.CopyTo(memory);
                NoteWritten(frame);
            }
            else
            {
                memory.CopyTo(piece);
            }

            done += part;
        }

        MmapLock.ReadUnlock();
        return done;
    }

    /// <summary>Brings in the pages of a range, from its start on, as far as the access is allowed. Linux: <c>pin_user_pages_remote</c>, but for the pinning.</summary>
    /// <returns>How many bytes can be accessed; 0 when the first page cannot.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public ulong ReachRemote(VirtAddr address, ulong bytes, bool write)
    {
        MmapLock.ReadLock();
        VirtAddr end = address + bytes;
        VirtAddr at = address.PageDown();
        while (at < end && at < TaskSize)
        {
            if (LookupVma(at) is not { } area || (area.Flags & (VmFlags.Io | VmFlags.PfnMap)) != 0 || !MayAccess(area, write, force: false))
                break;
            if (TryGetFrame(area, at, write, mayWait: true, out Pfn frame, out bool released))
            {
                // Also when this side then has nothing to write there.
                if (write)
                    NoteWritten(frame);
                at += PageSize.Bytes;
                continue;
            }

            if (!released)
                break;
            MmapLock.ReadLock();
            if (TaskMemory.Current.FatalSignalPending)
                break;
        }

        MmapLock.ReadUnlock();
        return at <= address ? 0 : Math.Min(at - address, bytes);
    }

    /// <summary>A page was written through the direct map: other entries that map it do not know. Linux: <c>set_page_dirty_lock</c>.</summary>
    private void NoteWritten(Pfn frame) => System.MarkFileFrameDirty(ref System.Frames[frame], frame);

    /// <summary>Writes all of <paramref name="bytes"/>, or says EFAULT.</summary>
    public Errno WriteRemote(VirtAddr address, ReadOnlySpan<byte> bytes)
    {
        // Only read from, since write is true.
        Span<byte> buffer = global::System.Runtime.InteropServices.MemoryMarshal.CreateSpan(
            ref global::System.Runtime.InteropServices.MemoryMarshal.GetReference(bytes), bytes.Length);
        return AccessRemote(address, buffer, write: true) == (ulong)bytes.Length ? Errno.None : Errno.EFAULT;
    }

    /// <summary>Reads all of <paramref name="bytes"/>, or says EFAULT.</summary>
    public Errno ReadRemote(VirtAddr address, Span<byte> bytes)
        => AccessRemote(address, bytes, write: false) == (ulong)bytes.Length ? Errno.None : Errno.EFAULT;

    private static bool MayAccess(VmArea area, bool write, bool force)
    {
        if (write)
            return (area.Flags & VmFlags.Write) != 0 || (force && area.Flags.IsCow());
        return (area.Flags & VmFlags.Read) != 0 || (force && (area.Flags & VmFlags.MayRead) != 0);
    }

    /// <summary>The frame behind <paramref name="address"/>, faulted in for the access. Linux: <c>follow_page_mask</c> and <c>faultin_page</c>.</summary>
    /// <param name="released">False came because a program had to answer: <see cref="MmapLock"/> is free, and the access may be tried again.</param>
    private bool TryGetFrame(VmArea area, VirtAddr address, bool write, bool mayWait, out Pfn frame, out bool released)
    {
        released = false;
        // One round to bring the page in, one to break copy-on-write; more when reclaim or another thread takes it away again meanwhile. A page
        // that is there is never refused, however often: who is killed goes.
        while (true)
        {
            if (TryFindPmd(address, out PmdPlace place) && place.Entry.IsHuge)
            {
                ref Pmd huge = ref place.Entry;
                if (!write || huge.IsWritable)
                {
                    if (write)
                        huge = huge.With(PteFlags.Dirty | PteFlags.SoftDirty);
                    frame = huge.ToPte(Pte.IndexOf(address)).Pfn;
                    return true;
                }
            }
            else if (TryFindPte(address, out PageTable<Pte> table))
            {
                ref Pte entry = ref table[Pte.IndexOf(address)];
                bool ready = entry.IsMapped() && (!write || entry.IsWritable
                    // A forced write keeps the entry read-only; our own copy of the page is the sign that it has been made.
                    || ((area.Flags & VmFlags.Write) == 0 && entry.IsDirty && !entry.IsSpecial && CanReuse(ref System.Frames[entry.Pfn])));
                if (ready)
                {
                    if (write)
                        entry = entry.With(PteFlags.Dirty | PteFlags.SoftDirty);
                    frame = entry.Pfn;
                    return true;
                }
            }

            FaultFlags flags = FaultFlags.Remote | (write ? FaultFlags.Write : FaultFlags.None) | (mayWait ? FaultFlags.AllowRetry : FaultFlags.None);
            PageFaultResult result = HandleMmFault(area, address, flags);
            released = result == PageFaultResult.Retry;
            if (result != PageFaultResult.Handled || TaskMemory.Current.FatalSignalPending)
                break;
        }

        frame = Pfn.None;
        return false;
    }
}
