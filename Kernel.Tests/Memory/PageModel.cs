using NanoVm.Memory.Virtual;

namespace NanoVm.Tests.Memory;

/// <summary>What an object that several mappings can share contains: pages by number. Pages never written have a value of their own.</summary>
internal sealed class ModelObject(ulong pages, Func<ulong, ulong> initial, string name)
{
    private readonly Dictionary<ulong, ulong> _values = [];

    public ulong Pages => pages;
    public string Name => name;

    public ulong this[ulong index]
    {
        get => _values.TryGetValue(index, out ulong value) ? value : initial(index);
        set => _values[index] = value;
    }
}

/// <summary>One page of a naive address space.</summary>
/// <param name="Rights">Read, write, execute, and what else makes areas differ.</param>
/// <param name="Object">What is mapped; null for private anonymous memory.</param>
/// <param name="Index">Which page of it.</param>
/// <param name="Own">The private copy's content; null while there is none.</param>
internal sealed record ModelPage(VmFlags Rights, ModelObject? Object, ulong Index, ulong? Own)
{
    public bool IsShared => (Rights & VmFlags.Shared) != 0;

    /// <summary>What a read finds; null beyond the end of the object (SIGBUS).</summary>
    public ulong? Value
    {
        get
        {
            if (Own is { } own)
                return own;
            if (Object is null)
                return 0;
            return Index < Object.Pages ? Object[Index] : null;
        }
    }
}

/// <summary>An address space as a table of pages: no areas, no tree, no tables, nothing shared that is not shared by meaning.</summary>
internal sealed class PageModel
{
    public readonly SortedDictionary<ulong, ModelPage> Pages = [];

    public bool IsFree(ulong first, ulong count)
    {
        for (ulong i = first; i < first + count; i++)
        {
            if (Pages.ContainsKey(i))
                return false;
        }

        return true;
    }

    public bool IsFull(ulong first, ulong count)
    {
        for (ulong i = first; i < first + count; i++)
        {
            if (!Pages.ContainsKey(i))
                return false;
        }

        return true;
    }

    public void Map(ulong first, ulong count, VmFlags rights, ModelObject? mapped, ulong index)
    {
        for (ulong i = 0; i < count; i++)
            Pages[first + i] = new ModelPage(rights, mapped, index + i, null);
    }

    public void Unmap(ulong first, ulong count)
    {
        for (ulong i = 0; i < count; i++)
            Pages.Remove(first + i);
    }

    public void Change(ulong first, ulong count, Func<ModelPage, ModelPage> change)
    {
        for (ulong i = first; i < first + count; i++)
        {
            if (Pages.TryGetValue(i, out ModelPage? page))
                Pages[i] = change(page);
        }
    }

    /// <summary>Moves pages; what is at the target goes.</summary>
    public void Move(ulong from, ulong oldCount, ulong to, ulong newCount, bool keepOld)
    {
        var moved = new List<ModelPage>();
        for (ulong i = 0; i < oldCount; i++)
            moved.Add(Pages[from + i]);
        ModelPage last = moved[^1];
        for (ulong i = 0; i < oldCount; i++)
        {
            if (keepOld)
                Pages[from + i] = moved[(int)i] with { Own = null, Rights = moved[(int)i].Rights & ~VmFlags.LockedMask };     // nothing is left to be held
            else
                Pages.Remove(from + i);
        }

        Unmap(to, newCount);
        for (ulong i = 0; i < newCount; i++)
            Pages[to + i] = i < oldCount ? moved[(int)i] : last with { Index = last.Index + (i - oldCount) + 1, Own = null };
    }

    /// <summary>The highest free place below <paramref name="top"/>.</summary>
    public ulong HighestFree(ulong count, ulong top)
    {
        ulong end = top;
        foreach (ulong page in Pages.Keys.Reverse())
        {
            if (page >= end)
                continue;
            if (end - (page + 1) >= count)
                return end - count;
            end = page;
        }

        return end - count;
    }

    public PageModel Fork()
    {
        var child = new PageModel();
        foreach ((ulong number, ModelPage page) in Pages)
        {
            if ((page.Rights & VmFlags.DontCopy) != 0)
                continue;
            ModelPage copy = page with { Rights = page.Rights & ~VmFlags.LockedMask };
            if ((page.Rights & VmFlags.WipeOnFork) != 0)
                copy = copy with { Own = null };
            child.Pages[number] = copy;
        }

        return child;
    }
}
