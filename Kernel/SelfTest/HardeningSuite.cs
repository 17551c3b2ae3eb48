using System;
using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Memory.Check;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.SelfTest;

/// <summary>What the processor must keep the kernel from, each proved by an attempt: the kernel tries, and the right fault stops it.</summary>
/// <remarks>
/// The suite looks at three things: the vector, every bit of the error code, and CR2. The last case makes the same attempts with the
/// protection switched off: they go through, so it was this protection that had stopped them.
/// <code>
///   program's address space          kernel
///   Code  rwx, a RET                 text r-x   constants r--   data rw-   direct map rw-   vmalloc rw-   stacks rw-, guard pages ---
///   Shown r--, only read so far      (null page, not canonical: nothing)
/// </code>
/// Linux: <c>drivers/misc/lkdtm</c> has the same attempts, each of which ends in an oops.
/// </remarks>
internal sealed unsafe class HardeningSuite(MemorySystem memory, CpuFeatures features) : TestSuite
{
    private const ulong Cr0WriteProtect = 1UL << 16;
    private const ulong Cr4Smep = 1UL << 20;
    private const ulong Cr4Smap = 1UL << 21;
    private const byte Return = 0xc3;
    private const int Bytes = 64;

    private const PageFaultCode Absent = PageFaultCode.None, Present = PageFaultCode.Present, Write = PageFaultCode.Write, Fetch = PageFaultCode.InstructionFetch;

    private readonly MemorySystem _memory = memory;
    private readonly CpuFeatures _features = features;
    private TestContext _test = null!;

    private static VirtAddr Code => new(0x1000_0000);
    private static VirtAddr Shown => new(0x2000_0000);

    public override ReadOnlySpan<byte> Name => "hardening"u8;

    public override int Count => 9;

    public override ReadOnlySpan<byte> CaseName(int number) => number switch
    {
        0 => "The_kernel_cannot_jump_to_a_programs_code"u8,
        1 => "The_kernel_cannot_touch_a_programs_memory_unless_it_says_so"u8,
        2 => "The_kernel_cannot_execute_its_data"u8,
        3 => "The_kernel_cannot_write_what_is_read_only"u8,
        4 => "A_guard_page_lies_below_every_stack_and_behind_every_vmalloc_area"u8,
        5 => "The_kernel_has_no_null_page"u8,
        6 => "An_address_that_is_not_canonical_is_no_page_fault"u8,
        7 => "No_page_of_the_kernels_half_is_writable_and_executable_or_the_users"u8,
        _ => "With_a_protection_off_the_same_attempt_goes_through"u8,
    };

    public override void Run(int number, TestContext test)
    {
        _test = test;
        switch (number)
        {
            case 0: JumpToProgram(); break;
            case 1: TouchProgram(); break;
            case 2: ExecuteData(); break;
            case 3: WriteConstants(); break;
            case 4: Guards(); break;
            case 5: NullPage(); break;
            case 6: NotCanonical(); break;
            case 7: AllTables(); break;
            default: SwitchedOff(); break;
        }
    }

    private void JumpToProgram()
    {
        if (!_features.HasSmep || !Enter(out MmStruct mm))
            return;
        Refused(Attempts.Call(Code.Value), Code.Value, Present | Fetch, "SMEP: a jump to a program's code"u8);
        Refused(Attempts.Call(Shown.Value), Shown.Value, Present | Fetch, "SMEP: a jump to a program's data"u8);
        Leave(mm);
    }

