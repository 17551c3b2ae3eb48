using System.Runtime;
using System.Runtime.CompilerServices;

namespace NanoVm.Core;

/// <summary>Instructions that C# cannot say: <c>boot/cpu.asm</c>. Nobody outside Core and Hal uses them.</summary>
internal static unsafe class Cpu
{
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_percpu_area")]
    public static extern PerCpuArea* PerCpuArea();

    /// <summary>The address of the boot processor's area, before GS points to it.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_boot_area")]
    public static extern PerCpuArea* BootArea();

    /// <returns>1 when interrupts were on, else 0.</returns>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_disable_interrupts")]
    public static extern int DisableInterrupts();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_enable_interrupts")]
    public static extern void EnableInterrupts();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_enable_and_halt")]
    public static extern void EnableInterruptsAndHalt();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_halt")]
    public static extern void Halt();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_pause")]
    public static extern void Pause();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_flags")]
    public static extern ulong ReadFlags();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_cr0")]
    public static extern ulong ReadCr0();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_cr0")]
    public static extern void WriteCr0(ulong value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_cr2")]
    public static extern ulong ReadCr2();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_cr3")]
    public static extern ulong ReadCr3();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_cr3")]
    public static extern void WriteCr3(ulong value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_cr4")]
    public static extern ulong ReadCr4();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_cr4")]
    public static extern void WriteCr4(ulong value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_invalidate_page")]
    public static extern void InvalidatePage(ulong address);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_msr")]
    public static extern ulong ReadMsr(uint register);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_msr")]
    public static extern void WriteMsr(uint register, ulong value);

    /// <param name="result">EAX, EBX, ECX, EDX.</param>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_cpuid")]
    public static extern void CpuId(uint leaf, uint subleaf, uint* result);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_tsc")]
    public static extern ulong ReadTsc();

    /// <returns>1 when <paramref name="value"/> was filled; the processor must have RDRAND.</returns>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_rdrand")]
    public static extern int ReadRandom(ulong* value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_xcr0")]
    public static extern void WriteXcr0(ulong value);

    /// <summary>Only when the processor has protection keys.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_pkru")]
    public static extern uint ReadPkru();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_pkru")]
    public static extern void WritePkru(uint value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_load_gdt")]
    public static extern void LoadGdt(void* pointer, ulong codeSelector, ulong dataSelector, ulong taskSelector);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_load_idt")]
    public static extern void LoadIdt(void* pointer);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_zero_page")]
    public static extern void ZeroPage(void* page);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_copy_page")]
    public static extern void CopyPage(void* to, void* from);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_in8")]
    public static extern byte In8(ushort port);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_out8")]
    public static extern void Out8(ushort port, byte value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_in16")]
    public static extern ushort In16(ushort port);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_out16")]
    public static extern void Out16(ushort port, ushort value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_in32")]
    public static extern uint In32(ushort port);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_out32")]
    public static extern void Out32(ushort port, uint value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_frame_pointer")]
    public static extern ulong FramePointer();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_save_state")]
    public static extern void SaveState(void* area, ulong mask);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_restore_state")]
    public static extern void RestoreState(void* area, ulong mask);

    /// <summary>XRSTOR of an area that may hold bad values.</summary>
    /// <returns>0, or -1 after a #GP: the registers are then in their initial state.</returns>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_restore_state_checked")]
    public static extern int RestoreStateChecked(void* area, ulong mask);

    /// <summary>Four stacks, each with a guard page below: #DB, NMI, #DF, #MC.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_own_stacks")]
    public static extern byte* OwnStacks();

    /// <summary>The lowest byte of the stack that the boot runs on; the page below is its guard.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_boot_stack")]
    public static extern byte* BootStack();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_boot_stack_top")]
    public static extern byte* BootStackTop();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_gdt")]
    public static extern byte* Gdt();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_tss")]
    public static extern byte* TaskState();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_idt")]
    public static extern byte* Idt();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_clear_debug")]
    public static extern void ClearDebugRegisters();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_fs_base")]
    public static extern ulong ReadFsBase();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_fs_base")]
    public static extern void WriteFsBase(ulong value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_user_gs_base")]
    public static extern ulong ReadUserGsBase();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_user_gs_base")]
    public static extern void WriteUserGsBase(ulong value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_stack_pointer")]
    public static extern ulong StackPointer();

    /// <summary>Reads eight bytes anywhere; 0, or -1 when that faults.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_probe_read")]
    public static extern int ProbeRead(ulong address, ulong* value);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "switch_stacks")]
    public static extern void SwitchStacks(ulong* oldStackPointer, ulong newStackPointer);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "switch_enter_user")]
    public static extern void EnterUser(TrapFrame* frame);

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_trap_vectors")]
    public static extern byte* TrapVectors();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_syscall_entry")]
    public static extern byte* SyscallEntry();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_first_user")]
    public static extern byte* FirstUser();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_first_kernel")]
    public static extern byte* FirstKernel();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_has_xsave")]
    public static extern byte* HasXsave();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_has_fsgsbase")]
    public static extern byte* HasFsGsBase();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_traps_clac")]
    public static extern byte* TrapsClac();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_usercopy_clac")]
    public static extern byte* UserCopyClac();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_usercopy_stac")]
    public static extern byte* UserCopyStac();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_early_heap")]
    public static extern byte* EarlyHeap();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_early_heap_end")]
    public static extern byte* EarlyHeapEnd();

    /// <summary>The vector registers that the entry stubs save into the <see cref="TrapFrame"/>: bit n for xmm n.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_saved_xmm")]
    public static extern uint SavedXmm();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "image_has_avx")]
    public static extern byte* HasAvx();

    /// <summary>One past the last user address: depends on the levels of paging.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_user_end")]
    public static extern ulong UserEnd();

    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_set_user_end")]
    public static extern void SetUserEnd(ulong end);

    /// <summary>See <c>boot/la57.asm</c>: descriptor tables and GS base are lost.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_enter_five_levels")]
    public static extern void EnterFiveLevels();

    /// <summary>DS, ES, FS and GS, 16 bits each from the lowest up.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_read_selectors")]
    public static extern ulong ReadSelectors();

    /// <summary>Interrupts off; the bases of FS and GS are to be written afterwards.</summary>
    [MethodImpl(MethodImplOptions.InternalCall), RuntimeImport("*", "cpu_write_selectors")]
    public static extern void WriteSelectors(ulong selectors);
}
