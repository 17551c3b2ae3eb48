using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Some calls, one after the other, that are one action: all of them are made, and the first error is the result.</summary>
internal static class Chain
{
    /// <summary>The first result that is an error; else 0.</summary>
    public static nint First { get; private set; }

    public static void Begin() => First = 0;

    public static void Do(nint result)
    {
        if (First == 0 && IsError(result))
            First = result;
    }

    /// <summary>A call whose good result is an error, too.</summary>
    public static void DoUnless(nint expected, nint result)
    {
        if (result != expected)
            Do(result);
    }
}
