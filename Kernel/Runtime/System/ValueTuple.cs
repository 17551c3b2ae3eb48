namespace System;

/// <summary>The tuple without elements.</summary>
public struct ValueTuple
{
}

/// <summary>A tuple of 1 element.</summary>
public struct ValueTuple<T1>
{
    /// <summary>Element 1.</summary>
    public T1 Item1;

    /// <summary>Holds the given elements.</summary>
    public ValueTuple(T1 item1)
    {
        Item1 = item1;
    }
}

/// <summary>A tuple of 2 elements.</summary>
public struct ValueTuple<T1, T2>
{
    /// <summary>Element 1.</summary>
    public T1 Item1;

    /// <summary>Element 2.</summary>
    public T2 Item2;

    /// <summary>Holds the given elements.</summary>
    public ValueTuple(T1 item1, T2 item2)
    {
        Item1 = item1;
        Item2 = item2;
    }
}

/// <summary>A tuple of 3 elements.</summary>
public struct ValueTuple<T1, T2, T3>
{
    /// <summary>Element 1.</summary>
    public T1 Item1;

    /// <summary>Element 2.</summary>
    public T2 Item2;

    /// <summary>Element 3.</summary>
    public T3 Item3;

    /// <summary>Holds the given elements.</summary>
    public ValueTuple(T1 item1, T2 item2, T3 item3)
    {
        Item1 = item1;
        Item2 = item2;
        Item3 = item3;
    }
}

/// <summary>A tuple of 4 elements.</summary>
public struct ValueTuple<T1, T2, T3, T4>
{
    /// <summary>Element 1.</summary>
    public T1 Item1;

    /// <summary>Element 2.</summary>
    public T2 Item2;

    /// <summary>Element 3.</summary>
    public T3 Item3;

    /// <summary>Element 4.</summary>
    public T4 Item4;

    /// <summary>Holds the given elements.</summary>
    public ValueTuple(T1 item1, T2 item2, T3 item3, T4 item4)
    {
        Item1 = item1;
        Item2 = item2;
        Item3 = item3;
        Item4 = item4;
    }
}

/// <summary>A tuple of 5 elements.</summary>
public struct ValueTuple<T1, T2, T3, T4, T5>
{
    /// <summary>Element 1.</summary>
    public T1 Item1;

    /// <summary>Element 2.</summary>
    public T2 Item2;

    /// <summary>Element 3.</summary>
    public T3 Item3;

    /// <summary>Element 4.</summary>
    public T4 Item4;

    /// <summary>Element 5.</summary>
    public T5 Item5;

    /// <summary>Holds the given elements.</summary>
    public ValueTuple(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5)
    {
        Item1 = item1;
        Item2 = item2;
        Item3 = item3;
        Item4 = item4;
        Item5 = item5;
    }
}

/// <summary>A tuple of 6 elements.</summary>
public struct ValueTuple<T1, T2, T3, T4, T5, T6>
{
    /// <summary>Element 1.</summary>
    public T1 Item1;

    /// <summary>Element 2.</summary>
    public T2 Item2;

    /// <summary>Element 3.</summary>
    public T3 Item3;

    /// <summary>Element 4.</summary>
    public T4 Item4;

    /// <summary>Element 5.</summary>
    public T5 Item5;

    /// <summary>Element 6.</summary>
    public T6 Item6;

    /// <summary>Holds the given elements.</summary>
    public ValueTuple(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6)
    {
        Item1 = item1;
        Item2 = item2;
        Item3 = item3;
        Item4 = item4;
        Item5 = item5;
        Item6 = item6;
    }
}

/// <summary>A tuple of 7 elements.</summary>
public struct ValueTuple<T1, T2, T3, T4, T5, T6, T7>
{
    /// <summary>Element 1.</summary>
    public T1 Item1;

    /// <summary>Element 2.</summary>
    public T2 Item2;

    /// <summary>Element 3.</summary>
    public T3 Item3;

    /// <summary>Element 4.</summary>
    public T4 Item4;

    /// <summary>Element 5.</summary>
    public T5 Item5;

    /// <summary>Element 6.</summary>
    public T6 Item6;

    /// <summary>Element 7.</summary>
    public T7 Item7;

    /// <summary>Holds the given elements.</summary>
    public ValueTuple(T1 item1, T2 item2, T3 item3, T4 item4, T5 item5, T6 item6, T7 item7)
    {
        Item1 = item1;
        Item2 = item2;
        Item3 = item3;
        Item4 = item4;
        Item5 = item5;
        Item6 = item6;
        Item7 = item7;
    }
}
