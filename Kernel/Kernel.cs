using System;
using System.Runtime;
using System.Runtime.CompilerServices;
using Internal.Runtime;
using NanoVm.Core;
using NanoVm.Core.Boot;

namespace NanoVm;

/// <summary>The composition: builds the machine from what the loader left, then runs it.</summary>
public static unsafe class Kernel
{
    [RuntimeExport("KernelMain")]
    private static void KernelMain(BootHandover* handover)
    {
        Processor.InitializeEarly();
        ref readonly KernelImage image = ref KernelImage.Current;
        RuntimeStartup.InitializeStatics((void*)image.ModulesStart.Value, (void*)image.ModulesEnd.Value);
        BootInfo info = BootInfo.Read(*handover);
        if (info.Protocol == BootProtocol.Unknown)
            Panic.Now("what the loader left cannot be read: NanoVM is started by GRUB (multiboot2) or by QEMU's -kernel, which breaks at command lines of 4096 bytes"u8);
        Machine machine = BeforeRun(info);
        Run(machine);
    }

    /// <summary>Builds everything, in the order in which one part needs another. Interrupts are off.</summary>
    private static Machine BeforeRun(in BootInfo info)
    {
        var machine = new Machine();
        machine.BuildMemory(info);
        machine.BuildDevices(info);
        machine.BuildTasks(info);
        machine.BuildFiles(info);
        machine.BuildInit(info);
        return machine;
    }

    /// <summary>Turns interrupts on; the boot thread is idle from here on.</summary>
    private static void Run(Machine machine)
    {
        Interrupts.Enable();
        machine.Tasks.RunIdle();
    }
}
