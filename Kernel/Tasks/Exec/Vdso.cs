using System;
using System.Runtime;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>The vDSO: a shared object of the kernel's in every process, by which clocks are read without a system call.</summary>
/// <remarks>
/// Linux: <c>arch/x86/entry/vdso/vma.c</c>, vdso(7). Its code is <c>boot/vdso/vdso.asm</c>, which says what lies in the vvar page.
/// <code>
///   [vvar]  one page, read-only: what the clocks are computed from
///   [vdso]  the ELF image; its start is AT_SYSINFO_EHDR
/// </code>
/// </remarks>
internal sealed unsafe class Vdso
{
    private const int OffsetWord = 2;
    private const ulong Region = 2UL << 20;

    private readonly MemorySystem _memory;
    private readonly SpecialMapping _code;
    private readonly SpecialMapping _data;

    public Vdso(MemorySystem memory, Clock clock)
    {
        _memory = memory;
        _code = new SpecialMapping(memory, "[vdso]"u8, new ReadOnlySpan<byte>(ImageStart(), ImageBytes()));
        ulong* words = stackalloc ulong[4];
        words[0] = clock.StartTsc;
        words[1] = clock.Multiplier;
        words[OffsetWord] = clock.RealtimeOffset;
        words[3] = HasRdtscp() ? 1ul : 0;
        _data = new SpecialMapping(memory, "[vvar]"u8, new ReadOnlySpan<byte>(words, 4 * sizeof(ulong)));
    }

    /// <summary>The wall clock has been set. One aligned store: a program sees the old or the new value.</summary>
    public void RealtimeChanged(ulong offset)
        => Unsafe.As<byte, ulong>(ref _data.Page(0)[OffsetWord * sizeof(ulong)]) = offset;

    /// <summary>Maps both parts into a new address space, near the stack's end or where mmap finds room.</summary>
    /// <param name="stackTop">One past the stack.</param>
    /// <param name="image">Where the ELF image begins.</param>
    public Errno Map(MmStruct mm, VirtAddr stackTop, out VirtAddr image)
    {
        image = default;
        ulong bytes = _data.Bytes + _code.Bytes;
        mm.MmapLock.WriteLock();
        Errno error = Errno.None;
        if (mm.GetUnmappedArea(null, Hint(stackTop, bytes), bytes, 0, MapFlags.None).TryGet(out VirtAddr start, out error))
        {
            image = start + _data.Bytes;
            error = mm.InstallSpecialMapping(_code, image,
                VmFlags.Read | VmFlags.Execute | VmFlags.MayRead | VmFlags.MayWrite | VmFlags.MayExecute);
            if (error == Errno.None)
                error = mm.InstallSpecialMapping(_data, start, VmFlags.Read | VmFlags.MayRead | VmFlags.Io | VmFlags.DontDump | VmFlags.PfnMap);
        }
        mm.MmapLock.WriteUnlock();
        return error;
    }

    /// <summary>A random page between the stack and the end of its 2 MiB. Linux: <c>vdso_addr</c>.</summary>
    private VirtAddr Hint(VirtAddr stackTop, ulong bytes)
    {
        ulong start = stackTop.PageUp().Value;
        ulong end = (start + Region - 1) & ~(Region - 1);
        if (end >= UserSpace.End)
            end = UserSpace.End;
        end -= bytes;
        if (end <= start || _memory.RandomizeVaSpace == 0)
            return new VirtAddr(start);
        ulong pages = ((end - start) >> PageSize.Shift) + 1;
        return new VirtAddr(start + ((Core.Random.Next() % pages) << PageSize.Shift));
    }

    private static bool HasRdtscp()
    {
        uint* r = stackalloc uint[4];
        Cpu.CpuId(0x8000_0001, 0, r);
        return (r[3] & (1u << 27)) != 0;
    }

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "vdso_image_start")]
    private static extern byte* ImageStart();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "vdso_image_bytes")]
    private static extern int ImageBytes();
}
