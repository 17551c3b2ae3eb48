using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>The signal mask that <c>ppoll</c>, <c>pselect6</c> and <c>epoll_pwait</c> have while they wait.</summary>
/// <remarks>Linux: <c>set_user_sigmask</c>, <c>restore_saved_sigmask_unless</c>.</remarks>
internal static class TemporaryMask
{
    /// <summary>Puts the caller's mask in place; a null pointer changes nothing.</summary>
    /// <returns>EINVAL for a size that is not 8; EFAULT.</returns>
    public static Errno Set(Task task, VirtAddr mask, ulong bytes)
    {
        if (mask.Value == 0)
            return Errno.None;
        if (bytes != 8)
            return Errno.EINVAL;
        Errno error = UserCopy.Get(mask, out ulong bits);
        if (error != Errno.None)
            return error;
        task.SavedBlocked = task.Blocked;
        task.RestoreBlocked = true;
        Signals.SetBlocked(task, new SignalSet(bits));
        return Errno.None;
    }

    /// <summary>Puts the old mask back, unless a signal was the end of the wait: then its delivery does.</summary>
    public static void End(Task task, bool interrupted)
    {
        if (!task.RestoreBlocked || interrupted)
            return;
        task.RestoreBlocked = false;
        Signals.SetBlocked(task, task.SavedBlocked);
    }
}
