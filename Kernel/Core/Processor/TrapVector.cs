using System;

namespace NanoVm.Core;

/// <summary>Numbers of exceptions. Intel SDM volume 3, table 6-1.</summary>
internal static class TrapVector
{
    public const int DivideError = 0;
    public const int Debug = 1;
    public const int NonMaskable = 2;
    public const int Breakpoint = 3;
    public const int Overflow = 4;
    public const int BoundRange = 5;
    public const int InvalidOpcode = 6;
    public const int DeviceNotAvailable = 7;
    public const int DoubleFault = 8;
    public const int InvalidTss = 10;
    public const int SegmentNotPresent = 11;
    public const int StackSegment = 12;
    public const int GeneralProtection = 13;
    public const int PageFault = 14;
    public const int FloatingPoint = 16;
    public const int AlignmentCheck = 17;
    public const int MachineCheck = 18;
    public const int SimdFloatingPoint = 19;
    public const int Virtualization = 20;
    public const int ControlProtection = 21;
    public const int FirstInterrupt = 32;

    public static ReadOnlySpan<byte> Name(int vector) => vector switch
    {
        DivideError => "#DE divide error"u8,
        Debug => "#DB debug"u8,
        NonMaskable => "NMI"u8,
        Breakpoint => "#BP breakpoint"u8,
        Overflow => "#OF overflow"u8,
        BoundRange => "#BR bound range exceeded"u8,
        InvalidOpcode => "#UD invalid opcode"u8,
        DeviceNotAvailable => "#NM device not available"u8,
        DoubleFault => "#DF double fault"u8,
        InvalidTss => "#TS invalid TSS"u8,
        SegmentNotPresent => "#NP segment not present"u8,
        StackSegment => "#SS stack segment fault"u8,
        GeneralProtection => "#GP general protection"u8,
        PageFault => "#PF page fault"u8,
        FloatingPoint => "#MF x87 floating point"u8,
        AlignmentCheck => "#AC alignment check"u8,
        MachineCheck => "#MC machine check"u8,
        SimdFloatingPoint => "#XM SIMD floating point"u8,
        Virtualization => "#VE virtualization"u8,
        ControlProtection => "#CP control protection"u8,
        _ => "reserved exception"u8,
    };
}