    private void TouchProgram()
    {
        if (!_features.HasSmap || !Enter(out MmStruct mm))
            return;
        Refused(Attempts.Read(Code.Value), Code.Value, Present, "SMAP: a read of a program's memory"u8);
        Refused(Attempts.Write(Code.Value, Return), Code.Value, Present | Write, "SMAP: a write to a program's memory"u8);
        _test.Check(Attempts.OpenRead(Code.Value) == Attempts.Allowed, "with AC set the kernel may read it"u8);
        _test.Check(Attempts.OpenWrite(Code.Value, Return) == Attempts.Allowed, "and write it"u8);
        Refused(Attempts.Read(Code.Value), Code.Value, Present, "SMAP: AC is clear again"u8);

        // The user copies open the window for themselves and close it again, after a fault too.
        Span<byte> bytes = stackalloc byte[Bytes];
        _test.Check(UserCopy.CopyFromUserPartial(bytes, Code) == 0 && bytes[0] == Return, "a user copy reads it"u8);
        _test.Check(UserCopy.CopyToUserPartial(Code + (PageSize.Bytes - 8), bytes) == Bytes - 8, "a user copy stops where the page ends"u8);
        Refused(Attempts.Read(Code.Value), Code.Value, Present, "SMAP: closed again behind a copy that faulted"u8);
        Leave(mm);
    }

    private void ExecuteData()
    {
        _test.Check(Attempts.Call((ulong)Attempts.Text()) == Attempts.Allowed, "text is executed"u8);
        NotExecutable((ulong)Attempts.Text() - KernelLayout.Image + KernelLayout.DirectMap, "NX: text, by the direct map"u8);
        NotExecutable((ulong)Attempts.Constant(), "NX: constants"u8);
        NotExecutable((ulong)Attempts.Data(), "NX: data"u8);
        *Attempts.Zeroed() = Return;
        NotExecutable((ulong)Attempts.Zeroed(), "NX: zeroed data"u8);
        byte* stack = stackalloc byte[Bytes];
        *stack = Return;
        NotExecutable((ulong)stack, "NX: the stack"u8);

        if (_memory.Physical.Arrays.Allocate<byte>(Bytes) is { } heap)
        {
            heap[0] = Return;
            fixed (byte* first = heap)
                NotExecutable((ulong)first, "NX: the heap"u8);
            _memory.Physical.Arrays.Free(heap);
        }

        if (_memory.Frames.Allocate(AllocationFlags.Zeroed, out Pfn frame) == Errno.None)
        {
            *(byte*)DirectMap.Pointer(frame) = Return;
            NotExecutable((ulong)DirectMap.Pointer(frame), "NX: a frame by the direct map"u8);
            _memory.Frames.Put(frame);
        }

        if (_memory.Physical.Vmalloc.Allocate(new PageCount(1), out VirtAddr area) == Errno.None)
        {
            *(byte*)area.Value = Return;
            NotExecutable(area.Value, "NX: vmalloc space"u8);
            _memory.Physical.Vmalloc.Free(area);
        }
    }

    private void NotExecutable(ulong address, ReadOnlySpan<byte> what) => Refused(Attempts.Call(address), address, Present | Fetch, what);

    private void WriteConstants()
    {
        ReadOnlyButSeen((ulong)Attempts.Text(), "WP: text"u8);
        ReadOnlyButSeen((ulong)Attempts.Constant(), "WP: constants"u8);
        ReadOnlyButSeen(KernelImage.Current.ExceptionTableStart.Value, "WP: the exception table"u8);
        ReadOnlyButSeen((ulong)Attempts.Text() - KernelLayout.Image + KernelLayout.DirectMap, "WP: text, by the direct map"u8);
        ReadOnlyButSeen((ulong)Attempts.Constant() - KernelLayout.Image + KernelLayout.DirectMap, "WP: constants, by the direct map"u8);

        // Without WP the kernel would write through the read-only entries of shared pages: copy on write would not be.
        if (!Enter(out MmStruct mm))
            return;
        _test.Check(Attempts.OpenRead(Shown.Value) == Attempts.Allowed, "a program's read-only page is read"u8);
        Refused(Attempts.OpenWrite(Shown.Value, 0), Shown.Value, Present | Write, "WP: a program's read-only page"u8);
        Span<byte> bytes = stackalloc byte[Bytes];
        _test.Check(UserCopy.CopyToUserPartial(Shown, bytes) == Bytes, "nor does a user copy write it"u8);
        Leave(mm);
    }

