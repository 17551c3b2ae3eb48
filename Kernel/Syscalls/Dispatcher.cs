using NanoVm.Core;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>From the trap to the table. Linux: <c>do_syscall_64</c>.</summary>
internal sealed class Dispatcher : SystemCallEntry
{
    private readonly SyscallTable _table;
    private readonly VmStat _statistics;

    public Dispatcher(SyscallTable table, VmStat statistics)
    {
        _table = table;
        _statistics = statistics;
    }

    /// <inheritdoc/>
    public override void Enter(Task task, ref TrapFrame frame)
    {
        _statistics.Count(VmCounter.SystemCalls);
        var arguments = new SyscallArguments(task, ref frame);
        frame.Rax = unchecked((ulong)(long)-(int)Errno.ENOSYS);
        SysResult result = _table.Dispatch((uint)frame.OriginalRax, ref arguments);

        // rt_sigreturn and execve have put a whole frame in place; their register must stay as it is.
        if (!result.KeepsFrame)
            frame.Rax = (ulong)result.Value;

        // A restart code is settled on the way out and may never reach the program, though the signal be gone by now.
        if (result.Value is <= -(long)Errno.ERESTARTSYS and >= -(long)Errno.ERESTART_RESTARTBLOCK)
            task.SignalPending = true;
    }
}
