using static NanoVm.User.Ktap;

namespace NanoVm.User.Suites.Isolation;

/// <summary>What keeps programs apart: fresh memory, copy-on-write, registers, and the kernel's half of the address space.</summary>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("Anonymous memory is zero", &Fresh.Anonymous),
        new("Shared anonymous memory is zero", &Fresh.SharedAnonymous),
        new("Populated memory is zero", &Fresh.Populated),
        new("Huge pages are zero", &Fresh.HugePages),
        new("The heap is zero, also where it has shrunk and grown again", &Fresh.Heap),
        new("The stack is zero where it grows", &Fresh.Stack),
        new("Discarded memory is zero", &Fresh.Discarded),
        new("What mremap adds is zero", &Fresh.Grown),
        new("A memory file is zero", &Fresh.MemoryFile),
        new("Holes and tails of files are zero", &Fresh.HolesAndTails),
        new("A System V segment is zero", &Fresh.Segment),
        new("Gaps in structures are zero", &Fresh.Structures),
        new("What waitid writes when it finds nobody", &Fresh.WaitInformation),
        new("Gaps in a signal that is asked for are zero", &Fresh.SignalsAskedFor),
        new("Gaps in the structures of segments, queues and semaphores are zero", &Fresh.StructuresOfSegments),
        new("Gaps in a signal's frame are zero", &Fresh.SignalInformation),
        new("The kernel writes for a child: the parent's pages stay", &CopyOnWrite.ParentKeeps),
        new("The kernel writes for a parent: the child's pages stay", &CopyOnWrite.ChildKeeps),
        new("The kernel writes to a private mapping: the file stays", &CopyOnWrite.FileKeeps),
        new("The kernel writes where zeros were read: the page of zeros stays", &CopyOnWrite.ZeroPageKeeps),
        new("The kernel does not write where the program may not", &CopyOnWrite.ReadOnlyKeeps),
        new("The lock of a thread that has ended is marked in its process alone", &CopyOnWrite.DeadOwnersLock),
        new("madvise races with a forced write: the file stays", &CopyOnWrite.DontNeedRace),
        new("mremap races with reads: the neighbours stay", &CopyOnWrite.MoveRace),
        new("The kernel's memory cannot be read", &KernelMemory.Reading),
        new("The kernel's memory cannot be written", &KernelMemory.Writing),
        new("The kernel's memory cannot be executed", &KernelMemory.Executing),
        new("System calls do not write to the kernel's memory", &KernelMemory.WritingByCalls),
        new("System calls do not read the kernel's memory", &KernelMemory.ReadingByCalls),
        new("Where the descriptor tables lie is not told", &KernelMemory.DescriptorTables),
        new("Registers survive a system call", &Registers.KeptBySystemCall),
        new("Registers survive page faults", &Registers.KeptByPageFault),
        new("Registers survive interrupts and other processes", &Registers.KeptByInterruptAndSwitch),
        new("Registers survive giving the processor away", &Registers.KeptByYielding),
        new("Registers survive handlers of faults", &Registers.KeptBySignals),
        new("The control words of fast arithmetic survive a handler", &Registers.ControlWordsKeptBySignals),
        new("Registers survive handlers of a timer", &Registers.KeptByTimerSignals),
        new("A new program's registers are zero", &Registers.EmptyAfterExec));
}
