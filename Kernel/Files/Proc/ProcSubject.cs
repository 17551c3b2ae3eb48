namespace NanoVm.Files.Proc;

/// <summary>What a file of <c>/proc</c> is about: a process or thread, and within it a descriptor. All zero for machine-wide files.</summary>
/// <remarks>
/// A thread is told by number and birth serial, never by reference: numbers are used again, and a file of <c>/proc</c> that stays open
/// must neither keep a dead process alive nor show another's.
/// </remarks>
internal struct ProcSubject
{
    /// <summary>The thread's number.</summary>
    public int Pid;

    /// <summary>True below <c>task/</c>: the thread alone, not its whole process.</summary>
    public bool IsThread;

    /// <summary>The thread's serial: different for all threads since boot.</summary>
    public ulong Serial;

    /// <summary>The descriptor below <c>fd/</c> and <c>fdinfo/</c>.</summary>
    public int Descriptor;

    /// <summary>The borders of the area below <c>map_files/</c>.</summary>
    public ulong Start;
    public ulong End;
}
