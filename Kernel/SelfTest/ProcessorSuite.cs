using System;
using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm.SelfTest;

/// <summary>What the processor was told: rights of the kernel's own pages, guards, faults that are recovered, timers.</summary>
internal sealed unsafe class ProcessorSuite : TestSuite
{
    private const int Timers = 200;
    private const ulong LongestDelay = 3_000_000;
    private const ulong Cr0WriteProtect = 1 << 16;
    private const ulong Cr4Umip = 1 << 11, Cr4Smep = 1 << 20, Cr4Smap = 1 << 21;
    private const ulong EferNoExecute = 1 << 11;

    private readonly PhysicalMemory _memory;
    private readonly TimerQueue _queue;
    private readonly CpuFeatures _features;
    private readonly RecordingTimer[] _timers = new RecordingTimer[Timers];
    private readonly int[] _fired = new int[Timers];
    private int _firedCount;

    public ProcessorSuite(PhysicalMemory memory, TimerQueue queue, in CpuFeatures features)
    {
        _memory = memory;
        _queue = queue;
        _features = features;
        for (int i = 0; i < Timers; i++)
            _timers[i] = new RecordingTimer(this, i);
    }

    public override ReadOnlySpan<byte> Name => "processor"u8;

    public override int Count => 8;

    public override ReadOnlySpan<byte> CaseName(int number) => number switch
    {
        0 => "No_page_of_the_kernel_can_be_both_written_and_executed"u8,
        1 => "The_identity_map_is_gone"u8,
        2 => "A_guard_page_lies_under_every_boot_stack"u8,
        3 => "Protection_that_the_processor_has_is_on"u8,
        4 => "A_user_copy_from_nowhere_tells_what_is_missing"u8,
        5 => "Reads_of_impossible_addresses_are_recovered"u8,
        6 => "Timers_fire_in_the_order_of_their_deadlines"u8,
        _ => "Pages_are_cleared_and_copied_to_the_last_byte"u8,
    };

    public override void Run(int number, TestContext test)
    {
        switch (number)
        {
            case 0: Rights(test); break;
            case 1: UserHalf(test); break;
            case 2: Guards(test); break;
            case 3: Protection(test); break;
            case 4: Copies(test); break;
            case 5: Probes(test); break;
            case 6: Order(test); break;
            default: Pages(test); break;
        }
    }

    private static void Rights(TestContext test)
    {
        ref readonly KernelImage image = ref KernelImage.Current;
        for (ulong at = KernelLayout.Image; at < image.DataEnd.Value + PageSize.LargeBytes; at += PageSize.Bytes)
        {
            ulong entry = Walk(at);
            if (entry != 0)
                Check(test, at, entry, image);
        }

        // The same bytes through the direct map.
        for (ulong at = image.TextStart.Value; at < image.RodataEnd.Value; at += PageSize.Bytes)
        {
            ulong alias = at - KernelImage.Base + KernelLayout.DirectMap;
            test.Check((Walk(alias) & (ulong)PteFlags.Writable) == 0, "the image cannot be written through the direct map"u8);
            test.Check((Walk(alias) & (ulong)PteFlags.NoExecute) != 0, "the direct map is never executed"u8);
        }
    }

    private static void Check(TestContext test, ulong address, ulong entry, in KernelImage image)
    {
        var flags = (PteFlags)entry;
        bool writable = (flags & PteFlags.Writable) != 0;
        bool executable = (flags & PteFlags.NoExecute) == 0;
        test.Check(!(writable && executable), "no page is written and executed"u8);
        test.Check((flags & PteFlags.User) == 0, "no page of the kernel is the user's"u8);
        if (address >= image.TextStart.Value && address < image.TextEnd.Value)
            test.Check(executable, "text is executed"u8);
        else
            test.Check(!executable, "only text is executed"u8);
        if (address >= image.DataStart.Value && address < image.DataEnd.Value)
            test.Check(writable, "data is written"u8);
        else
            test.Check(!writable, "only data is written"u8);
    }

    private static void UserHalf(TestContext test)
    {
        var root = (ulong*)DirectMap.Pointer(Mmu.Root);
        for (int slot = 0; slot < KernelLayout.FirstKernelSlot; slot++)
            test.Check(root[slot] == 0, "no entry of the user's half is there"u8);
        ulong value;
        test.Check(Cpu.ProbeRead(0x20_0000, &value) != 0, "the kernel is not seen at its physical address"u8);
    }

    private static void Guards(TestContext test)
    {
        ulong value;
        ulong boot = (ulong)Cpu.BootStack();
        test.Check(Cpu.ProbeRead(boot, &value) == 0, "the boot stack is there"u8);
        test.Check(Cpu.ProbeRead(boot - 8, &value) != 0, "below it is nothing"u8);
        for (int i = 0; i < DescriptorTables.OwnStackCount; i++)
        {
            ulong guard = (ulong)Cpu.OwnStacks() + (ulong)(i * DescriptorTables.OwnStackStride);
            test.Check(Cpu.ProbeRead(guard, &value) != 0, "a guard page is not mapped"u8);
            test.Check(Cpu.ProbeRead(guard + PageSize.Bytes, &value) == 0, "the stack above it is"u8);
        }
    }

    private void Protection(TestContext test)
    {
        ulong cr4 = Cpu.ReadCr4();
        test.Check((Cpu.ReadCr0() & Cr0WriteProtect) != 0, "WP"u8);
        test.Check((Cpu.ReadMsr(Msr.Efer) & EferNoExecute) != 0, "NX"u8);
        test.Check(!_features.HasSmep || (cr4 & Cr4Smep) != 0, "SMEP"u8);
        test.Check(!_features.HasSmap || (cr4 & Cr4Smap) != 0, "SMAP"u8);
        test.Check(!_features.HasUmip || (cr4 & Cr4Umip) != 0, "UMIP"u8);
    }

