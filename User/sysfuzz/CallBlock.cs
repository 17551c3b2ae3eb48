using System.Runtime;
using System.Runtime.CompilerServices;

namespace NanoVm.User.SysFuzz;

/// <summary>A call's registers before and after, as <c>call.asm</c> reads and writes them.</summary>
internal unsafe struct CallBlock
{
    public const int Kept = 5, After = 11, Vectors = 32;

    /// <summary>Numbers of registers in <see cref="Changed"/>; before them RBX, RBP, R12, R13, R14, RDI, RSI, RDX, R10, R8, R9.</summary>
    public const int StackBase = 16, FlagsBase = 17, VectorBase = 32;

    // Flags that a program may set and that must not matter to the kernel: carry, parity, adjust, zero, sign, direction, overflow, nested task,
    // alignment check, identification. (The trap flag would end the program.)
    private const ulong Flags = 0x244cd5;

    public nint Number;
    public fixed long Arguments[6];
    public nint Result;
    public nint StackPointer;
    public ulong FlagsBefore, FlagsAfter;
    public fixed ulong KeptBefore[Kept];
    public fixed ulong RegistersAfter[After];
    public nint StackPointerAfter;
    private fixed ulong _room[4];
    public fixed ulong VectorsBefore[Vectors];
    public fixed ulong VectorsAfter[Vectors];

    /// <summary>Gives every register a value of its own.</summary>
    public void Fill(ref Random random)
    {
        for (int i = 0; i < Kept; i++)
            KeptBefore[i] = random.Next() >> 1;
        for (int i = 0; i < Vectors; i++)
            VectorsBefore[i] = random.Next();
        FlagsBefore = random.Next() & Flags | 0x202;
    }

    /// <summary>Who comes back with a result of 0 ends at once, for it stands on its parent's stack: the lowest byte of RBP.</summary>
    public bool EndsChild
    {
        get => (KeptBefore[1] & 0xff) != 0;
        set => KeptBefore[1] = KeptBefore[1] & ~0xffUL | (value ? 1UL : 0);
    }

    /// <summary>Makes the call.</summary>
    public static void Call(CallBlock* block) => FuzzCall(block);

    /// <summary>What is not as it was, of all but RAX, RCX and R11 (what the call does to a program's registers); -1 when all is.</summary>
    /// <param name="before">What it was.</param>
    /// <param name="after">What it is.</param>
    public int Changed(out ulong before, out ulong after)
    {
        for (int i = 0; i < Vectors; i++)
        {
            (before, after) = (VectorsBefore[i], VectorsAfter[i]);
            if (before != after)
                return VectorBase + i / 2;
        }
        for (int i = 0; i < After; i++)
        {
            (before, after) = (i < Kept ? KeptBefore[i] : (ulong)Arguments[i - Kept], RegistersAfter[i]);
            if (before != after)
                return i;
        }
        (before, after) = ((ulong)StackPointer, (ulong)StackPointerAfter);
        if (before != after)
            return StackBase;

        // Where a child may have to end, its test has changed the flags.
        (before, after) = (FlagsBefore & Flags, FlagsAfter & Flags);
        return before != after && !EndsChild ? FlagsBase : -1;
    }

    [MethodImpl(MethodImplOptions.InternalCall)]
    [RuntimeImport("*", "fuzz_call")]
    private static extern void FuzzCall(CallBlock* block);
}

/// <summary>Numbers from a seed.</summary>
internal struct Random(ulong seed)
{
    private ulong _state = Mix(seed);

    public ulong Next() => Mix(_state += 0x9e37_79b9_7f4a_7c15);

    public int Below(int n) => (int)((Next() >> 33) % (ulong)n);

    public bool OneIn(int n) => Below(n) == 0;

    /// <summary>Spreads what differs in one bit over all bits (Steele, Lea, Flood: "splitmix").</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xbf58_476d_1ce4_e5b9;
        z = (z ^ (z >> 27)) * 0x94d0_49bb_1331_11eb;
        return z ^ (z >> 31);
    }
}
