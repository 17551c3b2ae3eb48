using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>fork, vfork, clone and clone3 after their arguments have been read.</summary>
/// <remarks>Linux: <c>kernel_clone</c>.</remarks>
internal static class Fork
{
    /// <summary>Makes a child and lets it run; with CLONE_VFORK waits until it has left the mm.</summary>
    /// <returns>The child's number as the parent sees it.</returns>
    public static Result<int> Clone(Task parent, in CloneArguments arguments, ref TrapFrame frame)
    {
        Errno error = CopyProcess.Copy(parent, arguments, ref frame, out Task? child, out _);
        if (error != Errno.None)
            return error;

        int pid = child!.Pid;
        if (arguments.Has(CloneFlags.ParentSetTid))
            _ = UserCopy.Put(arguments.ParentTid, pid);         // Linux ignores a fault here too
        bool vfork = arguments.Has(CloneFlags.Vfork);
        child.Get();
        if (vfork)
            child.VforkParent = parent.Get();
        parent.System.Scheduler.WakeNew(child);
        if (vfork)
            WaitForVfork(parent, child);
        child.Put();
        return pid;
    }

    /// <summary>Sleeps until the child execs or exits; a fatal signal ends the wait. Linux: <c>wait_for_vfork_done</c>.</summary>
    private static void WaitForVfork(Task parent, Task child)
    {
        while (true)
        {
            parent.VforkDone.PrepareToWait(parent.WaitNode, ThreadState.Killable);
            if (child.VforkParent is null || parent.FatalSignalPending)
                break;
            parent.System.Scheduler.Schedule();
        }
        parent.VforkDone.FinishWait(parent.WaitNode);

        // Killed: the child must not wake a parent that has gone.
        bool mine = false;
        using (parent.System.TaskLock.Acquire())
        {
            if (child.VforkParent is not null)
            {
                child.VforkParent = null;
                mine = true;
            }
        }
        if (mine)
            parent.Put();
    }
}
