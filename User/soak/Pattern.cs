using NanoVm.User.Suites;

namespace NanoVm.User.Soak;

/// <summary>What pages are filled with: from a page's words follow its number and its generation, so that a wrong page is seen whichever it is.</summary>
internal static unsafe class Pattern
{
    private const int Words = Linux.Page / 8;

    /// <summary>Generation 0 is a page that nobody has written: zero.</summary>
    public static void Fill(nint page, int number, uint generation)
    {
        ulong word = Seed(number, generation);
        ulong* to = (ulong*)page;
        for (int i = 0; i < Words; i++)
            to[i] = generation == 0 ? 0 : word += 0x9e37_79b9_7f4a_7c15;
    }

    public static void Check(nint page, int number, uint generation)
    {
        ulong word = Seed(number, generation);
        ulong* from = (ulong*)page;
        for (int i = 0; i < Words; i++)
        {
            ulong wanted = generation == 0 ? 0 : word += 0x9e37_79b9_7f4a_7c15;
            if (from[i] != wanted)
                Program.Wrong("a page does not hold what was written", number, i);
        }
    }

    private static ulong Seed(int number, uint generation) => (ulong)number << 32 | generation;
}
