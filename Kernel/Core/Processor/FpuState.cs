using System;

namespace NanoVm.Core;

/// <summary>The FPU, SSE, AVX and protection-key registers of a thread, in the form that XSAVE writes.</summary>
/// <remarks>
/// Linux: <c>struct fpu</c>, <c>xstate</c>. Intel SDM volume 1, chapter 13. The size is what CPUID says. While its thread is in the
/// kernel, the low 16 bytes of those xmm registers that the kernel itself uses are in the <see cref="TrapFrame"/>; the area and the registers
/// have garbage there.
/// </remarks>
internal static unsafe class FpuState
{
    /// <summary>Alignment that XSAVE asks for.</summary>
    public const int Alignment = 64;

    public const int LegacyBytes = 512;
    public const int HeaderBytes = 64;
    public const int ControlWordOffset = 0;
    public const int StatusWordOffset = 2;
    public const int MxcsrOffset = 24;
    private const int MxcsrMaskOffset = 28;
    public const int XmmOffset = 160;

    public const ulong X87 = 1;
    public const ulong Sse = 2;
    private const ulong Avx = 4;
    private const ulong Avx512 = 7UL << 5;
    public const ulong Keys = 1UL << 9;

    private const ushort InitialControlWord = 0x37f;
    private const uint InitialMxcsr = 0x1f80;
    private const uint OldMxcsrMask = 0xffbf;
    /// <summary>Every key but 0 denies access. Linux: <c>init_pkru_value</c>.</summary>
    public const uint InitialKeys = 0x5555_5554;

    /// <summary>Bytes of an area.</summary>
    public static ulong AreaBytes => PerCpu.Area->FpuBytes;

    /// <summary>The bits of MXCSR that this processor has; any other in a register load is a fault.</summary>
    public static uint MxcsrMask => PerCpu.Area->MxcsrMask;

    /// <summary>The parts that the areas hold: XCR0.</summary>
    public static ulong Mask => PerCpu.Area->FpuMask;

    /// <summary>Called once, after CR4 is set.</summary>
    public static void InitializeProcessor(in CpuFeatures features)
    {
        PerCpuArea* area = PerCpu.Area;
        area->FpuMask = X87 | Sse;
        area->FpuBytes = LegacyBytes;
        ReadMxcsrMask(area);
        if (!features.HasXsave)
            return;

        uint* r = stackalloc uint[4];
        Cpu.CpuId(13, 0, r);
        ulong supported = r[0] | ((ulong)r[3] << 32);
        ulong mask = supported & (X87 | Sse | Avx | Keys);
        if ((supported & (Avx512 | Avx)) == (Avx512 | Avx))
            mask |= Avx512;
        if (!features.HasProtectionKeys)
            mask &= ~Keys;
        Cpu.WriteXcr0(mask);
        Cpu.CpuId(13, 0, r);
        area->FpuMask = mask;
        area->FpuBytes = r[1];                               // what XCR0 as it is now needs
        if ((mask & Keys) != 0)
        {
            Cpu.CpuId(13, 9, r);
            area->FpuKeysOffset = r[1];
        }
        *Cpu.HasXsave() = 1;
        *Cpu.HasAvx() = (mask & Avx) != 0 ? (byte)1 : (byte)0;
    }

    /// <summary>A saved area tells which bits MXCSR has. Intel SDM volume 1, 11.6.6: zero means <see cref="OldMxcsrMask"/>.</summary>
    private static void ReadMxcsrMask(PerCpuArea* cpu)
    {
        byte* room = stackalloc byte[LegacyBytes + Alignment];
        byte* area = (byte*)(((ulong)room + Alignment - 1) & ~(ulong)(Alignment - 1));
        new Span<byte>(area, LegacyBytes).Clear();
        Cpu.SaveState(area, cpu->FpuMask);                   // FXSAVE: XSAVE is not enabled yet
        uint mask = *(uint*)(area + MxcsrMaskOffset);
        cpu->MxcsrMask = mask == 0 ? OldMxcsrMask : mask;
    }

