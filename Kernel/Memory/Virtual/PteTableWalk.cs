using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>What a walk does where a 2 MiB page stands in the place of a table.</summary>
internal enum HugeVisit : byte
{
    /// <summary>Gives it to the walker when it lies whole in the range, and splits it when the range cuts it. Linux: <c>split_huge_pmd</c> in a walk.</summary>
    Whole,
    /// <summary>Gives it to the walker, whole or in part, and changes nothing.</summary>
    Look,
}

/// <summary>Visits the existing last-level tables of a range in order; holes cost one step for each missing table above.</summary>
/// <remarks>
/// The one place where whoever walks over pages meets a 2 MiB page.
/// <code>
///   var walk = new PteTableWalk(mm, range);
///   while (walk.MoveNext())
///       if (walk.IsHuge) … walk.Huge.Entry, from walk.Start to walk.End
///       else for (int i = walk.FirstIndex; i &lt;= walk.LastIndex; i++) … walk.Table[i], page at walk.AddressOf(i)
/// </code>
/// The mm's lock is held in some way, so that no table goes; entries are guarded by <see cref="MmStruct.PageTableLock"/>, which the walker may
/// hold around <see cref="MoveNext"/> only when nothing can be split there: with <see cref="HugeVisit.Look"/>, or over whole areas.
/// </remarks>
internal ref struct PteTableWalk(MmStruct mm, PageRange range, HugeVisit huge = HugeVisit.Whole)
{
    private readonly MmStruct _mm = mm;
    private readonly VirtAddr _end = range.End;
    private readonly HugeVisit _visit = huge;
    private VirtAddr _next = range.Start;

    /// <summary>The table found; none where a 2 MiB page is.</summary>
    public PageTable<Pte> Table;

    /// <summary>The table of the second level that holds the 2 MiB page found last.</summary>
    private Pfn _upper;

    /// <summary>With <see cref="IsHuge"/>: the entry of the 2 MiB page.</summary>
    public readonly PmdPlace Huge => new(_upper, Pmd.IndexOf(Start));

    /// <summary>The part of the range that it covers.</summary>
    public VirtAddr Start;
    public VirtAddr End;

    /// <summary>Whether a 2 MiB page was found and not a table.</summary>
    public readonly bool IsHuge => Table.IsNone;

    public readonly int FirstIndex => Pte.IndexOf(Start);

    /// <summary>The last index, included.</summary>
    public readonly int LastIndex => FirstIndex + (int)((End - Start) >> PageSize.Shift) - 1;

    public readonly VirtAddr AddressOf(int index) => Start.AlignDown(PageSize.LargeBytes) + ((ulong)index << PageSize.Shift);

    public bool MoveNext()
    {
        while (_next < _end)
        {
            VirtAddr address = _next;
            ref P4d p4d = ref _mm.P4dOf(address);
            if (Unsafe.IsNullRef(ref p4d))
            {
                _next = EndOfBlock(address, 1UL << 48);
                continue;
            }

            if (!p4d.IsPresent)
            {
                _next = EndOfBlock(address, 1UL << 39);
                continue;
            }

            Pud pud = new PageTable<Pud>(p4d.Pfn)[Pud.IndexOf(address)];
            if (!pud.IsPresent)
            {
                _next = EndOfBlock(address, PageSize.HugeBytes);
                continue;
            }

            var pmds = new PageTable<Pmd>(pud.Pfn);
            int index = Pmd.IndexOf(address);
            while (pmds[index].IsNone)
            {
                address = EndOfBlock(address, PageSize.LargeBytes);
                index++;
                if (address >= _end || index == PageSize.TableEntries)
                    break;
            }

            if (address >= _end || index == PageSize.TableEntries)
            {
                _next = address;
                continue;
            }

            Start = address;
            End = VirtAddr.Min(EndOfBlock(address, PageSize.LargeBytes), _end);
            _next = End;
            if (pmds[index].IsHuge)
                MeetHuge(pud.Pfn);
            else
                Table = new PageTable<Pte>(pmds[index].Pfn);
            return true;
        }

        return false;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void MeetHuge(Pfn upper)
    {
        _upper = upper;
        Table = default;
        bool isWhole = End - Start == PageSize.LargeBytes;
        if (_visit == HugeVisit.Look || isWhole || Huge.Entry.IsFromPool)
            return;
        _mm.SplitHuge(Huge, Start);
        TakeSplit();
    }

    /// <summary>Goes on with the small pages of <see cref="Huge"/>, which the walker has split.</summary>
    public void TakeSplit() => Table = new PageTable<Pte>(Huge.Entry.Pfn);

    private static VirtAddr EndOfBlock(VirtAddr address, ulong block) => address.AlignDown(block) + block;
}