    private void ReadOnlyButSeen(ulong address, ReadOnlySpan<byte> what)
    {
        _test.Check(Attempts.Read(address) == Attempts.Allowed, what);
        Refused(Attempts.Write(address, *(byte*)address), address, Present | Write, what);
    }

    private void Guards()
    {
        Guard((ulong)Cpu.BootStack(), "the boot stack"u8);
        for (int i = 0; i < DescriptorTables.OwnStackCount; i++)
            Guard((ulong)Cpu.OwnStacks() + (ulong)(i * DescriptorTables.OwnStackStride) + PageSize.Bytes, "the stack of #DB, NMI, #DF or #MC"u8);

        // Threads' stacks are such areas; each ends in a guard page, which lies right below the next one.
        Vmalloc vmalloc = _memory.Physical.Vmalloc;
        if (vmalloc.Allocate(new PageCount(2), out VirtAddr first) != Errno.None)
            return;
        if (vmalloc.Allocate(new PageCount(2), out VirtAddr second) == Errno.None)
        {
            ulong end = first.Value + 2 * PageSize.Bytes;
            _test.Check(Attempts.Write(end - 1, 0) == Attempts.Allowed, "the last byte of an area is there"u8);
            Refused(Attempts.Read(end), end, Absent, "a read behind a vmalloc area"u8);
            Refused(Attempts.Write(end, 0), end, Write, "a write behind a vmalloc area"u8);
            if (vmalloc.FrameOf(second - PageSize.Bytes) == Pfn.None)
                Guard(second.Value, "a vmalloc area"u8);
            else
                _test.Check(false, "below an area lies a guard page"u8);
            vmalloc.Free(second);
        }

        vmalloc.Free(first);
    }

    private void Guard(ulong bottom, ReadOnlySpan<byte> what)
    {
        _test.Check(Attempts.Write(bottom, *(byte*)bottom) == Attempts.Allowed, what);
        Refused(Attempts.Read(bottom - 1), bottom - 1, Absent, what);
        Refused(Attempts.Write(bottom - 1, 0), bottom - 1, Write, what);
        Refused(Attempts.Write(bottom - PageSize.Bytes, 0), bottom - PageSize.Bytes, Write, what);
        Refused(Attempts.Call(bottom - PageSize.Bytes), bottom - PageSize.Bytes, Fetch, what);
    }

    private void NullPage()
    {
        for (ulong address = 0; address < PageSize.Bytes; address += 511)
        {
            Refused(Attempts.Read(address), address, Absent, "a read by a null reference"u8);
            Refused(Attempts.Write(address, 0), address, Write, "a write by a null reference"u8);
            Refused(Attempts.Call(address), address, Fetch, "a jump by a null reference"u8);
        }

        // The identity map of the boot is gone too.
        ulong image = (ulong)Attempts.Text() - KernelLayout.Image;
        Refused(Attempts.Call(image), image, Fetch, "the kernel at its physical address"u8);
    }

    private void NotCanonical()
    {
        ulong hole = Mmu.IsFiveLevel ? 0x0100_0000_0000_0000UL : 0x0000_8000_0000_0000UL;
        _test.Check(Attempts.Read(hole) == Attempts.GeneralProtection, "the first address of the hole is read"u8);
        _test.Check(Attempts.Write(~hole, 0) == Attempts.GeneralProtection, "the last address of the hole is written"u8);
        _test.Check(Attempts.OpenRead(0x8000_0000_0000_0000) == Attempts.GeneralProtection, "its middle is read with AC set"u8);
    }

    private void AllTables()
    {
        MemoryReport report = default;
        KernelTableCheck.Run(_memory, ref report);
        _test.Check(report.Errors == 0, report.FirstError);
        _test.Check(report.KernelEntries > 1000, "the tables were walked"u8);
    }

