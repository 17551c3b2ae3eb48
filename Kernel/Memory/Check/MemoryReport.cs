using System;
using NanoVm.Core;

namespace NanoVm.Memory.Check;

/// <summary>What a check of memory has found: counts, and the first thing that is wrong.</summary>
/// <remarks>
/// The structures write their findings here instead of panicking, so that <c>/proc/memfsck</c> can tell them and tests can ruin something on
/// purpose. Where a check would be meaningless or endless after a finding, it asks what <see cref="Unless(bool, ReadOnlySpan{byte})"/> answers.
/// </remarks>
internal ref struct MemoryReport
{
    public ulong AddressSpaces, BusyAddressSpaces, MappedPages;

    /// <summary>Frames of RAM by what they are for. Inner frames of blocks of more than one count as what the first is for, or as used by the kernel.</summary>
    public ulong Reserved, Free, Slab, PageTable, Vmalloc, Anonymous, Cached, Kernel;

    /// <summary>References that threads and transfers have for a while: beyond those of entries and caches there are no others.</summary>
    public ulong HeldReferences;

    /// <summary>Anonymous frames and others that small or huge entries map, and those that are locked in memory, with the entries of locked areas.</summary>
    public ulong MappedAnonymous, MappedOthers, LockedPages, LockedEntries, Locks;

    /// <summary>Pages of all page caches: all, those of shared memory, those that wait to be written, those that are being written.</summary>
    public ulong CachedPages, SharedPages, DirtyPages, WrittenPages;

    /// <summary>What is promised: pages of accountable areas and of shared memory, and huge pages of the pool.</summary>
    public ulong CommittedPages, HugePromises;

    /// <summary>Tables of all address spaces by their own counts.</summary>
    public ulong TablePages;

    /// <summary>Entries of the kernel's page tables, and what else was walked.</summary>
    public ulong KernelEntries, SwapSlots, PoolPages, ListedFrames, PageCaches;

    /// <summary>What is wrong, and with which frame; only the first is named.</summary>
    public ulong Errors;
    public ReadOnlySpan<byte> FirstError;
    public Pfn FirstFrame;

    /// <summary>Notes that something is wrong.</summary>
    public void Fail(ReadOnlySpan<byte> what, Pfn frame)
    {
        if (Errors++ != 0)
            return;
        FirstError = what;
        FirstFrame = frame;
    }

    /// <summary>Notes that <paramref name="what"/> is wrong unless <paramref name="holds"/>.</summary>
    /// <returns>Whether it holds.</returns>
    public bool Unless(bool holds, ReadOnlySpan<byte> what)
    {
        if (!holds)
            Fail(what, Pfn.None);
        return holds;
    }

    /// <summary>The same, with the frame that it is about.</summary>
    public bool Unless(bool holds, ReadOnlySpan<byte> what, Pfn frame)
    {
        if (!holds)
            Fail(what, frame);
        return holds;
    }

    /// <summary>For those who cannot go on with something wrong.</summary>
    public readonly void PanicIfBroken()
    {
        if (Errors != 0)
            Panic.Now(FirstError);
    }
}
