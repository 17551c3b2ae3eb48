using System;
using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>Threads of the kernel's own: no user memory, no files; they run on the address space of whoever ran before them.</summary>
/// <remarks>Linux: <c>kthread_create</c>, <c>kernel_thread</c>. Each is a process of its own below process 2.</remarks>
internal static class KernelThreads
{
    /// <summary>Makes a kernel thread; it runs from the next switch on.</summary>
    /// <param name="work">What it does; the thread ends when its <c>Run</c> returns.</param>
    /// <returns>EAGAIN or ENOMEM; then nothing is left behind.</returns>
    public static Errno Create(TaskSystem system, ReadOnlySpan<byte> name, KernelThreadWork work, out Task? thread)
    {
        thread = null;
        Task? task = system.AllocateTask();
        if (task is null)
            return Errno.ENOMEM;
        Errno error = Fill(system, task, name, work);
        if (error != Errno.None)
        {
            Undo(task);
            return error;
        }
        thread = task;
        system.Scheduler.WakeNew(task);
        return Errno.None;
    }

    private static Errno Fill(TaskSystem system, Task task, ReadOnlySpan<byte> name, KernelThreadWork work)
    {
        task.SetName(name);
        task.Flags = TaskFlags.KernelThread;
        task.Work = work;
        task.StartTime = Time.MonotonicNanoseconds;
        task.Credentials.InitializeAsRoot();
        Errno error = system.Stacks.Allocate(out VirtAddr stack);
        if (error != Errno.None)
            return error;
        task.KernelStackBottom = stack;
        task.KernelStackTop = stack + KernelStacks.Bytes;
        ThreadGroup? group = system.AllocateGroup();
        if (group is null)
            return Errno.ENOMEM;
        task.Group = group.Get();
        task.Limits = group.Limits;
        group.Limits.InitializeDefaults((ulong)system.MaximumTasks);
        task.Handlers = system.AllocateHandlers();
        if (task.Handlers is null)
            return Errno.ENOMEM;
        task.Blocked = SignalSet.All;
        ContextSwitch.PrepareKernel(task);

        using (system.TaskLock.Acquire())
        {
            error = system.Pids.Allocate(out PidEntry? entry);
            if (error != Errno.None)
                return error;
            task.Pid = entry!.Number;
            task.PidEntry = entry.Get();
            entry.Thread = task;
            entry.Process = group;
            group.Leader = task;
            group.Tgid = entry.Number;
            group.Threads.AddLast(task);
            group.LiveThreads = 1;
            task.ExitSignal = SignalNumber.Child;
            if (system.KernelThreadParent is { } parent)
            {
                group.Parent = parent;
                group.ParentThread = parent.Leader;
                parent.Children.AddLast(group);
            }
            system.TaskCount++;
            system.ProcessCount++;
            system.CountUserProcess(task.Credentials, 1);
        }
        return Errno.None;
    }

    private static void Undo(Task task)
    {
        if (task.Handlers is { } handlers)
        {
            task.Handlers = null;
            task.System.PutHandlers(handlers);
        }
        task.Put();
        task.Put();
    }
}

/// <summary>Process 2: the parent of all kernel threads. It has nothing to do but to collect those that end.</summary>
/// <remarks>Linux: <c>kthreadd</c>.</remarks>
internal sealed class KernelThreadCollector : KernelThreadWork
{
    public override void Run(Task self)
    {
        self.System.KernelThreadParent = self.Group;
        while (true)
        {
            WaitRequest request = default;
            request.Flags = WaitFlags.Exited | WaitFlags.All;
            if (Wait.Do(self, ref request).Error != Errno.ECHILD)
                continue;
            self.Group.ChildExit.PrepareToWait(self.WaitNode, ThreadState.Interruptible);
            if (self.Group.Children.IsEmpty)
                self.System.Scheduler.Schedule();
            self.Group.ChildExit.FinishWait(self.WaitNode);
        }
    }
}
