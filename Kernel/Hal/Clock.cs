using System;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The clocks: the time-stamp counter, measured against the PIT once, and the wall clock that the CMOS had at boot.</summary>
/// <remarks>Linux: <c>timekeeping</c>, <c>quick_pit_calibrate</c>. The counter must run at one rate, as it does on all processors of today.</remarks>
internal sealed unsafe class Clock : TimeSource
{
    private const ulong NanosecondsOfSecond = 1_000_000_000;
    private const ulong PitHertz = 1_193_182;
    private const ushort PitChannel2 = 0x42;
    private const ushort PitCommand = 0x43;
    private const ushort SpeakerControl = 0x61;
    private const int Shift = 32;

    /// <summary>How long the counter is measured: 2 ms. The ends are known to a fraction of a PIT tick (0.84 µs).</summary>
    private const ushort MeasuredTicks = (ushort)(PitHertz / 500);

    private readonly ulong _startTsc;
    /// <summary>Nanoseconds of one tick, times 2^32.</summary>
    private readonly ulong _multiplier;
    /// <summary>Wall clock less monotonic clock, in nanoseconds. Changed by settimeofday.</summary>
    private ulong _realtimeOffset;

    /// <summary>Ticks of the time-stamp counter in a second.</summary>
    public ulong TscHertz { get; }

    /// <summary>Ticks of the local APIC's timer in a second, measured in the same moment.</summary>
    public ulong ApicHertz { get; }

    /// <param name="startTsc">The counter when the kernel's first instruction ran: the zero of the monotonic clock.</param>
    /// <param name="apic">Its timer is measured along; null when there is none.</param>
    public Clock(ulong startTsc, LocalApic? apic)
    {
        _startTsc = startTsc;
        Measure(apic, out ulong tscTicks, out ulong apicTicks, out ulong pitTicks);
        TscHertz = Math.Max(tscTicks * PitHertz / pitTicks, 1_000_000);
        ApicHertz = apicTicks * PitHertz / pitTicks;
        _multiplier = (NanosecondsOfSecond << 30) / TscHertz << (Shift - 30);
        _realtimeOffset = RealTimeClock.ReadSeconds() * NanosecondsOfSecond - MonotonicNanoseconds;
    }

    public override ulong MonotonicNanoseconds => TicksToNanoseconds(Cpu.ReadTsc() - _startTsc);

    public override ulong RealtimeNanoseconds => MonotonicNanoseconds + _realtimeOffset;

    /// <summary>Sets the wall clock. Linux: <c>do_settimeofday64</c>.</summary>
    public void SetRealtime(ulong nanoseconds) => _realtimeOffset = nanoseconds - MonotonicNanoseconds;

    public ulong TicksToNanoseconds(ulong ticks)
    {
        ulong high = Math.BigMul(ticks, _multiplier, out ulong low);
        return (high << (64 - Shift)) | (low >> Shift);
    }

    /// <summary>What a user program needs to compute the time itself (vvar page): zero, and nanoseconds of a tick times 2^32.</summary>
    public ulong StartTsc => _startTsc;

    public ulong Multiplier => _multiplier;

    public ulong RealtimeOffset => _realtimeOffset;

    /// <summary>Lets PIT channel 2 count down and looks at it and the other counters twice.</summary>
    private static void Measure(LocalApic? apic, out ulong tscTicks, out ulong apicTicks, out ulong pitTicks)
    {
        Cpu.Out8(SpeakerControl, (byte)((Cpu.In8(SpeakerControl) & ~2) | 1));     // gate on, speaker off
        Cpu.Out8(PitCommand, 0xb0);                                               // channel 2, both bytes, mode 0, binary
        Cpu.Out8(PitChannel2, 0xff);
        Cpu.Out8(PitChannel2, 0xff);
        apic?.StartFreeRunning();

        ushort first = ReadEdge(out ulong tscStart);
        uint apicStart = apic?.CurrentCount ?? 0;
        ushort last;
        ulong tscEnd;
        int tries = 0;
        do
            last = ReadEdge(out tscEnd);
        while ((ushort)(first - last) < MeasuredTicks && ++tries < 10_000_000);
        uint apicEnd = apic?.CurrentCount ?? 0;
        apic?.Stop();

        tscTicks = tscEnd - tscStart;
        apicTicks = apicStart - apicEnd;
        pitTicks = Math.Max((ulong)(ushort)(first - last), 1);
    }

    /// <summary>The PIT's count, and the time-stamp counter between the two reads that saw it.</summary>
    private static ushort ReadEdge(out ulong tsc)
    {
        ulong before = Cpu.ReadTsc();
        Cpu.Out8(PitCommand, 0x80);                                               // latch channel 2
        ulong after = Cpu.ReadTsc();
        byte low = Cpu.In8(PitChannel2);
        byte high = Cpu.In8(PitChannel2);
        tsc = before + (after - before) / 2;
        return (ushort)(low | (high << 8));
    }
}
