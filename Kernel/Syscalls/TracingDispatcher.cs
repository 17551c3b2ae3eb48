using System;
using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>As <see cref="Dispatcher"/>, and writes every call with its result to the log: <c>trace-calls[=NAME]</c> on the command line.</summary>
/// <remarks>For finding out what a program misses. NAME is a command name; without it all tasks are traced.</remarks>
internal sealed class TracingDispatcher : SystemCallEntry
{
    private readonly Dispatcher _calls;
    private readonly SyscallTable _table;
    private readonly byte[] _name;

    public TracingDispatcher(Dispatcher calls, SyscallTable table, ReadOnlySpan<byte> name)
    {
        _calls = calls;
        _table = table;
        _name = new byte[name.Length];
        name.CopyTo(_name);
    }

    /// <inheritdoc/>
    public override void Enter(Task task, ref TrapFrame frame)
    {
        if (_name.Length != 0 && !task.Name.SequenceEqual(_name))
        {
            _calls.Enter(task, ref frame);
            return;
        }
        uint number = (uint)frame.OriginalRax;
        ulong first = frame.Rdi, second = frame.Rsi, third = frame.Rdx;
        Span<byte> text = stackalloc byte[64];
        ReadOnlySpan<byte> path = PathOf(number, first, second, text);
        Log.Info($"[{task.Pid}] {_table.NameOf(number)}({number}) {first:x} {second:x} {third:x} {path}");
        _calls.Enter(task, ref frame);
        Log.Info($"[{task.Pid}] = {(long)frame.Rax}");
    }

    /// <summary>The path of the calls that programs fail by most often.</summary>
    private static ReadOnlySpan<byte> PathOf(uint number, ulong first, ulong second, Span<byte> text)
    {
        ulong address = number switch
        {
            2 or 4 or 6 or 21 or 59 or 89 => first,
            257 or 262 or 267 or 269 or 332 => second,
            _ => 0,
        };
        if (address == 0)
            return default;
        Result<int> length = UserCopy.StringFromUser(text, new VirtAddr(address));
        return length.IsOk ? text[..length.Value] : length.Error == Errno.ENAMETOOLONG ? text : default;
    }
}
