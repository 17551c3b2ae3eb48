using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>What all processes of a stream share: the operations, whose turn it is, and the text.</summary>
/// <remarks>
/// Actors are processes and threads. One acts at a time and then names the next, so there are no races and every kernel does the same in the
/// same order. Place 0 is the director: the parent of all the processes, which never touches the arena. It ends the stream, waits for actors
/// that exit, and notices those that die.
/// </remarks>
internal unsafe struct Stage
{
    public const int Director = 0, MostActors = 9, MostOperations = 100_000;

    /// <summary>What there is at a place: 0 nobody, else the number of its process.</summary>
    public fixed int Process[MostActors];
    public fixed int IsThread[MostActors];
    /// <summary>Process identifiers as the kernel counts them; of a thread, 0 when it has gone.</summary>
    public fixed int Id[MostActors];
    /// <summary>1: it is that actor's turn. A futex.</summary>
    public fixed int Turn[MostActors];

    public int Processes;
    /// <summary>The operation to be done next, and their number.</summary>
    public int Next, Count;
    /// <summary>The actor that is exiting, for the director; 0 when the stream has ended.</summary>
    public int Leaving;
    /// <summary>Not 0: see the program's options.</summary>
    public int Plain, Steady, Dirty;
    public Writer Text;
    public Operation First;

    /// <summary>Maps the stage; one after another stream uses the same.</summary>
    public static Stage* Create() =>
        (Stage*)Linux.Mmap(0, sizeof(Stage) + MostOperations * sizeof(Operation), Protection.ReadWrite, Map.SharedAnonymous | Map.NoReserve);

    public static Operation* OperationAt(Stage* stage, int place) => &stage->First + place;

    /// <summary>The actor that <paramref name="number"/> means: the living are counted round.</summary>
    public static int Living(Stage* stage, int number)
    {
        int living = 0;
        for (int i = 1; i < MostActors; i++)
            living += stage->Process[i] != 0 ? 1 : 0;
        if (living == 0)
            return Director;
        number %= living;
        for (int i = 1; ; i++)
        {
            if (stage->Process[i] != 0 && number-- == 0)
                return i;
        }
    }

    /// <summary>A place for one more actor; 0 when all are taken.</summary>
    public static int FreePlace(Stage* stage)
    {
        for (int i = 1; i < MostActors; i++)
        {
            if (stage->Process[i] == 0)
                return i;
        }
        return 0;
    }

    /// <summary>Gives the turn to who does the next operation, or to the director when there is none. Who that is.</summary>
    public static int PassOn(Stage* stage, int self)
    {
        int next = stage->Leaving != 0 || stage->Next >= stage->Count ? Director : Living(stage, OperationAt(stage, stage->Next)->Who);
        Volatile.Write(ref stage->Turn[next], 1);
        if (next != self)
            Syscall.Call(202, (nint)(&stage->Turn[next]), 1, 1);
        return next;
    }

    /// <summary>Waits for the actor's turn and takes it. False when a second has passed without.</summary>
    public static bool Await(Stage* stage, int self)
    {
        long* second = stackalloc long[2];
        second[0] = 1;
        second[1] = 0;
        while (Volatile.Read(ref stage->Turn[self]) == 0)
        {
            if (Syscall.Call(202, (nint)(&stage->Turn[self]), 0, 0, self == Director ? (nint)second : 0) == -110)
                return false;
        }
        Volatile.Write(ref stage->Turn[self], 0);
        return true;
    }
}
