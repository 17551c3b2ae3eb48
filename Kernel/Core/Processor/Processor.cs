namespace NanoVm.Core;

/// <summary>Brings the processor into the state that the rest of the kernel takes for granted.</summary>
/// <remarks>
/// Two steps, both from <c>Kernel.cs</c>: <see cref="InitializeEarly"/> as the very first thing (per-CPU data, descriptor tables, so
/// that a fault from then on is a readable panic), <see cref="Initialize"/> once the core library's statics are there.
/// </remarks>
internal static unsafe class Processor
{
    private const ulong Cr0WriteProtect = 1UL << 16;
    private const ulong Cr0NumericError = 1UL << 5;
    private const ulong Cr0MonitorCoprocessor = 1UL << 1;
    private const ulong Cr0AlignmentMask = 1UL << 18;
    private const ulong Cr0Emulation = 1UL << 2;
    private const ulong Cr0TaskSwitched = 1UL << 3;

    private const ulong Cr4DebuggingExtensions = 1UL << 3;
    private const ulong Cr4GlobalPages = 1UL << 7;
    private const ulong Cr4FxSave = 1UL << 9;
    private const ulong Cr4SimdExceptions = 1UL << 10;
    private const ulong Cr4Umip = 1UL << 11;
    private const ulong Cr4FsGsBase = 1UL << 16;
    private const ulong Cr4Xsave = 1UL << 18;
    private const ulong Cr4Smep = 1UL << 20;
    private const ulong Cr4Smap = 1UL << 21;
    private const ulong Cr4ProtectionKeys = 1UL << 22;

    /// <summary>As after reset, but entry 1 (PWT alone) is write-combining instead of write-through. Intel SDM volume 3, 12.12.</summary>
    private const ulong PageAttributes = 0x0007_0406_0007_0106;

    private const ulong EferSyscall = 1UL << 0;
    private const ulong EferNoExecute = 1UL << 11;

    /// <summary>TF, IF, DF, IOPL, NT, RF, AC, ID: cleared by SYSCALL.</summary>
    private const ulong SyscallClearedFlags = 0x0025_7fd5;

    /// <summary>SYSRET loads CS from bits 63..48 plus 16 and SS from the same plus 8; SYSCALL CS from bits 47..32 and SS plus 8.</summary>
    private const ulong StarValue = ((ulong)Selectors.User32Code << 48) | ((ulong)Selectors.KernelCode << 32);

    public static void InitializeEarly()
    {
        DescriptorTables.Load();
        PerCpuArea* area = Cpu.BootArea();
        area->Self = area;
        area->TaskState = Cpu.TaskState();
        Cpu.WriteMsr(Msr.GsBase, (ulong)area);
        Cpu.WriteMsr(Msr.KernelGsBase, 0);
        Cpu.WriteMsr(Msr.FsBase, 0);
        Cpu.ClearDebugRegisters();
    }

    public static CpuFeatures Initialize()
    {
        CpuFeatures features = CpuFeatures.Read();

        ulong cr0 = Cpu.ReadCr0();
        cr0 |= Cr0WriteProtect | Cr0NumericError | Cr0MonitorCoprocessor | Cr0AlignmentMask;
        Cpu.WriteCr0(cr0 & ~(Cr0Emulation | Cr0TaskSwitched));

        ulong cr4 = Cpu.ReadCr4() | Cr4FxSave | Cr4SimdExceptions | Cr4DebuggingExtensions;
        if (features.HasGlobalPages)
            cr4 |= Cr4GlobalPages;
        if (features.HasUmip)
            cr4 |= Cr4Umip;
        if (features.HasFsGsBase)
            cr4 |= Cr4FsGsBase;
        if (features.HasXsave)
            cr4 |= Cr4Xsave;
        if (features.HasSmep)
            cr4 |= Cr4Smep;
        if (features.HasSmap)
        {
            SmapPatch.Apply();                               // before the first user copy, while the text can still be written
            cr4 |= Cr4Smap;
        }
        if (features.HasProtectionKeys)
            cr4 |= Cr4ProtectionKeys;
        Cpu.WriteCr4(cr4);
        *Cpu.HasFsGsBase() = features.HasFsGsBase ? (byte)1 : (byte)0;

        FpuState.InitializeProcessor(features);

        Cpu.WriteMsr(Msr.Pat, PageAttributes);
        Cpu.WriteMsr(Msr.Efer, Cpu.ReadMsr(Msr.Efer) | EferSyscall | EferNoExecute);
        Cpu.WriteMsr(Msr.Star, StarValue);
        Cpu.WriteMsr(Msr.LStar, (ulong)Cpu.SyscallEntry());
        Cpu.WriteMsr(Msr.SyscallMask, SyscallClearedFlags);
        return features;
    }
}
