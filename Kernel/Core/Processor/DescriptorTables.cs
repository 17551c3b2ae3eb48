namespace NanoVm.Core;

/// <summary>The global descriptor table, the task-state segment with its stacks, and the interrupt descriptor table.</summary>
/// <remarks>Intel SDM volume 3, 3.4.5, 7.14, 8.7. The memory is in <c>boot/cpu.asm</c>.</remarks>
internal static unsafe class DescriptorTables
{
    private const ulong KernelCodeDescriptor = 0x00af_9b00_0000_ffff;
    private const ulong KernelDataDescriptor = 0x00cf_9300_0000_ffff;
    private const ulong UserDataDescriptor = 0x00cf_f300_0000_ffff;
    private const ulong UserCodeDescriptor = 0x00af_fb00_0000_ffff;

    private const int GdtEntries = 16;
    private const int TaskStateBytes = 104;
    private const int InterruptStackOffset = 36;
    private const int IoMapOffset = 102;
    private const int Vectors = 256;

    /// <summary>Present, 64-bit interrupt gate: interrupts are off when the stub starts.</summary>
    private const ulong InterruptGate = 0x8e00;
    /// <summary>The same, and INT n from user mode is allowed: #BP and #OF.</summary>
    private const ulong UserInterruptGate = 0xee00;

    private const int OwnStacks = 4;
    private const int OwnStackBytes = 8192;

    /// <summary>Bytes of each of the stacks with the guard page below it.</summary>
    public const int OwnStackStride = OwnStackBytes + (int)PageSize.Bytes;
    public const int OwnStackCount = OwnStacks;

    public static void Load()
    {
        ulong* gdt = (ulong*)Cpu.Gdt();
        byte* taskState = Cpu.TaskState();
        gdt[Selectors.KernelCode / 8] = KernelCodeDescriptor;
        gdt[Selectors.KernelData / 8] = KernelDataDescriptor;
        // The place of 32-bit user code stays empty: no program can leave 64-bit mode, so no SYSCALL ever comes from there.
        gdt[Selectors.UserData / 8] = UserDataDescriptor;
        gdt[Selectors.UserCode / 8] = UserCodeDescriptor;
        ulong address = (ulong)taskState;
        gdt[Selectors.TaskState / 8] = (TaskStateBytes - 1) | ((address & 0xff_ffff) << 16) | (0x89UL << 40)
            | (((address >> 24) & 0xff) << 56);
        gdt[Selectors.TaskState / 8 + 1] = address >> 32;

        byte* stack = Cpu.OwnStacks();
        for (int i = 0; i < OwnStacks; i++)
        {
            stack += OwnStackStride;
            *(ulong*)(taskState + InterruptStackOffset + i * 8) = (ulong)stack;
        }
        *(ulong*)(taskState + 4) = (ulong)Cpu.BootStackTop();
        *(ushort*)(taskState + IoMapOffset) = TaskStateBytes;     // beyond the limit: no port for user mode

        byte* pointer = stackalloc byte[10];
        *(ushort*)pointer = GdtEntries * 8 - 1;
        *(ulong*)(pointer + 2) = (ulong)gdt;
        Cpu.LoadGdt(pointer, Selectors.KernelCode, Selectors.KernelData, Selectors.TaskState);

        ulong* idt = (ulong*)Cpu.Idt();
        ulong* stubs = (ulong*)Cpu.TrapVectors();
        for (int vector = 0; vector < Vectors; vector++)
        {
            ulong gate = vector is TrapVector.Breakpoint or TrapVector.Overflow ? UserInterruptGate : InterruptGate;
            ulong ownStack = vector switch
            {
                TrapVector.Debug => 1,
                TrapVector.NonMaskable => 2,
                TrapVector.DoubleFault => 3,
                TrapVector.MachineCheck => 4,
                _ => 0UL,
            };
            ulong stub = stubs[vector];
            idt[vector * 2] = (stub & 0xffff) | ((ulong)Selectors.KernelCode << 16) | (ownStack << 32) | (gate << 32)
                | (((stub >> 16) & 0xffff) << 48);
            idt[vector * 2 + 1] = stub >> 32;
        }
        *(ushort*)pointer = Vectors * 16 - 1;
        *(ulong*)(pointer + 2) = (ulong)idt;
        Cpu.LoadIdt(pointer);
    }
}
