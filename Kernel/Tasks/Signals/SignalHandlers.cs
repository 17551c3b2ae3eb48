using System.Runtime.CompilerServices;
using NanoVm.Core.Sync;

namespace NanoVm.Tasks;

/// <summary>What a process does on one signal. Linux: <c>k_sigaction</c>.</summary>
internal struct SignalAction
{
    public const ulong Default = 0, Ignore = 1;
    public const ulong NoChildStop = 1, NoChildWait = 2, WithInfo = 4, ExposeTagBits = 0x800, HasRestorer = 0x0400_0000,
        OnStack = 0x0800_0000, Restart = 0x1000_0000, NoDefer = 0x4000_0000, ResetHand = 0x8000_0000;

    /// <summary>All flags that mean something; the others are dropped when an action is set. Linux: <c>UAPI_SA_FLAGS</c>.</summary>
    public const ulong KnownFlags = NoChildStop | NoChildWait | WithInfo | ExposeTagBits | HasRestorer | OnStack | Restart | NoDefer | ResetHand;

    public ulong Handler;
    public ulong Flags;
    public ulong Restorer;
    public SignalSet Mask;

    /// <summary>Whether the program has a function of its own for the signal.</summary>
    public readonly bool IsCaught => Handler > Ignore;

    /// <summary>Whether the signal vanishes when nobody blocks it: ignored, or default and by default ignored.</summary>
    public readonly bool Ignores(int signal) =>
        Handler == Ignore || (Handler == Default && SignalSets.IgnoredByDefault.Contains(signal));
}

/// <summary>The actions for all 64 signals.</summary>
[InlineArray(64)]
internal struct SignalActionArray
{
    private SignalAction _first;
}

/// <summary>A table of signal actions; threads share one, CLONE_SIGHAND shares one between processes.</summary>
/// <remarks>Linux: <c>sighand_struct</c>. Actions are read and written under <see cref="ThreadGroup.SignalLock"/> of the process.</remarks>
internal sealed class SignalHandlers
{
    public int ReferenceCount;
    private SignalActionArray _actions;

    /// <summary>Readers of signalfds, and pollers. Linux: <c>signalfd_wqh</c>.</summary>
    public WaitQueue SignalFdWait;

    public ref SignalAction this[int signal] => ref _actions[signal - 1];
}