    private static void Copies(TestContext test)
    {
        Span<byte> bytes = stackalloc byte[100];
        test.Check(UserCopy.CopyFromUserPartial(bytes, new VirtAddr(0x1003)) == 100, "nothing is read from nowhere"u8);
        test.Check(UserCopy.CopyToUserPartial(new VirtAddr(0x1003), bytes) == 100, "nothing is written to nowhere"u8);
        test.Check(UserCopy.ClearUserPartial(new VirtAddr(0x1003), 77) == 77, "nothing is cleared"u8);
        test.Check(UserCopy.StringFromUser(bytes, new VirtAddr(0x1003)).Error == Errno.EFAULT, "no text"u8);
        test.Check(UserCopy.CopyFromUser(bytes, new VirtAddr(KernelLayout.DirectMap)) == Errno.EFAULT, "the kernel's half is no user memory"u8);
        test.Check(UserCopy.CopyFromUser(bytes, new VirtAddr(UserSpace.Limit - 50)) == Errno.EFAULT, "nor what reaches beyond the end"u8);
        test.Check(UserCopy.CompareExchange32(new VirtAddr(0x1000), 0, 1, out _) == Errno.EFAULT, "no word to exchange"u8);
    }

    private static void Probes(TestContext test)
    {
        ulong value;
        test.Check(Cpu.ProbeRead(0x8000_0000_0000_0000, &value) != 0, "a non-canonical address"u8);
        test.Check(Cpu.ProbeRead(0, &value) != 0, "null"u8);
        test.Check(Cpu.ProbeRead(ulong.MaxValue - 6, &value) != 0, "an address that wraps"u8);
        test.Check(Cpu.ProbeRead(KernelImage.Current.TextStart.Value, &value) == 0, "the kernel's own text can be read"u8);
    }

    private void Order(TestContext test)
    {
        _firedCount = 0;
        ulong now = Time.MonotonicNanoseconds;
        for (int i = 0; i < Timers; i++)
            _queue.Add(_timers[i], now + (ulong)test.Next((int)LongestDelay));
        int cancelled = 0;
        for (int i = 0; i < Timers; i += 3)
        {
            if (_queue.Cancel(_timers[i]))
                cancelled++;
        }
        // Some again, earlier or later than before.
        for (int i = 1; i < Timers; i += 7)
            _queue.Add(_timers[i], now + (ulong)test.Next((int)LongestDelay));

        int expected = 0;
        for (int i = 0; i < Timers; i++)
            expected += _timers[i].IsArmed ? 1 : 0;
        Interrupts.Enable();
        ulong limit = now + 1_000_000_000;
        while (_firedCount < expected && Time.MonotonicNanoseconds < limit)
            Interrupts.Pause();
        Interrupts.Disable();

        test.Check(cancelled > 0, "timers that wait can be cancelled"u8);
        test.Check(_firedCount == expected, "every timer fires once, no cancelled one does"u8);
        ulong last = 0;
        for (int i = 0; i < _firedCount && i < Timers; i++)
        {
            ulong deadline = _timers[_fired[i]].Deadline;
            test.Check(deadline >= last, "in order"u8);
            test.Check(_timers[_fired[i]].FiredAt >= deadline, "not before its time"u8);
            last = deadline;
        }
    }

    private void Pages(TestContext test)
    {
        if (_memory.Frames.Allocate(1, AllocationFlags.None, out Pfn first) != Errno.None)
            return;
        Span<byte> page = DirectMap.Page(first);
        Span<byte> neighbour = DirectMap.Page(first + 1);
        for (int i = 0; i < page.Length; i++)
        {
            page[i] = (byte)(test.Next() | 1);
            neighbour[i] = 0xa5;
        }
        DirectMap.CopyPage(first + 1, first);
        test.Check(page.SequenceEqual(neighbour), "a copy is equal"u8);
        DirectMap.ZeroPage(first);
        bool zero = true;
        for (int i = 0; i < page.Length; i++)
            zero &= page[i] == 0;
        test.Check(zero, "a cleared page is all zeros"u8);
        test.Check(neighbour[0] != 0, "and its neighbour is not touched"u8);
        _memory.Frames.Put(first);
    }

    /// <summary>The leaf that maps an address of the kernel, with the rights of that leaf; 0 when nothing does.</summary>
    private static ulong Walk(ulong address)
    {
        ulong table = Mmu.Root.Address.Value;
        for (int shift = Mmu.IsFiveLevel ? 48 : 39; ; shift -= 9)
        {
            ulong entry = ((ulong*)DirectMap.Pointer(new PhysAddr(table)))[(address >> shift) & 511];
            if ((entry & (ulong)PteFlags.Present) == 0)
                return 0;
            if (shift == PageSize.Shift || (shift < 39 && (entry & (ulong)PteFlags.Huge) != 0))
                return entry;
            table = entry & PageTableEntry.AddressMask;
        }
    }

    private sealed class RecordingTimer(ProcessorSuite suite, int number) : TimerNode
    {
        public ulong FiredAt;

        public override void Fire()
        {
            FiredAt = Time.MonotonicNanoseconds;
            if (suite._firedCount < Timers)
                suite._fired[suite._firedCount] = number;
            suite._firedCount++;
        }
    }
}
