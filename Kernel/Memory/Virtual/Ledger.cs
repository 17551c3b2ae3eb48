using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using TextWriter = NanoVm.Core.TextWriter;

namespace NanoVm.Memory.Virtual;

/// <summary>All that the kernel has given out, as lines of a name and a number: two texts are equal when nothing was lost between them.</summary>
/// <remarks>
/// "ledger". What is merely kept for the next request (empty slabs, single frames) is given back first; caches that hold something (entries of
/// directories, pages of disks) are dropped by who compares, with <c>/proc/sys/vm/drop_caches</c>. Cost: O(caches).
/// </remarks>
internal static class Ledger
{
    /// <summary>Writes the lines.</summary>
    public static void Write(ref Core.TextWriter text, MemorySystem system, PageCache cache)
    {
        PhysicalMemory memory = system.Physical;
        _ = memory.Shrink();
        // Without those of slabs and of vmalloc's tables: how many the same objects and areas fill depends on the order in which they came.
        Line(ref text, "frames"u8, (memory.Frames.TotalFrames - memory.Frames.FreeFrames - memory.SlabFrames - memory.Vmalloc.TableFrames).Value);
        Line(ref text, "page_tables"u8, system.PageTablePages);
        Line(ref text, "vmalloc_pages"u8, memory.Vmalloc.UsedPages.Value);
        Line(ref text, "vmalloc_areas"u8, memory.Vmalloc.UsedAreas);
        Line(ref text, "file_pages"u8, cache.Pages.Value);
        Line(ref text, "shmem_pages"u8, cache.ShmemPages.Value);
        Line(ref text, "swap_slots"u8, system.SwapPages - system.FreeSwapPages);
        Line(ref text, "committed_pages"u8, system.CommittedPages);
        for (SlabCache? slabs = memory.FirstCache; slabs is not null; slabs = slabs.Next)
        {
            // Those without an object are left out: a cache that a test made is no loss.
            if (slabs.ActiveObjects != 0 && !ReferenceEquals(slabs, memory.Vmalloc.Descriptors))
                Line(ref text, slabs.Name, slabs.ActiveObjects);
        }
    }

    /// <summary>One line; for those who have more to say.</summary>
    public static void Line(ref Core.TextWriter text, System.ReadOnlySpan<byte> name, ulong value)
    {
        text.Text(name);
        text.Byte((byte)' ');
        text.Decimal(value);
        text.Byte((byte)'\n');
    }
}
