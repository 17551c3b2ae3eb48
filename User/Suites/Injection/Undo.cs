using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>What undoes an action, given its result.</summary>
internal static unsafe class Undo
{
    /// <summary>There is nothing to undo.</summary>
    public static void Nothing(nint result)
    {
    }

    /// <summary>The result is a descriptor.</summary>
    public static void CloseResult(nint result)
    {
        if (result >= 0)
            Close((int)result);
    }

    /// <summary>The first two words of <see cref="Walker.Data"/> are descriptors, unless the call failed.</summary>
    public static void ClosePair(nint result)
    {
        int* pair = (int*)Walker.Data;
        if (result < 0)
            return;
        Close(pair[0]);
        Close(pair[1]);
    }

    /// <summary>The result is a child that ends by itself.</summary>
    public static void Reap(nint result)
    {
        if (result > 0)
            Wait((int)result, out _);
    }
}