    /// <summary>Makes <paramref name="area"/> the state that a new program finds.</summary>
    public static void Initialize(byte* area)
    {
        PerCpuArea* cpu = PerCpu.Area;
        // All of it: XSAVE leaves the gaps between components as they are, and signal frames show them to the program.
        new Span<byte>(area, (int)cpu->FpuBytes).Clear();
        *(ushort*)(area + ControlWordOffset) = InitialControlWord;
        *(uint*)(area + MxcsrOffset) = InitialMxcsr;
        if (cpu->FpuKeysOffset != 0)
        {
            *(ulong*)(area + LegacyBytes) = Keys;
            *(uint*)(area + cpu->FpuKeysOffset) = InitialKeys;
        }
    }

    /// <summary>Gives the running thread the state of a new program: for exec.</summary>
    public static void ResetCurrent()
    {
        KernelThread thread = PerCpu.Current;
        bool enabled = Interrupts.Disable();
        Initialize(thread.FpuArea);
        Load(thread);
        Interrupts.Restore(enabled);
    }

    /// <summary>Writes the registers of the running thread to its area, so that it can be read or copied.</summary>
    /// <remarks>The low xmm halves of the area are garbage: see the class. A kernel thread has nothing to write.</remarks>
    public static void SaveCurrent()
    {
        KernelThread thread = PerCpu.Current;
        if (thread.FpuArea is null)
            return;
        bool enabled = Interrupts.Disable();
        Cpu.SaveState(thread.FpuArea, Mask);
        Interrupts.Restore(enabled);
    }

    /// <summary>Loads the running thread's area into the registers, after the area was changed.</summary>
    /// <returns>False when the processor refused the values; the registers then are those of a new program.</returns>
    public static bool LoadCurrent()
    {
        KernelThread thread = PerCpu.Current;
        bool enabled = Interrupts.Disable();
        bool good = Cpu.RestoreStateChecked(thread.FpuArea, Mask) == 0;
        if (good)
            PerCpu.Area->FpuOwner = thread.FpuArea;
        else
            ResetCurrent();
        Interrupts.Restore(enabled);
        return good;
    }

    /// <summary>Copies the running thread's state to a new thread's area, made by <see cref="Initialize"/>: for fork and clone.</summary>
    public static void CopyCurrentTo(byte* area)
    {
        KernelThread thread = PerCpu.Current;
        if (thread.FpuArea is null)
        {
            Initialize(area);
            return;
        }
        bool enabled = Interrupts.Disable();
        Cpu.SaveState(area, Mask);                           // the registers are this thread's: one instruction saves them there
        Interrupts.Restore(enabled);
    }

    /// <summary>
    /// Puts the xmm registers that the kernel itself uses, which are in the frame, over the stale ones of a saved area (512 bytes are enough).
    /// </summary>
    public static void TakeFromFrame(byte* area, in TrapFrame frame)
    {
        uint saved = Cpu.SavedXmm();
        fixed (byte* xmm = frame.Xmm)
        {
            for (int i = 0; i < 16; i++)
            {
                if ((saved & (1u << i)) == 0)
                    continue;
                *(ulong*)(area + XmmOffset + i * 16) = *(ulong*)(xmm + i * 16);
                *(ulong*)(area + XmmOffset + i * 16 + 8) = *(ulong*)(xmm + i * 16 + 8);
            }
        }
    }

    /// <summary>Says that <paramref name="area"/> gets another use or another content: registers that were loaded from it are stale.</summary>
    public static void Forget(byte* area)
    {
        PerCpuArea* cpu = PerCpu.Area;
        if (cpu->FpuOwner == area)
            cpu->FpuOwner = null;
    }

    /// <summary>The switch away from a thread. Interrupts off.</summary>
    internal static void Save(KernelThread thread)
    {
        if (thread.FpuArea is not null)
            Cpu.SaveState(thread.FpuArea, Mask);
    }

    /// <summary>The switch to a thread. Interrupts off. Nothing to do when its registers are still the loaded ones.</summary>
    internal static void Load(KernelThread thread)
    {
        if (thread.FpuArea is null)
            return;
        Cpu.RestoreState(thread.FpuArea, Mask);
        PerCpu.Area->FpuOwner = thread.FpuArea;
    }

    internal static void LoadIfStale(KernelThread thread)
    {
        if (thread.FpuArea is not null && PerCpu.Area->FpuOwner != thread.FpuArea)
            Load(thread);
    }
}
