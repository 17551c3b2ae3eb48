using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>One operation of <c>semop</c>: 0 waits for zero, another number is added. Linux: <c>struct sembuf</c>.</summary>
internal struct SemaphoreOperation
{
    public const short NoWait = 0x800, UndoAtExit = 0x1000;

    public ushort Number;
    public short Change;
    public short Flags;
}

/// <summary>One semaphore of a set.</summary>
internal struct Semaphore
{
    public int Value;

    /// <summary>The process that changed it last. Linux: <c>sempid</c>.</summary>
    public int LastProcess;

    /// <summary>Those who are stopped by this very semaphore, in order of arrival.</summary>
    public SemaphoreWaiter? First;
    public SemaphoreWaiter? Last;
    public int WaitersForZero;
    public int WaitersForMore;
}

/// <summary>A set of System V semaphores. Linux: <c>sem_array</c>; man 2 semget. Guarded by <see cref="SemaphoreSets.Lock"/>.</summary>
internal sealed class SemaphoreSet : IpcObject
{
    public Semaphore[] Semaphores = null!;

    /// <summary>Seconds since 1970.</summary>
    public long OperationTime;
    public long ChangeTime;

    /// <summary>What ending processes will give back.</summary>
    public SemaphoreUndo? Undos;
}

/// <summary>A task that waits until all its operations can be done at once. Linux: <c>sem_queue</c>.</summary>
internal sealed class SemaphoreWaiter
{
    public Task Task = null!;
    public SemaphoreOperation[] Operations = null!;
    public int Count;
    public SemaphoreUndo? Undo;

    /// <summary>The operation that stops it, and with it the list that it is in.</summary>
    public int Blocking;
    public SemaphoreWaiter? Next;
    public SemaphoreWaiter? Previous;
    public bool IsQueued;

    /// <summary>Once it is not queued any more: what its call answers.</summary>
    public Errno Result;
}

/// <summary>What is to be added to a set when a process ends (<c>SEM_UNDO</c>). Linux: <c>sem_undo</c>.</summary>
internal sealed class SemaphoreUndo
{
    public SemaphoreSet Set = null!;
    public SemaphoreUndoList List = null!;
    public short[] Changes = null!;

    /// <summary>Others of the same set.</summary>
    public SemaphoreUndo? NextOfSet;
    public SemaphoreUndo? PreviousOfSet;

    /// <summary>Others of the same process.</summary>
    public SemaphoreUndo? NextOfList;
    public SemaphoreUndo? PreviousOfList;
}

/// <summary>The undos of a process, shared by those that were made with <c>CLONE_SYSVSEM</c>. Linux: <c>sem_undo_list</c>.</summary>
internal sealed class SemaphoreUndoList
{
    public int References;
    public SemaphoreUndo? First;
}
