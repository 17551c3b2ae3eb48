using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>Maps the segments of one ELF file into an address space that nobody uses yet.</summary>
/// <remarks>
/// Linux: <c>elf_map</c>, <c>set_brk</c>, <c>padzero</c>, <c>load_elf_interp</c>.
/// <code>
///    p_vaddr            + p_filesz        + p_memsz
///       v                   v                 v
///    [  pages of the file    :zeros ][ anonymous ]
///                            ^ the rest of the last file page is cleared: it shows bytes of the file
/// </code>
/// </remarks>
internal ref struct ElfImage
{
    private readonly MmStruct _mm;
    private bool _mapped;
    private VirtAddr _end;
    private VirtAddr _headers;

    public ElfImage(MmStruct mm)
    {
        this = default;
        _mm = mm;
    }

    /// <summary>What is added to every address of the file.</summary>
    public VirtAddr Bias;

    /// <summary>The entry point.</summary>
    public VirtAddr Entry;

    /// <summary>One past the last byte of all segments.</summary>
    public readonly VirtAddr End => _end;

    /// <summary>Where the program headers can be read; zero when no segment holds them.</summary>
    public readonly VirtAddr ProgramHeaders => _headers;

    /// <summary>Maps all PT_LOAD segments.</summary>
    /// <param name="place">Where the first one goes if the file can go anywhere; zero lets mmap choose.</param>
    public Errno Map(in ElfFile elf, OpenFile file, VirtAddr place, bool isInterpreter)
    {
        ulong total = elf.TotalMappingBytes();
        // A program with addresses of its own may have no segment: its first instruction then is a fault.
        if (total == 0 && (isInterpreter || elf.Header.Type == ElfHeader.TypeShared))
            return Errno.EINVAL;
        _mm.MmapLock.WriteLock();
        Errno error = Errno.None;
        foreach (ref readonly ElfProgramHeader header in new ReadOnlySpan<ElfProgramHeader>(elf.ProgramHeaders))
        {
            if (header.Type != ElfProgramHeader.TypeLoad)
                continue;
            error = MapSegment(elf, header, file, place, total, isInterpreter);
            if (error != Errno.None)
                break;
        }
        _mm.MmapLock.WriteUnlock();
        if (error == Errno.None)
            error = ClearTails(elf, isInterpreter);
        Entry = Bias + elf.Header.Entry;
        return error;
    }

    private Errno MapSegment(in ElfFile elf, in ElfProgramHeader header, OpenFile file, VirtAddr place, ulong total, bool isInterpreter)
    {
        if (header.VirtualAddress >= UserSpace.Limit && elf.Header.Type == ElfHeader.TypeExecutable)
            return isInterpreter ? Errno.ENOMEM : Errno.EINVAL;
        if (header.FileBytes > header.MemoryBytes || header.MemoryBytes > UserSpace.Limit)
            return isInterpreter ? Errno.ENOMEM : Errno.EINVAL;

        ulong offsetInPage = header.VirtualAddress & PageSize.Mask;
        MapFlags flags = MapFlags.Private;
        var address = new VirtAddr(header.VirtualAddress - offsetInPage);
        ulong reserve = 0;
        if (_mapped)
        {
            flags |= MapFlags.Fixed;
            address = Bias + address.Value;
        }
        else
        {
            if (elf.Header.Type == ElfHeader.TypeExecutable)
            {
                // An interpreter goes over the program when it asks for its place.
                flags |= isInterpreter ? MapFlags.Fixed : MapFlags.FixedNoReplace;
                reserve = isInterpreter ? total : 0;
            }
            else if (!place.IsZero)
            {
                reserve = total;
                flags |= MapFlags.FixedNoReplace;
                address = new VirtAddr(place.Value & ~PageSize.Mask);
            }
            else
            {
                reserve = total;
                address = default;
            }
        }

        ulong fileLength = header.FileBytes == 0 ? 0 : header.FileBytes + offsetInPage;
        ulong pages = (fileLength + PageSize.Mask) & ~PageSize.Mask;
        VirtAddr at = address;
        Errno error;
        if (fileLength != 0 || reserve != 0)
        {
            error = MapFilePart(header, file, offsetInPage, flags, fileLength, reserve, address, out at);
            if (error != Errno.None)
                return error;
        }
        if (!_mapped)
        {
            _mapped = true;
            Bias = new VirtAddr(at.Value - (header.VirtualAddress - offsetInPage));
        }

        VirtAddr start = Bias + header.VirtualAddress;
        VirtAddr asked = isInterpreter ? start : new VirtAddr(header.VirtualAddress);     // Linux looks at the program's before it is moved
        if (!asked.IsUser || UserSpace.Limit - header.MemoryBytes < asked.Value || !start.IsUser)
            return isInterpreter ? Errno.ENOMEM : Errno.EINVAL;
        var memoryEnd = new VirtAddr((start.Value + header.MemoryBytes + PageSize.Mask) & ~PageSize.Mask);
        var fileEnd = new VirtAddr(start.Value - offsetInPage + pages);
        if (header.MemoryBytes > header.FileBytes && memoryEnd > fileEnd)
        {
            error = _mm.MapBss(new PageRange(fileEnd, memoryEnd), (header.Flags & ElfProgramHeader.FlagExecute) != 0);
            if (error != Errno.None)
                return error;
        }
        Note(elf, header, start, isInterpreter);
        return Errno.None;
    }

    /// <summary>Maps the file's pages. The first segment of a file that can go anywhere reserves room for all, so that the others find their places free.</summary>
    private readonly Errno MapFilePart(
        in ElfProgramHeader header, OpenFile file, ulong offsetInPage, MapFlags flags, ulong fileLength, ulong reserve, VirtAddr address, out VirtAddr at)
    {
        at = default;
        ulong length = reserve != 0 ? Math.Max(reserve, fileLength) : fileLength;
        ulong offset = header.Offset - offsetInPage;
        // What can never fit is no want of memory.
        if ((offset & PageSize.Mask) != 0 || length > UserSpace.Limit || address.Value > UserSpace.Limit - length)
            return Errno.EINVAL;
        var request = new MmapRequest
        {
            File = file,
            Address = address,
            Length = length,
            Protection = ProtectionOf(header.Flags),
            Flags = flags,
            PageOffset = offset >> PageSize.Shift,
        };
        if (!_mm.DoMmap(request).TryGet(out at, out Errno error))
            return error;
        ulong used = (fileLength + PageSize.Mask) & ~PageSize.Mask;
        ulong mapped = (length + PageSize.Mask) & ~PageSize.Mask;
        return mapped > used ? _mm.DoMunmap(new PageRange(at + used, at + mapped)) : Errno.None;
    }

    /// <summary>Keeps the bounds that <c>/proc/PID/stat</c> shows and the heap starts from.</summary>
    private void Note(in ElfFile elf, in ElfProgramHeader header, VirtAddr start, bool isInterpreter)
    {
        if (header.Offset <= elf.Header.ProgramHeaderOffset && elf.Header.ProgramHeaderOffset < header.Offset + header.FileBytes)
            _headers = start + (elf.Header.ProgramHeaderOffset - header.Offset);
        VirtAddr end = start + header.MemoryBytes;
        if (end > _end)
            _end = end;
        if (isInterpreter)
            return;
        bool executable = (header.Flags & ElfProgramHeader.FlagExecute) != 0;
        VirtAddr fileEnd = start + header.FileBytes;
        if (executable && (_mm.StartCode.IsZero || start < _mm.StartCode))
            _mm.StartCode = start;
        if (start > _mm.StartData)
            _mm.StartData = start;
        if (executable && fileEnd > _mm.EndCode)
            _mm.EndCode = fileEnd;
        if (fileEnd > _mm.EndData)
            _mm.EndData = fileEnd;
    }

    /// <summary>Clears what a segment's last file page shows beyond the segment.</summary>
    /// <returns>EFAULT for an interpreter whose page lies beyond the end of its file; Linux 6.1 does not look at the program's own result.</returns>
    private readonly Errno ClearTails(in ElfFile elf, bool isInterpreter)
    {
        Span<byte> zeros = stackalloc byte[512];
        zeros.Clear();
        foreach (ref readonly ElfProgramHeader header in new ReadOnlySpan<ElfProgramHeader>(elf.ProgramHeaders))
        {
            if (header.Type != ElfProgramHeader.TypeLoad || header.FileBytes == 0 || header.MemoryBytes <= header.FileBytes)
                continue;
            if ((header.Flags & ElfProgramHeader.FlagWrite) == 0)
                continue;                                       // it cannot be cleared, and Linux does not insist
            VirtAddr at = Bias + header.VirtualAddress + header.FileBytes;
            ulong left = (PageSize.Bytes - at.PageOffset) & PageSize.Mask;
            while (left > 0)
            {
                int count = (int)Math.Min(left, (ulong)zeros.Length);
                if (_mm.AccessRemote(at, zeros[..count], write: true) != (ulong)count)
                {
                    if (isInterpreter)
                        return Errno.EFAULT;
                    break;
                }

                at += (ulong)count;
                left -= (ulong)count;
            }
        }
        return Errno.None;
    }

    private static Protection ProtectionOf(uint flags)
    {
        Protection protection = Protection.None;
        if ((flags & ElfProgramHeader.FlagRead) != 0)
            protection |= Protection.Read;
        if ((flags & ElfProgramHeader.FlagWrite) != 0)
            protection |= Protection.Write;
        if ((flags & ElfProgramHeader.FlagExecute) != 0)
            protection |= Protection.Execute;
        return protection;
    }
}