    private void SwitchedOff()
    {
        if (!Enter(out MmStruct mm))
            return;
        ulong cr0 = Cpu.ReadCr0(), cr4 = Cpu.ReadCr4();
        Cpu.WriteCr4(cr4 & ~Cr4Smep);
        ulong jump = Attempts.Call(Code.Value);
        Cpu.WriteCr4(cr4 & ~Cr4Smap);
        ulong read = Attempts.Read(Code.Value), write = Attempts.Write(Code.Value, Return);
        Cpu.WriteCr4(cr4);
        Cpu.WriteCr0(cr0 & ~Cr0WriteProtect);
        ulong text = Attempts.Write((ulong)Attempts.Text(), Return);
        ulong constant = Attempts.Write((ulong)Attempts.Constant(), Return);
        ulong shown = Attempts.OpenWrite(Shown.Value, 0);
        Cpu.WriteCr0(cr0);
        _test.Check(jump == Attempts.Allowed, "without SMEP the kernel jumps to a program's code"u8);
        _test.Check(read == Attempts.Allowed && write == Attempts.Allowed, "without SMAP it reads and writes a program's memory"u8);
        _test.Check(text == Attempts.Allowed && constant == Attempts.Allowed, "without WP it writes its text and constants"u8);
        _test.Check(shown == Attempts.Allowed, "and a program's read-only page"u8);
        ReadOnlyButSeen((ulong)Attempts.Text(), "WP is on again"u8);
        Leave(mm);
    }

    /// <summary>The attempt ended in a page fault at this very address, with these bits in its error code and no others.</summary>
    private void Refused(ulong answer, ulong address, PageFaultCode code, ReadOnlySpan<byte> what)
    {
        ulong at = Cpu.ReadCr2();
        if (answer == Attempts.PageFault(code) && at == address)
            return;
        if (!_test.Failed)
            Log.Warn($"{what}: 0x{address:x} answered 0x{answer:x}, CR2 0x{at:x}, expected error code {(uint)code}");
        _test.Check(false, what);
    }

    /// <summary>Loads an address space with the two pages.</summary>
    private bool Enter(out MmStruct mm)
    {
        mm = MmStruct.Allocate(_memory)!;
        _test.Check(mm is not null, "there is memory for an address space"u8);
        if (mm is null)
            return false;
        const Protection all = Protection.Read | Protection.Write | Protection.Execute;
        bool made = Map(mm, Code, all, FaultFlags.Write) && Map(mm, Shown, Protection.Read, default);
        _test.Check(made, "there is memory for its pages"u8);
        if (made)
        {
            *(byte*)DirectMap.Pointer(mm.ReadPte(Code).Pfn) = Return;
            Mmu.LoadRoot(mm.Root);
            return true;
        }

        mm.Put();
        return false;
    }

    private void Leave(MmStruct mm)
    {
        Mmu.LoadRoot(_memory.InitMm.Root);
        mm.Put();
    }

    private static bool Map(MmStruct mm, VirtAddr at, Protection protection, FaultFlags access)
    {
        var request = new MmapRequest
        {
            Address = at,
            Length = PageSize.Bytes,
            Protection = protection,
            Flags = MapFlags.Private | MapFlags.Anonymous | MapFlags.Fixed,
        };
        mm.MmapLock.WriteLock();
        Result<VirtAddr> mapped = mm.DoMmap(request);
        mm.MmapLock.WriteUnlock();
        if (!mapped.IsOk)
            return false;
        mm.MmapLock.ReadLock();
        PageFaultResult result = mm.HandleMmFault(mm.FindVma(at)!, at, access | FaultFlags.User | FaultFlags.Remote);
        mm.MmapLock.ReadUnlock();
        return result <= PageFaultResult.Installed;
    }
}
