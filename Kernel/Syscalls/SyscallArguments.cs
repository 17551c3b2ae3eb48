using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>The arguments of one system call, read from the registers that the caller left in the trap frame.</summary>
/// <remarks>
/// RDI, RSI, RDX, R10, R8, R9 in this order (System V ABI, section A.2.1). A C <c>int</c> argument is the low half of its register:
/// the upper half is whatever the caller had there, so use <see cref="Int0"/> and the like wherever the prototype says <c>int</c>.
/// </remarks>
internal readonly ref struct SyscallArguments
{
    private readonly ref TrapFrame _frame;

    /// <summary>The calling task.</summary>
    public readonly Task Task;

    public SyscallArguments(Task task, ref TrapFrame frame)
    {
        Task = task;
        _frame = ref frame;
    }

    /// <summary>The caller's registers, for the few calls that copy or replace them (clone, execve, rt_sigreturn).</summary>
    public ref TrapFrame Frame => ref _frame;

    public ulong Arg0 => _frame.Rdi;
    public ulong Arg1 => _frame.Rsi;
    public ulong Arg2 => _frame.Rdx;
    public ulong Arg3 => _frame.R10;
    public ulong Arg4 => _frame.R8;
    public ulong Arg5 => _frame.R9;

    public int Int0 => (int)_frame.Rdi;
    public int Int1 => (int)_frame.Rsi;
    public int Int2 => (int)_frame.Rdx;
    public int Int3 => (int)_frame.R10;
    public int Int4 => (int)_frame.R8;
    public int Int5 => (int)_frame.R9;

    public uint UInt0 => (uint)_frame.Rdi;
    public uint UInt1 => (uint)_frame.Rsi;
    public uint UInt2 => (uint)_frame.Rdx;
    public uint UInt3 => (uint)_frame.R10;
    public uint UInt4 => (uint)_frame.R8;
    public uint UInt5 => (uint)_frame.R9;

    public VirtAddr Address0 => new(_frame.Rdi);
    public VirtAddr Address1 => new(_frame.Rsi);
    public VirtAddr Address2 => new(_frame.Rdx);
    public VirtAddr Address3 => new(_frame.R10);
    public VirtAddr Address4 => new(_frame.R8);
    public VirtAddr Address5 => new(_frame.R9);
}
