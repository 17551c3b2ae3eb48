using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>From each page the way back leads to every entry that maps it: reclaim, truncation and migration rely on it.</summary>
internal static class ReverseMapCheck
{
    /// <summary>The area's chains are its own and in their trees; a file's area is in the file's tree.</summary>
    public static void Area(VmArea area, ref MemoryReport report)
    {
        bool hasOwn = area.AnonVma is null;
        for (AnonVmaChain? chain = area.AnonChain; chain is not null; chain = chain.NextOfArea)
        {
            report.Unless(ReferenceEquals(chain.Area, area), "an area has another's chain"u8);
            chain.AnonVma.Check(chain, ref report);
            hasOwn |= ReferenceEquals(chain.AnonVma, area.AnonVma);
        }

        report.Unless(hasOwn, "an area has no chain to where its new pages go"u8);
        if (area.File?.Mapping is not { } file)
            return;
        file.FoundAreas++;
        report.Unless(file.HasArea(area), "an area is not in its file's tree"u8);
    }

    /// <summary>When all areas have been met: the reverse maps have no others.</summary>
    public static void Counts(MmStruct mm, ref MemoryReport report)
    {
        for (VmArea? area = mm.Areas.First; area is not null; area = area.Next)
            area.AnonVma?.CheckFound(ref report);
    }

    /// <summary>The page at <paramref name="address"/> knows the place from which a walk would come to it.</summary>
    public static void Entry(VmArea area, VirtAddr address, Pfn pfn, ref MemoryReport report)
    {
        ref PageFrame frame = ref area.Mm.System.Frames[pfn];
        ulong index = area.PageOffset + ((address - area.Start) >> PageSize.Shift);
        if (frame.IsAnonymous)
        {
            if (frame.Mapping == 0)
                return;                         // back from swap, and not found its owner yet
            report.Unless(frame.Index == index && HasChainTo(area, frame.Mapping & ~PageFrame.MappingAnonymous),
                "an anonymous page's reverse map does not lead to an entry that maps it"u8, pfn);
        }
        else if (area.File?.Mapping is { } mapped && !frame.Has(FrameFlags.HugePool))
        {
            report.Unless(frame.Index == index && ReferenceEquals(mapped, FrameMapping.AddressSpaceOf(frame)), "a file's page is mapped where its file is not"u8, pfn);
        }
    }

    private static unsafe bool HasChainTo(VmArea area, nuint anonVma)
    {
        for (AnonVmaChain? chain = area.AnonChain; chain is not null; chain = chain.NextOfArea)
        {
            if ((nuint)ObjectFactory.AddressOf(chain.AnonVma) == anonVma)
                return true;
        }

        return false;
    }
}
