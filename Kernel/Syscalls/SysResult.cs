using NanoVm.Core;

namespace NanoVm.Syscalls;

/// <summary>What a system call answers in RAX: a value, or an error as a small negative number.</summary>
/// <remarks>Linux: the <c>long</c> of <c>SYSCALL_DEFINE</c>; −4095…−1 are errors, everything else is a value.</remarks>
internal readonly struct SysResult(long value)
{
    /// <summary>The number as user space sees it.</summary>
    public readonly long Value = value;

    public static SysResult Success => new(0);

    /// <summary>The handler has replaced the whole frame (execve, rt_sigreturn): RAX is not to be touched.</summary>
    public static SysResult FrameReplaced => new(FrameReplacedValue);

    private const long FrameReplacedValue = long.MinValue + 1;

    public bool KeepsFrame => Value == FrameReplacedValue;

    public bool IsError => (ulong)Value >= unchecked((ulong)-4095L);

    public static implicit operator SysResult(Errno error) => new(-(long)error);
    public static implicit operator SysResult(long value) => new(value);
    public static implicit operator SysResult(ulong value) => new((long)value);
    public static implicit operator SysResult(int value) => new(value);
    public static implicit operator SysResult(uint value) => new(value);
    public static implicit operator SysResult(VirtAddr address) => new((long)address.Value);
    public static implicit operator SysResult(Result<int> r) => r.TryGet(out int v, out Errno e) ? v : e;
    public static implicit operator SysResult(Result<long> r) => r.TryGet(out long v, out Errno e) ? v : e;
    public static implicit operator SysResult(Result<ulong> r) => r.TryGet(out ulong v, out Errno e) ? v : e;
    public static implicit operator SysResult(Result<VirtAddr> r) => r.TryGet(out VirtAddr v, out Errno e) ? v : e;
}
