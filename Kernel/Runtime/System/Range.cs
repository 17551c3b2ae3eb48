namespace System;

/// <summary>A range of positions, <c>a..b</c>, with <c>b</c> outside.</summary>
public readonly struct Range
{
    /// <summary>The first position.</summary>
    public Index Start { get; }

    /// <summary>The position behind the last.</summary>
    public Index End { get; }

    /// <summary>The range from <paramref name="start"/> up to <paramref name="end"/>.</summary>
    public Range(Index start, Index end)
    {
        Start = start;
        End = end;
    }

    /// <summary>From <paramref name="start"/> to the end.</summary>
    public static Range StartAt(Index start) => new(start, Index.End);

    /// <summary>From the start up to <paramref name="end"/>.</summary>
    public static Range EndAt(Index end) => new(Index.Start, end);

    /// <summary>Everything.</summary>
    public static Range All => new(Index.Start, Index.End);
}
