using System;
using System.Threading;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The processor's own interrupt controller and its one-shot timer.</summary>
/// <remarks>Intel SDM volume 3, chapter 11.</remarks>
/// <param name="registers">Where its page is mapped.</param>
internal sealed unsafe class LocalApic(VirtAddr registers) : InterruptController
{
    /// <summary>Physical address unless the firmware has moved it: bits 12 up of IA32_APIC_BASE.</summary>
    public static PhysAddr RegistersAddress => new(Cpu.ReadMsr(Msr.ApicBase) & PageTableEntry.AddressMask);

    /// <summary>The vector of the timer: above those of devices, below the spurious one.</summary>
    public const int TimerVector = 0xef;

    private const int Id = 0x20;
    private const int TaskPriority = 0x80;
    private const int EndOfInterruptRegister = 0xb0;
    private const int SpuriousRegister = 0xf0;
    private const int TimerEntry = 0x320;
    private const int Lint0Entry = 0x350;
    private const int Lint1Entry = 0x360;
    private const int ErrorEntry = 0x370;
    private const int InitialCountRegister = 0x380;
    private const int CurrentCountRegister = 0x390;
    private const int DivideRegister = 0x3e0;

    private const uint Masked = 1 << 16;
    private const uint NonMaskable = 4 << 8;
    private const uint SoftwareEnabled = 1 << 8;
    private const uint DivideBy1 = 0b1011;
    private const ulong ApicEnabled = 1 << 11;

    private readonly uint* _registers = (uint*)registers.Value;

    /// <summary>Ticks of the timer a second; set once it was measured.</summary>
    private ulong _hertz;

    /// <summary>The number under which interrupts are sent to this processor.</summary>
    public uint Number => Read(Id) >> 24;

    public void Enable()
    {
        Cpu.WriteMsr(Msr.ApicBase, Cpu.ReadMsr(Msr.ApicBase) | ApicEnabled);
        Write(TaskPriority, 0);
        Write(TimerEntry, Masked | TimerVector);
        Write(Lint0Entry, Masked);
        Write(Lint1Entry, NonMaskable);
        Write(ErrorEntry, Masked);
        Write(DivideRegister, DivideBy1);
        Write(SpuriousRegister, SoftwareEnabled | InterruptTable.SpuriousVector);
        EndOfInterrupt();
    }

    public override void EndOfInterrupt() => Write(EndOfInterruptRegister, 0);

    /// <summary>Lets the timer count down without an interrupt, for measuring.</summary>
    public void StartFreeRunning()
    {
        Write(TimerEntry, Masked | TimerVector);
        Write(InitialCountRegister, uint.MaxValue);
    }

    public uint CurrentCount => Read(CurrentCountRegister);

    public void Stop() => Write(InitialCountRegister, 0);

    /// <summary>Says how fast the timer runs and lets it interrupt from now on.</summary>
    public void SetTimerRate(ulong hertz)
    {
        _hertz = hertz;
        Write(TimerEntry, TimerVector);
    }

    /// <summary>Interrupts once, after <paramref name="nanoseconds"/> or, when that is longer than the timer can count, earlier.</summary>
    public void StartTimer(ulong nanoseconds)
    {
        const ulong second = 1_000_000_000;
        ulong ticks = nanoseconds >= second ? _hertz : nanoseconds * _hertz / second;
        Write(InitialCountRegister, (uint)Math.Clamp(ticks, 1, uint.MaxValue));
    }

    private uint Read(int register) => Volatile.Read(ref _registers[register / 4]);

    private void Write(int register, uint value) => Volatile.Write(ref _registers[register / 4], value);
}
