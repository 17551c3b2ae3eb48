using NanoVm.Core;
using NanoVm.Memory.Faults;

namespace NanoVm.Tasks;

/// <summary>What the processor's traps mean for tasks; installed in <see cref="PerCpu.Hooks"/> by <c>Kernel.cs</c>.</summary>
internal sealed class TaskTrapHooks : TrapHooks
{
    private readonly TaskSystem _system;
    private readonly SystemCallEntry _calls;

    public TaskTrapHooks(TaskSystem system, SystemCallEntry calls)
    {
        _system = system;
        _calls = calls;
    }

    /// <inheritdoc/>
    public override void PageFault(ref TrapFrame frame, VirtAddr address, PageFaultCode code)
    {
        Task task = Task.Current;
        // The processor's own access for an instruction of the program: to a descriptor table that has no entry there, or, in an emulator, to
        // the stack of a far return. No page that it may see can come of it; the program is at fault, not the kernel.
        if (frame.IsUser && (code & PageFaultCode.User) == 0)
        {
            if (FarReturn.TryEmulate(ref frame))
                return;
            FaultSignals.Raise(task, ref frame, address, code, PageFaultResult.SegvMaperr);
            return;
        }

        if (!address.IsUser && Vsyscall.IsCall(frame, address, code))
        {
            Vsyscall.Emulate(task, ref frame, _calls);
            return;
        }
        PageFaultResult result = PageFaultHandler.DoUserAddrFault(task, address, code);
        if (result != PageFaultResult.Handled)
            FaultSignals.Raise(task, ref frame, address, code, result);
    }

    /// <inheritdoc/>
    public override void UserException(ref TrapFrame frame, int vector) => FaultSignals.RaiseException(Task.Current, ref frame, vector);

    /// <inheritdoc/>
    public override void SystemCall(ref TrapFrame frame) => _calls.Enter(Task.Current, ref frame);

    /// <inheritdoc/>
    public override void ExitToUser(ref TrapFrame frame)
    {
        Task task = Task.Current;
        if (PerCpu.NeedReschedule)
        {
            _system.Scheduler.Schedule();
            Rseq.NoteEvent(task);
        }
        if (task.SignalPending)
        {
            // Before the frame of a handler is built: the handler must not return into a section that was interrupted.
            Rseq.NoteEvent(task);
            if (task.RseqEvent)
                Rseq.HandleResume(task, ref frame);
            Signals.DeliverPending(task, ref frame);
        }
        if (task.RseqEvent)
            Rseq.HandleResume(task, ref frame);
    }
}

/// <summary>The way up to the table of system calls, which lies above Tasks.</summary>
internal abstract class SystemCallEntry
{
    /// <summary>Answers the call in <paramref name="frame"/>: number in <c>OriginalRax</c>, result to <c>Rax</c>.</summary>
    public abstract void Enter(Task task, ref TrapFrame frame);
}
