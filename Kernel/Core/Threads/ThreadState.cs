namespace NanoVm.Core;

/// <summary>What a thread is doing, as far as the scheduler cares.</summary>
/// <remarks>Linux: <c>task_struct::__state</c> and <c>exit_state</c>.</remarks>
internal enum ThreadState : byte
{
    /// <summary>Runs or waits for the processor.</summary>
    Running = 0,
    /// <summary>Sleeps until what it waits for happens or a signal comes. In <c>/proc</c>: S.</summary>
    Interruptible,
    /// <summary>Sleeps; only a fatal signal wakes it early. In <c>/proc</c>: D. Linux: <c>TASK_KILLABLE</c>.</summary>
    Killable,
    /// <summary>Sleeps; no signal wakes it. In <c>/proc</c>: D.</summary>
    Uninterruptible,
    /// <summary>Stopped by job control; SIGCONT or SIGKILL goes on. In <c>/proc</c>: T.</summary>
    Stopped,
    /// <summary>Has exited and waits for its parent. In <c>/proc</c>: Z.</summary>
    Zombie,
    /// <summary>Gone; its stack may be freed once the processor has left it. In <c>/proc</c>: X.</summary>
    Dead,
}
