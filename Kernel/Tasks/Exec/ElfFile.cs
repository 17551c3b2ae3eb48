using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>The headers of one ELF file, read and checked.</summary>
/// <remarks>A struct whose owner calls <see cref="Free"/>. Linux: <c>load_elf_phdrs</c> and the first checks of <c>load_elf_binary</c>.</remarks>
internal struct ElfFile
{
    /// <summary>A page, so 73 headers. Linux: <c>load_elf_phdrs</c>; later versions allow 64 KiB.</summary>
    private const int MaximumTableBytes = (int)PageSize.Bytes;

    public ElfHeader Header;
    public ElfProgramHeader[]? ProgramHeaders;

    /// <summary>Reads the headers of <paramref name="file"/>.</summary>
    /// <param name="refusal">What a file that is no program for this machine gives: ENOEXEC, or ELIBBAD for an interpreter.</param>
    public Errno Read(Task task, OpenFile file, Errno refusal)
    {
        Span<ElfHeader> header = MemoryMarshal.CreateSpan(ref Header, 1);
        Result<long> count = Vfs.KernelRead(task, file, 0, MemoryMarshal.AsBytes(header));
        if (!count.IsOk)
            return count.Error;
        if (count.Value != ElfHeader.Bytes)
            return refusal == Errno.ENOEXEC ? Errno.ENOEXEC : Errno.EIO;
        if (Header.Identification != ElfHeader.Magic)
            return refusal;
        if (Header.Type is not (ElfHeader.TypeExecutable or ElfHeader.TypeShared) || Header.Machine != ElfHeader.MachineX8664)
            return refusal;
        if (Header.ProgramHeaderBytes != ElfProgramHeader.Bytes)
            return refusal;
        int bytes = Header.ProgramHeaderCount * ElfProgramHeader.Bytes;
        if (bytes == 0 || bytes > MaximumTableBytes || Header.ProgramHeaderOffset > long.MaxValue)
            return refusal;
        ProgramHeaders = task.System.Arrays.Allocate<ElfProgramHeader>(Header.ProgramHeaderCount);
        if (ProgramHeaders is null)
            return Errno.ENOMEM;
        count = Vfs.KernelRead(task, file, (long)Header.ProgramHeaderOffset, MemoryMarshal.AsBytes(new Span<ElfProgramHeader>(ProgramHeaders)));
        if (count.IsOk && count.Value == bytes)
            return Errno.None;
        Free(task.System);
        return refusal;
    }

    public void Free(TaskSystem system)
    {
        if (ProgramHeaders is not null)
            system.Arrays.Free(ProgramHeaders);
        ProgramHeaders = null;
    }

    /// <summary>The bytes from the first page of the first PT_LOAD to the end of the last; 0 when there is none. Linux: <c>total_mapping_size</c>.</summary>
    public readonly ulong TotalMappingBytes()
    {
        ulong low = ulong.MaxValue, high = 0;
        foreach (ref readonly ElfProgramHeader header in new ReadOnlySpan<ElfProgramHeader>(ProgramHeaders))
        {
            if (header.Type != ElfProgramHeader.TypeLoad)
                continue;
            low = Math.Min(low, header.VirtualAddress & ~PageSize.Mask);
            high = Math.Max(high, header.VirtualAddress + header.MemoryBytes);
        }
        return high > low ? high - low : 0;
    }

    /// <summary>The largest alignment that a PT_LOAD asks for. Linux: <c>maximum_alignment</c>; values that are no power of two do not count.</summary>
    public readonly ulong MaximumAlignment()
    {
        ulong alignment = 0;
        foreach (ref readonly ElfProgramHeader header in new ReadOnlySpan<ElfProgramHeader>(ProgramHeaders))
        {
            if (header.Type == ElfProgramHeader.TypeLoad && (header.Alignment & (header.Alignment - 1)) == 0)
                alignment = Math.Max(alignment, header.Alignment);
        }
        return (alignment + PageSize.Mask) & ~PageSize.Mask;
    }
}
