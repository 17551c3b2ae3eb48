using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>What a stream of calls was doing last, for whoever asks why it ended.</summary>
internal unsafe struct Lane
{
    public const int Remembered = 12;

    /// <summary>The place of the call that comes next; a stream goes on behind the call that killed it.</summary>
    public int Next;
    /// <summary>Calls that succeeded, and those with an error.</summary>
    public int Succeeded, Failed;
    /// <summary>What was seen that must not be; 0 nothing.</summary>
    public int Wrong;
    /// <summary>Where, and the words from two before it on.</summary>
    public nint WrongPlace;
    public fixed ulong WrongWords[8];
    /// <summary>The last calls: number, six arguments, result.</summary>
    public fixed long Log[Remembered * 8];
}

/// <summary>What a lane saw that must not be.</summary>
internal static class Wrong
{
    public const int Nothing = 0, Register = 1, Secret = 2, KernelAddress = 3, NotZero = 4, Setup = 5;

    public static string Name(int wrong) => wrong switch
    {
        Register => "a register was not kept",
        Secret => "another task's bytes were seen",
        KernelAddress => "an address of the kernel was seen",
        NotZero => "fresh memory was not zero",
        _ => "a task could not begin",
    };
}

/// <summary>Memory that the harness and all its tasks share.</summary>
internal unsafe struct Stage
{
    public const int MostTasks = 16, Lanes = 2;

    public ulong Seed;
    /// <summary>Calls of each lane.</summary>
    public int Calls;
    /// <summary>What the victim's words look like, xor <see cref="Mask"/>: the word itself stands nowhere in a task.</summary>
    public ulong MaskedSecret;
    /// <summary>Whether tasks may be other users: only root's harness can.</summary>
    public int IsRoot;
    public int Victim;
    /// <summary>One byte a number: it has succeeded at least once.</summary>
    public fixed byte Worked[512];

    private Lane _first;

    public const ulong Mask = 0x5a3c_96e1_0f78_b42d;

    public static Stage* Create() =>
        (Stage*)Linux.Mmap(0, sizeof(Stage) + MostTasks * Lanes * sizeof(Lane), Protection.ReadWrite, Map.SharedAnonymous | Map.Populate);

    public static Lane* LaneOf(Stage* stage, int task, int lane) => &stage->_first + task * Lanes + lane;
}
