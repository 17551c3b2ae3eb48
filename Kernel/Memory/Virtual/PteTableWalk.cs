using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Visits the existing last-level tables of a range in order; holes cost one step for each missing table above.</summary>
/// <remarks>
/// <code>
///   var walk = new PteTableWalk(mm, range);
///   while (walk.MoveNext())
///       for (int i = walk.FirstIndex; i &lt;= walk.LastIndex; i++) … walk.Table[i], page at walk.AddressOf(i)
/// </code>
/// The mm's lock is held in some way, so that no table goes; entries are guarded by <see cref="MmStruct.PageTableLock"/>.
/// </remarks>
internal ref struct PteTableWalk(MmStruct mm, PageRange range)
{
    private readonly MmStruct _mm = mm;
    private readonly VirtAddr _end = range.End;
    private VirtAddr _next = range.Start;

    /// <summary>The table found.</summary>
    public PageTable<Pte> Table;

    /// <summary>The part of the range that it covers.</summary>
    public VirtAddr Start;
    public VirtAddr End;

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
            while (!pmds[index].IsPresent)
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

            Table = new PageTable<Pte>(pmds[index].Pfn);
            Start = address;
            End = VirtAddr.Min(EndOfBlock(address, PageSize.LargeBytes), _end);
            _next = End;
            return true;
        }

        return false;
    }

    private static VirtAddr EndOfBlock(VirtAddr address, ulong block) => address.AlignDown(block) + block;
}
