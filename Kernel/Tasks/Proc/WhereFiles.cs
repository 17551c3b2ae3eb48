using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary>Where in the kernel a thread sleeps, read from its kernel stack while it cannot move.</summary>
/// <remarks>
/// Linux: <c>get_wchan</c>, <c>stack_trace_save_tsk</c>. A sleeping thread's stack begins with what the switch has pushed, and the chain of
/// frame pointers leads on from there:
/// <code>
///   SavedStackPointer ► r15 r14 r13 r12 rbx rbp  return address
///                                            └──► the caller's rbp, return address ──► …
/// </code>
/// </remarks>
internal unsafe ref struct SleepingStack
{
    private const int SavedFramePointer = 5, SavedReturn = 6;
    private readonly ulong _low;
    private readonly ulong _high;
    private ulong _frame;
    private bool _begun;

    /// <summary>Starts at the place where the thread gave the processor away. Interrupts are off, so that it stays there.</summary>
    public SleepingStack(Task task)
    {
        _low = task.SavedStackPointer;
        _high = task.KernelStackTop.Value;
    }

    /// <summary>The next return address.</summary>
    public bool TryNext(out ulong address)
    {
        address = 0;
        if (!_begun)
        {
            _begun = true;
            var saved = (ulong*)_low;
            _frame = saved[SavedFramePointer];
            address = saved[SavedReturn];
            return true;
        }
        // Sound: the frame lies between the saved pointer and the top of a stack that is mapped as a whole.
        if (_frame < _low || _frame + 16 > _high || (_frame & 7) != 0)
            return false;
        ulong next = ((ulong*)_frame)[0];
        address = ((ulong*)_frame)[1];
        _frame = next > _frame ? next : 0;
        return SymbolTable.TryFind(address - 1, out _, out _, out _, out _);
    }

    /// <summary>Whether the thread sleeps: not running, not about to, not leaving. Holds the task lock, interrupts off.</summary>
    public static bool Sleeps(Task task)
        => !ReferenceEquals(task, PerCpu.Current) && task.ExitState == ExitState.Alive && !task.KernelStackTop.IsZero
            && task.State is ThreadState.Interruptible or ThreadState.Uninterruptible or ThreadState.Stopped;
}

/// <summary><c>/proc/PID/wchan</c>: the function of the kernel in which a thread sleeps; 0 when it runs.</summary>
internal sealed class WchanFile(TaskSystem system) : TaskPage(system, "wchan"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        using (System.TaskLock.Acquire())
        {
            if (TaskAccess.MayInspect((Task)PerCpu.Current, task) && SleepingStack.Sleeps(task))
            {
                var stack = new SleepingStack(task);
                while (stack.TryNext(out ulong address))
                {
                    _ = SymbolTable.TryFind(address - 1, out ReadOnlySpan<byte> function, out _, out _, out _);
                    if (IsWaiting(function))
                        continue;
                    w.Text(function);
                    return Errno.None;
                }
            }
        }
        w.Byte((byte)'0');
        return Errno.None;
    }

    /// <summary>Functions that sleep for others say nothing. Linux: <c>__sched</c>.</summary>
    private static bool IsWaiting(ReadOnlySpan<byte> function)
        => function.IndexOf("Scheduler."u8) >= 0 || function.IndexOf(".Core."u8) >= 0 || function.IndexOf((byte)'.') < 0;
}

/// <summary><c>/proc/PID/stack</c>: the functions of the kernel that a thread is in. Linux: <c>proc_pid_stack</c>; root alone may look.</summary>
internal sealed class StackFile(TaskSystem system) : TaskPage(system, "stack"u8, 0x100)
{
    /// <inheritdoc/>
    protected override bool IsPrivate => true;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        if (!((Task)PerCpu.Current).Credentials.Has(Capability.SysAdmin))
            return Errno.EACCES;
        using (System.TaskLock.Acquire())
        {
            if (!SleepingStack.Sleeps(task))
                return Errno.None;
            var stack = new SleepingStack(task);
            while (stack.TryNext(out ulong address))
            {
                _ = SymbolTable.TryFind(address - 1, out ReadOnlySpan<byte> function, out ulong offset, out _, out _);
                w.Text("[<0>] "u8);
                w.Text(function);
                w.Text("+0x"u8);
                w.Hex(offset + 1);
                w.Byte((byte)'\n');
            }
        }
        return Errno.None;
    }
}

/// <summary><c>/proc/PID/syscall</c>: the call that a thread sleeps in, its arguments, stack and instruction pointer. Linux: <c>proc_pid_syscall</c>.</summary>
internal sealed unsafe class SyscallFile(TaskSystem system) : TaskPage(system, "syscall"u8, 0x100)
{
    /// <inheritdoc/>
    protected override bool IsPrivate => true;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        using (System.TaskLock.Acquire())
        {
            bool self = ReferenceEquals(task, PerCpu.Current);
            if (!self && !SleepingStack.Sleeps(task))
            {
                w.Text("running\n"u8);
                return Errno.None;
            }
            if (task.Mm is null)
            {
                w.Text("-1 0x0 0x0\n"u8);                   // a kernel thread has no registers of a program
                return Errno.None;
            }
            ref TrapFrame frame = ref *ContextSwitch.UserFrame(task);
            long number = (long)frame.OriginalRax;
            w.Signed(number);
            if (number >= 0)
            {
                Word(ref w, frame.Rdi);
                Word(ref w, frame.Rsi);
                Word(ref w, frame.Rdx);
                Word(ref w, frame.R10);
                Word(ref w, frame.R8);
                Word(ref w, frame.R9);
            }
            Word(ref w, frame.Rsp);
            Word(ref w, frame.Rip);
            w.Byte((byte)'\n');
        }
        return Errno.None;
    }

    private static void Word(ref TextWriter w, ulong value)
    {
        w.Text(" 0x"u8);
        w.Hex(value);
    }
}
