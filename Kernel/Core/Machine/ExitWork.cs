using System;

namespace NanoVm.Core;

/// <summary>What must be done before a return to user mode; the entry stubs test it with interrupts off.</summary>
[Flags]
internal enum ExitWork : uint
{
    None = 0,
    Reschedule = 1,
    Signal = 2,
}
