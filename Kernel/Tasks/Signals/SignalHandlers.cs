using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>What a process does on one signal. Linux: <c>k_sigaction</c>.</summary>
internal struct SignalAction
{
    public const ulong Default = 0, Ignore = 1;
    public const ulong NoChildStop = 1, NoChildWait = 2, WithInfo = 4, OnStack = 0x0800_0000, Restart = 0x1000_0000, NoDefer = 0x4000_0000,
        ResetHand = 0x8000_0000, HasRestorer = 0x0400_0000;

    public ulong Handler;
    public ulong Flags;
    public ulong Restorer;
    public SignalSet Mask;
}

/// <summary>The actions for all 64 signals.</summary>
[InlineArray(64)]
internal struct SignalActionArray
{
    private SignalAction _first;
}

/// <summary>A table of signal actions; threads share one, CLONE_SIGHAND shares one between processes.</summary>
/// <remarks>Linux: <c>sighand_struct</c>.</remarks>
internal sealed class SignalHandlers
{
    public int ReferenceCount;
    private SignalActionArray _actions;

    public ref SignalAction this[int signal] => ref _actions[signal - 1];
}
