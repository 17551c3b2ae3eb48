using NanoVm.Core;
using NanoVm.Memory.Check;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/memfsck</c>: reading it checks all of memory and tells what was found. Linux has nothing like it.</summary>
internal sealed class MemoryCheckFile(MachineFiles machine) : ProcPage("memfsck"u8, 0x100)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        MemoryReport report = default;
        MemoryCheck.Run(_machine.Memory, ref report);
        Line(ref w, "address_spaces "u8, report.AddressSpaces);
        Line(ref w, "busy_address_spaces "u8, report.BusyAddressSpaces);
        Line(ref w, "mapped_pages "u8, report.MappedPages);
        Line(ref w, "frames_reserved "u8, report.Reserved);
        Line(ref w, "frames_free "u8, report.Free);
        Line(ref w, "frames_slab "u8, report.Slab);
        Line(ref w, "frames_page_tables "u8, report.PageTable);
        Line(ref w, "frames_vmalloc "u8, report.Vmalloc);
        Line(ref w, "frames_anonymous "u8, report.Anonymous);
        Line(ref w, "frames_page_cache "u8, report.Cached);
        Line(ref w, "frames_kernel "u8, report.Kernel);
        Line(ref w, "held_references "u8, report.HeldReferences);
        Line(ref w, "kernel_entries "u8, report.KernelEntries);
        Line(ref w, "page_caches "u8, report.PageCaches);
        Line(ref w, "reclaim_listed "u8, report.ListedFrames);
        Line(ref w, "huge_pool_pages "u8, report.PoolPages);
        Line(ref w, "swap_slots "u8, report.SwapSlots);
        Line(ref w, "errors "u8, report.Errors);
        if (report.Errors != 0)
        {
            w.Text(report.FirstError);
            if (!report.FirstFrame.IsNone)
            {
                w.Text(": frame "u8);
                w.Hex(report.FirstFrame.Value);
            }

            w.Byte((byte)'\n');
        }

        return Errno.None;
    }

    private static void Line(ref TextWriter w, System.ReadOnlySpan<byte> name, ulong value)
    {
        w.Text(name);
        w.Decimal(value);
        w.Byte((byte)'\n');
    }
}
