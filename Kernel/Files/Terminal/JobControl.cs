namespace NanoVm.Files.Terminal;

/// <summary>What terminals, pipes and sockets must know of sessions, process groups and signals, which live above them.</summary>
/// <remarks>
/// Implemented in Tasks and installed by <c>Kernel.cs</c>. "Current" is the process of the running thread. Sessions and groups are
/// told by number (0 is none), so a terminal never keeps a process alive.
/// </remarks>
internal abstract class JobControl
{
    /// <summary>The current session's number; 0 for kernel threads.</summary>
    public abstract int CurrentSession { get; }

    /// <summary>The current process group's number.</summary>
    public abstract int CurrentProcessGroup { get; }

    /// <summary>The controlling terminal of the current process, or null. Linux: <c>signal-&gt;tty</c>.</summary>
    /// <remarks>Set for the current process only; children inherit it, <c>setsid</c> clears it. No reference is kept: a terminal
    /// that goes away calls <see cref="ClearSessionTerminal"/> first.</remarks>
    public abstract Tty? CurrentTerminal { get; set; }

    /// <summary>The current process leads its session.</summary>
    public abstract bool CurrentIsSessionLeader { get; }

    /// <summary>Every process of the session loses its controlling terminal. Linux: <c>session_clear_tty</c>.</summary>
    public abstract void ClearSessionTerminal(int session);

    /// <summary>The group's session, or 0 when there is no such group.</summary>
    public abstract int SessionOfGroup(int processGroup);

    /// <summary>Sends a signal, as from the kernel, to all processes of a group; nothing when there is none.</summary>
    /// <remarks>May be called with interrupts off: from the serial line's receiver.</remarks>
    public abstract void SignalProcessGroup(int processGroup, int signal);

    /// <summary>Sends a signal, as from the kernel, to the leader of a session.</summary>
    public abstract void SignalSessionLeader(int session, int signal);

    /// <summary>No process of the current group has a parent in another group of the session. Linux: <c>is_current_pgrp_orphaned</c>.</summary>
    public abstract bool IsCurrentGroupOrphaned { get; }

    /// <summary>The current thread blocks or ignores the signal. Linux: <c>is_ignored</c> of the terminal code.</summary>
    public abstract bool IsIgnoredOrBlocked(int signal);
}
