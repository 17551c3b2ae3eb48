using System;
using NanoVm.Core;

namespace NanoVm.Syscalls;

/// <summary>The system calls by number.</summary>
/// <remarks>
/// Linux: <c>sys_call_table</c>. Each area registers its own calls; this file lists the areas. A number that nobody registered answers
/// <see cref="Errno.ENOSYS"/> and is logged once.
/// </remarks>
internal sealed unsafe class SyscallTable
{
    /// <summary>One more than the highest number that can be registered; Linux 6.1 ends at 450.</summary>
    public const int Size = 512;

    private struct Entry
    {
        public delegate*<ref SyscallArguments, SysResult> Handler;
        public byte* Name;
        public int NameLength;
        public bool Reported;
        public ulong Calls;
    }

    private readonly Entry[] _entries = new Entry[Size];

    /// <summary>How many calls are implemented.</summary>
    public int Count { get; private set; }

    /// <summary>Answers one call. O(1).</summary>
    public SysResult Dispatch(uint number, ref SyscallArguments arguments)
    {
        if (number < Size)
        {
            ref Entry entry = ref _entries[number];
            if (entry.Handler is not null)
            {
                entry.Calls++;
                return entry.Handler(ref arguments);
            }
        }
        return Missing(number, in arguments);
    }

    /// <summary>The name of a call for messages; empty when the number is not implemented.</summary>
    public ReadOnlySpan<byte> NameOf(uint number)
        => number < Size ? new ReadOnlySpan<byte>(_entries[number].Name, _entries[number].NameLength) : default;

    /// <summary>Adds one call; twice the same number is a mistake in the kernel.</summary>
    internal void Add(int number, ReadOnlySpan<byte> name, delegate*<ref SyscallArguments, SysResult> handler)
    {
        ref Entry entry = ref _entries[number];
        if (entry.Handler is not null)
            Panic.Now("system call registered twice"u8);
        entry.Handler = handler;
        fixed (byte* text = name)       // a u8 literal: read-only data that never moves
            entry.Name = text;
        entry.NameLength = name.Length;
        Count++;
    }

    private SysResult Missing(uint number, in SyscallArguments arguments)
    {
        // One line a number, so that a program that polls a missing call cannot flood the log.
        if (number < Size && !_entries[number].Reported)
        {
            _entries[number].Reported = true;
            Log.Info($"syscall {number} is not implemented (first asked by {arguments.Task.Name}, pid {arguments.Task.Pid})");
        }
        return Errno.ENOSYS;
    }
}

/// <summary>What an area's <c>Register</c> method gets: a way to add calls and nothing else.</summary>
internal readonly unsafe ref struct SyscallTableBuilder(SyscallTable table)
{
    private readonly SyscallTable _table = table;

    /// <summary>Registers one call under its Linux number and name.</summary>
    public void Add(int number, ReadOnlySpan<byte> name, delegate*<ref SyscallArguments, SysResult> handler)
        => _table.Add(number, name, handler);
}
