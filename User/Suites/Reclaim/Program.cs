using static NanoVm.User.Ktap;

namespace NanoVm.User.Suites.Reclaim;

/// <summary>Why a page faults, and what happens when memory runs short: swapping, and killing.</summary>
/// <remarks>
/// Made for a small machine with a swap device: <c>run-qemu.sh --mem 128M --swap 512M --test reclaim</c>. Elsewhere the cases that need it are
/// skipped. Counters of <c>/proc/vmstat</c> that a kernel does not have are not compared (Linux counts only the usual faults).
/// </remarks>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("Every reason of a page fault is counted as what it is", &FaultReasons),
        new("More memory than there is, forked, keeps its contents in swap", &Swapping.MoreThanThereIs),
        new("Shared memory swaps, and is the same for all who have it", &Swapping.SharedMemory),
        new("Swapping ends when asked, and every page is there", &Swapping.Off),
        new("A hundred processes that want all memory are killed one by one", &Killing.OneByOne),
        new("Memory that is locked does not protect who has it", &Killing.Locked),
        new("Memory of a file without a name goes with who filled it", &Killing.NamelessFile),
        new("A file system in memory says that it is full", &Killing.FullTmpfs),
        new("oom_score_adj says who goes first, and who never", &Choosing.Adjusted),
        new("oom_kill_allocating_task: who asks is who goes", &Choosing.Allocating),
        new("oom_score is Linux's", &Choosing.Score),
        new("Overcommit: a guess, always, never", &Promising.Modes),
        new("min_free_kbytes moves the watermarks", &Promising.Watermarks));

    private static void FaultReasons() => Children(
        new("Minor: a first write takes a zeroed frame", &Reasons.Allocation),
        new("Minor: a first read maps the zero page", &Reasons.ZeroPage),
        new("Minor: the stack grows", &Reasons.StackGrowth),
        new("Major: a page is read from swap", &Reasons.FromSwap),
        new("Minor: a page is found in the swap cache", &Reasons.FromSwapCache),
        new("Minor: a write to a page shared by fork copies it", &Reasons.CopyOnWrite),
        new("Minor: the last one that has it writes without a copy", &Reasons.Reuse),
        new("Bad: a write to what is read-only", &Reasons.BadWrite),
        new("Bad: no area there", &Reasons.InvalidRegion),
        new("Bad: the kernel's areas of vmalloc", &Reasons.VmallocArea),
        new("Bad: any other address of the kernel", &Reasons.KernelArea),
        new("The kernel touches user memory that is not there yet", &Reasons.FromKernel),
        new("The kernel touches user memory that does not exist", &Reasons.FromKernelBad));
}
