using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Virtual;

/// <summary>The answers of a program to faults: pages put in place, protection set and lifted.</summary>
/// <remarks>Linux: <c>mfill_atomic</c>, <c>mcontinue_atomic_pte</c>, <c>mwriteprotect_range</c>.</remarks>
internal sealed partial class MmStruct
{
    /// <summary>What comes before the first page: the checks, and that the area can have pages of the program's own.</summary>
    /// <returns>As <see cref="FillMissing"/>. The area can have such pages from now on, even when none can be filled: neighbours tell it apart by that.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Errno PrepareFill(UserfaultContext context, PageRange whole, bool writeProtected)
    {
        MmapLock.ReadLock();
        Errno error = CheckFill(context, whole, out VmArea? area);
        if (error == Errno.None && writeProtected && (area!.Flags & VmFlags.UserfaultWriteProtect) == 0)
            error = Errno.EINVAL;
        if (error == Errno.None && (area!.Flags & VmFlags.Shared) == 0 && area.AnonVma is null)
            error = AnonVma.Prepare(area);
        MmapLock.ReadUnlock();
        return error;
    }

    /// <summary>Puts one page in place of a missing one: with <paramref name="content"/>'s bytes, or zeros when that is <see cref="Pfn.None"/>.</summary>
    /// <param name="whole">All that the program fills with this call: it has to lie in one watched area.</param>
    /// <param name="content">A frame that belongs to this call; it is put where the program wants it, or given back.</param>
    /// <returns>
    /// EEXIST: something is there; ENOENT: not memory that somebody watches; EFAULT: beyond the end of the file; EAGAIN: the map is changing;
    /// EINVAL: write-protected where nobody asked for that; ENOMEM.
    /// </returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Errno FillMissing(UserfaultContext context, PageRange whole, VirtAddr address, Pfn content, bool writeProtected)
    {
        MmapLock.ReadLock();
        Errno error = CheckFill(context, whole, out VmArea? area);
        if (error == Errno.None && writeProtected && (area!.Flags & VmFlags.UserfaultWriteProtect) == 0)
            error = Errno.EINVAL;
        bool used = false;
        if (error == Errno.None)
        {
            error = (area!.Flags & VmFlags.Shared) != 0
                ? FillShared(area, address, content, out used)
                : FillPrivate(area, address, content, writeProtected, out used);
        }

        MmapLock.ReadUnlock();
        if (!used && !content.IsNone)
            System.Frames.Put(content);
        return error;
    }

    /// <summary>Maps the page that the page cache has already, after a minor fault. Linux: <c>UFFDIO_CONTINUE</c>.</summary>
    /// <returns>As <see cref="FillMissing"/>; EFAULT: the cache has no such page; EINVAL: no shared memory.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Errno FillFromCache(UserfaultContext context, PageRange whole, VirtAddr address)
    {
        MmapLock.ReadLock();
        Errno error = CheckFill(context, whole, out VmArea? area);
        if (error == Errno.None)
            error = area!.File?.Mapping is { IsShmem: true } mapping ? MapCached(area, address, mapping) : Errno.EINVAL;
        MmapLock.ReadUnlock();
        return error;
    }

    private Errno CheckFill(UserfaultContext context, PageRange whole, out VmArea? area)
    {
        area = null;
        if (context.Changing != 0)
            return Errno.EAGAIN;
        if (LookupVma(whole.Start) is not { Userfault: not null } found || whole.End > found.End)
            return Errno.ENOENT;
        area = found;
        return Errno.None;
    }

    /// <summary>A page of the program's own: anonymous memory, or a private mapping of a shared file.</summary>
    private Errno FillPrivate(VmArea area, VirtAddr address, Pfn content, bool writeProtected, out bool used)
    {
        used = false;
        if (area.File?.Mapping is { } mapping && area.PageIndexOf(address) >= mapping.SizePages)
            return Errno.EFAULT;
        if (!content.IsNone && area.AnonVma is null && AnonVma.Prepare(area) != Errno.None)
            return Errno.ENOMEM;
        if (!TryAllocatePte(address, out PageTable<Pte> table))
            return ReadPte(address).IsNone ? Errno.ENOMEM : Errno.EEXIST;       // a huge page is there

        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref table[Pte.IndexOf(address)];
        bool isFree = entry.IsNone;
        if (isFree && content.IsNone)
        {
            entry = new Pte(System.ZeroPage, area.PageProtection | PteFlags.Special);
        }
        else if (isFree)
        {
            PteFlags rights = area.PageProtection | PteFlags.Dirty | PteFlags.SoftDirty;
            if (writeProtected)
                rights |= PteFlags.UserfaultWriteProtect;
            else if ((area.Flags & VmFlags.Write) != 0)
                rights |= PteFlags.Writable;
            System.AddNewAnonymous(area, address, content);
            AnonymousPages++;
            entry = new Pte(content, rights);
            used = true;
        }

        PageTableLock.ReleaseRaw(enabled);
        return isFree ? Errno.None : Errno.EEXIST;
    }

