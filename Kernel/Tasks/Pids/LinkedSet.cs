namespace NanoVm.Tasks;

/// <summary>The two links by which an object sits in one <see cref="LinkedSet{T,TLinks}"/>.</summary>
internal struct SetLinks<T> where T : class
{
    public T? Next;
    public T? Previous;
    public bool IsLinked;
}

/// <summary>Says which of an object's links a set uses, so that one object can be in several sets.</summary>
internal interface ISetLinks<T> where T : class
{
    static abstract ref SetLinks<T> Of(T item);
}

/// <summary>A doubly linked list through links inside its members: adding and removing are O(1) and never allocate.</summary>
/// <remarks>Linux: <c>struct list_head</c>. The lock is that of the owner.</remarks>
internal struct LinkedSet<T, TLinks>
    where T : class
    where TLinks : struct, ISetLinks<T>
{
    public T? First;
    public T? Last;
    public int Count;

    public readonly bool IsEmpty => First is null;

    public readonly T? NextOf(T item) => TLinks.Of(item).Next;

    public void AddLast(T item)
    {
        ref SetLinks<T> links = ref TLinks.Of(item);
        links.Next = null;
        links.Previous = Last;
        links.IsLinked = true;
        if (Last is null)
            First = item;
        else
            TLinks.Of(Last).Next = item;
        Last = item;
        Count++;
    }

    /// <summary>Takes <paramref name="item"/> out; nothing happens when it is in no set through these links.</summary>
    public void Remove(T item)
    {
        ref SetLinks<T> links = ref TLinks.Of(item);
        if (!links.IsLinked)
            return;
        if (links.Previous is null)
            First = links.Next;
        else
            TLinks.Of(links.Previous).Next = links.Next;
        if (links.Next is null)
            Last = links.Previous;
        else
            TLinks.Of(links.Next).Previous = links.Previous;
        links = default;
        Count--;
    }
}
