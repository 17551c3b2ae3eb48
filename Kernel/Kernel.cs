using System;
using System.Runtime;
using System.Runtime.CompilerServices;
using Internal.Runtime;
using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Hal;
using NanoVm.Memory.Physical;

namespace NanoVm;

/// <summary>The composition: builds the machine from what the loader left, then runs it.</summary>
public static unsafe class Kernel
{
    [RuntimeExport("KernelMain")]
    private static void KernelMain(BootHandover* handover)
    {
        Processor.InitializeEarly();
        ref readonly KernelImage image = ref KernelImage.Current;
        RuntimeStartup.InitializeStatics((void*)image.ModulesStart, (void*)image.ModulesEnd);
        BeforeRun(BootInfo.Read(*handover));
        Run();
    }

    private static void BeforeRun(in BootInfo info)
    {
        CpuFeatures features = Processor.Initialize();
        var memory = new BootMemory();
        BootHeap.Install(new BootMemoryHeap(memory));
        BootMemorySource.Fill(memory, info);

        KernelTables tables = KernelTables.Build(info, memory, features);
        var physical = new PhysicalMemory(memory, new FrameTable((PageFrame*)KernelLayout.FrameDescriptors), tables.Root);

        var log = new LogBuffer();
        log.Install();
        log.AddSink(new SerialLog(), replay: false);

        var apic = new LocalApic(tables.MapDevice(LocalApic.RegistersAddress, PageSize.Bytes));
        apic.Enable();
        var ioApic = new IoApic(tables.MapDevice(IoApic.RegistersAddress, PageSize.Bytes));
        ioApic.Enable();
        var clock = new Clock(info.StartTsc, apic);
        Time.Install(clock);
        var interrupts = new InterruptTable(apic);
        interrupts.Install();
        var timers = new TimerQueue(apic, clock, interrupts);
        Log.Info($"NanoVM: {info.CommandLine}");
        Log.Info($"memory: {physical.Frames.FreeFrames.Value * 4} KiB free of {memory.RamBytes / 1024} KiB");
        Log.Info($"clock: TSC {clock.TscHertz} Hz, APIC timer {clock.ApicHertz} Hz, time {clock.RealtimeNanoseconds / 1_000_000_000}");

        var terminal = new Uart16550(Uart16550.Com1);
        interrupts.Set(0x24, terminal);
        ioApic.RouteIsa(Uart16550.Com1Interrupt, 0x24, apic.Number);
        terminal.EnableInterrupts();
        if (info.Framebuffer.IsPresent)
        {
            VirtAddr pixels = tables.MapDevice(new PhysAddr(info.Framebuffer.Address), (ulong)info.Framebuffer.Pitch * info.Framebuffer.Height, writeCombining: true);
            log.AddSink(new FramebufferConsole(pixels, info.Framebuffer), replay: true);
        }

        timers.Add(new Hello(timers), Time.MonotonicNanoseconds + 1_000_000);
        Interrupts.Enable();
        ulong end = Time.MonotonicNanoseconds + 10_000_000;
        while (Time.MonotonicNanoseconds < end)
            Interrupts.Pause();
        if (info.CommandLine.Length > 3 && info.CommandLine[0] == (byte)'p')
            *(ulong*)0x123456789 = 1;
        new PowerOff(terminal).Now(7);
    }

    private sealed class Hello(TimerQueue timers) : TimerNode
    {
        public override void Fire()
        {
            Log.Info($"timer {Deadline}");
            timers.Add(this, Deadline + 1_000_000);
        }
    }

    private static void Run()
    {
    }
}
