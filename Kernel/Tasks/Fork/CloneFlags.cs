using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>What a new task shares with its maker. Linux: <c>CLONE_*</c>, clone(2).</summary>
[Flags]
internal enum CloneFlags : ulong
{
    None = 0,
    ExitSignalMask = 0xff,
    NewTime = 0x80,
    Vm = 0x100,
    Fs = 0x200,
    Files = 0x400,
    SignalHandlers = 0x800,
    PidFd = 0x1000,
    Ptrace = 0x2000,
    Vfork = 0x4000,
    Parent = 0x8000,
    Thread = 0x1_0000,
    NewNamespace = 0x2_0000,
    SystemVSemaphores = 0x4_0000,
    SetTls = 0x8_0000,
    ParentSetTid = 0x10_0000,
    ChildClearTid = 0x20_0000,
    Detached = 0x40_0000,
    Untraced = 0x80_0000,
    ChildSetTid = 0x100_0000,
    NewCgroup = 0x200_0000,
    NewUts = 0x400_0000,
    NewIpc = 0x800_0000,
    NewUser = 0x1000_0000,
    NewPid = 0x2000_0000,
    NewNet = 0x4000_0000,
    Io = 0x8000_0000,

    /// <summary>clone3 only: caught signals start with the default action.</summary>
    ClearSignalHandlers = 0x1_0000_0000,

    /// <summary>clone3 only; there are no control groups here.</summary>
    IntoCgroup = 0x2_0000_0000,

    AnyNamespace = NewNamespace | NewCgroup | NewUts | NewIpc | NewUser | NewPid | NewNet,
}

/// <summary>The arguments of fork, vfork, clone and clone3 in one form. Linux: <c>kernel_clone_args</c>.</summary>
internal struct CloneArguments
{
    public CloneFlags Flags;
    public VirtAddr PidFd;
    public VirtAddr ChildTid;
    public VirtAddr ParentTid;
    public int ExitSignal;

    /// <summary>The child's stack pointer; zero: the parent's.</summary>
    public VirtAddr StackPointer;
    public ulong Tls;

    public readonly bool Has(CloneFlags flag) => (Flags & flag) != 0;
}
