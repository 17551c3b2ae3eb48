#if NANOVM_KERNEL
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Check;

/// <summary>All of memory is checked once more when the kernel panics: was it damaged before?</summary>
/// <remarks>Who panicked may have been in the middle of a change, and then this finds that, too; the first complaint is where to look.</remarks>
internal sealed class MemoryPanicCheck(MemorySystem memory) : PanicCheck
{
    private readonly MemorySystem _memory = memory;

    public override void Run()
    {
        MemoryReport report = default;
        MemoryCheck.Run(_memory, ref report);
        if (report.Errors == 0)
            PanicReport.Line($"memfsck: memory is in order: {report.AddressSpaces} address spaces, {report.MappedPages} mapped pages");
        else if (report.FirstFrame.IsNone)
            PanicReport.Line($"memfsck: {report.Errors} errors, the first: {report.FirstError}");
        else
            PanicReport.Line($"memfsck: {report.Errors} errors, the first: {report.FirstError}: frame 0x{report.FirstFrame.Value:x}");
    }
}
#endif