    /// <summary>A page of shared memory: it joins the cache, and everybody who maps the file has it. Linux: <c>shmem_mfill_atomic_pte</c>.</summary>
    private Errno FillShared(VmArea area, VirtAddr address, Pfn content, out bool used)
    {
        used = false;
        AddressSpace mapping = area.File!.Mapping!;
        if (content.IsNone && System.Frames.Allocate(AllocationFlags.Zeroed, out content) != Errno.None)
            return Errno.ENOMEM;
        used = true;                            // from here on the frame is given back here
        Errno error = TryAllocatePte(address, out PageTable<Pte> table) ? Errno.None : Errno.ENOMEM;
        ulong index = area.PageIndexOf(address);
        if (error == Errno.None && index >= mapping.SizePages)
            error = Errno.EFAULT;
        if (error == Errno.None)
        {
            bool enabled = PageTableLock.AcquireRaw();
            ref Pte entry = ref table[Pte.IndexOf(address)];
            error = entry.IsNone ? mapping.Adopt(index, content) : Errno.EEXIST;
            if (error == Errno.None)
                SetFilePte(area, ref entry, address, content, write: true);
            PageTableLock.ReleaseRaw(enabled);
        }

        if (error != Errno.None)
            System.Frames.Put(content);
        return error;
    }

    private Errno MapCached(VmArea area, VirtAddr address, AddressSpace mapping)
    {
        ulong index = area.PageIndexOf(address);
        if (index >= mapping.SizePages || !mapping.IsOccupied(index))
            return Errno.EFAULT;
        if (!mapping.FindOrCreatePage(index).TryGet(out Pfn page, out _))
            return Errno.ENOMEM;
        if (!TryAllocatePte(address, out PageTable<Pte> table))
        {
            System.Frames.LetGo(page);
            return Errno.ENOMEM;
        }

        bool enabled = PageTableLock.AcquireRaw();
        ref Pte entry = ref table[Pte.IndexOf(address)];
        bool isFree = entry.IsNone && mapping.Holds(page, index);
        if (isFree)
        {
            // Through a private mapping the first write still has to copy.
            bool write = (area.Flags & VmFlags.Shared) != 0;
            if (write)
                System.MarkFileFrameDirty(ref System.Frames[page], page);
            System.Frames.Keep(page);
            SetFilePte(area, ref entry, address, page, write);
        }

        PageTableLock.ReleaseRaw(enabled);
        if (!isFree)
            System.Frames.LetGo(page);
        return isFree ? Errno.None : Errno.EEXIST;
    }

    /// <summary>Protects pages so that the next write is reported, or lifts that.</summary>
    /// <returns>ENOENT when the range does not lie in one area that is watched for writes; EAGAIN: the map is changing.</returns>
    /// <remarks>Takes <see cref="MmapLock"/> for reading.</remarks>
    public Errno ProtectForUserfault(UserfaultContext context, PageRange range, bool protect)
    {
        MmapLock.ReadLock();
        Errno error = CheckFill(context, range, out VmArea? area);
        if (error == Errno.None && (area!.Flags & VmFlags.UserfaultWriteProtect) == 0)
            error = Errno.ENOENT;
        if (error == Errno.None)
            SetWriteProtection(area!, range, protect);
        MmapLock.ReadUnlock();
        return error;
    }

    private void SetWriteProtection(VmArea area, PageRange range, bool protect)
    {
        var batch = new TlbBatch(this);
        var walk = new PteTableWalk(this, range);
        while (walk.MoveNext())
        {
            bool enabled = PageTableLock.AcquireRaw();
            if (walk.IsHuge)
            {
                ref Pmd huge = ref walk.Huge.Entry;
                if (huge.IsWritable && protect)
                    batch.NoteChange(walk.Start);
                huge = protect
                    ? huge.Without(PteFlags.Writable).With(PteFlags.UserfaultWriteProtect)
                    : huge.Without(PteFlags.UserfaultWriteProtect);
                PageTableLock.ReleaseRaw(enabled);
                continue;
            }

            for (int i = walk.FirstIndex; i <= walk.LastIndex; i++)
            {
                Pte entry = walk.Table[i];
                if (entry.IsNone)
                    continue;
                // Lifted protection gives no right: the write fault that follows knows whether the page may be written in place. What is
                // swapped out keeps the mark, and comes back with it.
                Pte marked = protect ? entry.With(PteFlags.UserfaultWriteProtect) : entry.Without(PteFlags.UserfaultWriteProtect);
                walk.Table[i] = protect && entry.IsMapped() ? marked.Without(PteFlags.Writable) : marked;
                if (entry.IsPresent && entry.IsWritable && protect)
                    batch.NoteChange(walk.AddressOf(i));
            }

            PageTableLock.ReleaseRaw(enabled);
        }

        batch.Finish();
    }
}
