using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;

namespace NanoVm.Memory.Mapping;

/// <summary>Pages that follow each other in a file, on their way from or to its disk: nobody sleeps for it.</summary>
/// <remarks>
/// Linux: <c>bio</c> with <c>mpage_end_io</c>. A run of pages may lie in several places of the disk, so it becomes one request or several; the
/// end of the last one, in the device's interrupt, unlocks the pages that were read or ends the writeback of those that were written.
/// </remarks>
internal sealed class PageTransfer : BlockRequest
{
    /// <summary>The most pages of one transfer: 256 KiB.</summary>
    public const int Most = 64;

    [InlineArray(Most)]
    private struct Run
    {
        private Pfn _first;
    }

    private readonly PageTransfers _owner;
    private AddressSpace _mapping = null!;
    private Run _pages;
    private int _count;

    /// <summary>Requests that are under way, and one for who starts them. Interrupts off.</summary>
    private int _pending;
    private Errno _error;

    internal PageTransfer(PageTransfers owner) => _owner = owner;

    /// <summary>The next one that nobody uses.</summary>
    internal PageTransfer? NextFree;

    public BlockDirection Direction { get; private set; }

    /// <summary>The index of the first page in the file.</summary>
    public ulong First { get; private set; }

    public ReadOnlySpan<Pfn> Pages => ((ReadOnlySpan<Pfn>)_pages)[.._count];

    public bool IsFull => _count == Most;

    /// <summary>Begins a run. Each page that is added has a reference, and is locked (read) or marked as under writeback (write).</summary>
    internal void Begin(AddressSpace mapping, BlockDirection direction, ulong first)
    {
        _mapping = mapping;
        Direction = direction;
        First = first;
        _count = 0;
        _pending = 1;
        _error = Errno.None;
    }

    /// <summary>Adds a page that the caller holds; the transfer does from here on.</summary>
    internal void Add(Pfn page)
    {
        _mapping.Cache.Frames.HandToTransfer(page);
        _pages[_count++] = page;
    }

    /// <summary>Starts a part of the run; what went wrong at once is remembered as if the disk had said it. May sleep.</summary>
    public void Start(BlockDevice disk, ulong sector, ReadOnlySpan<BlockSegment> memory)
    {
        bool enabled = Interrupts.Disable();
        _pending++;
        Interrupts.Restore(enabled);
        if (Direction == BlockDirection.Read && PerCpu.CurrentOrNull is Virtual.TaskMemory thread)
        {
            foreach (BlockSegment segment in memory)
                thread.Io.DiskBytesRead += (ulong)segment.Bytes;
        }
        Errno error = disk.Submit(this, Direction, sector, memory);
        if (error != Errno.None)
            Completed(error);
    }

    /// <summary>A part of the run cannot even be started.</summary>
    public void Fail(Errno error)
    {
        if (_error == Errno.None)
            _error = error;
    }

    /// <summary>All parts are started.</summary>
    internal void End() => Completed(Errno.None);

    /// <inheritdoc/>
    public override void Completed(Errno error)
    {
        bool enabled = Interrupts.Disable();
        Fail(error);
        bool last = --_pending == 0;
        Interrupts.Restore(enabled);
        if (!last)
            return;
        if (Direction == BlockDirection.Read)
            _mapping.ReadFinished(First, Pages, _error);
        else
            _mapping.WriteFinished(First, Pages, _error);
        _owner.Put(this);
    }
}

/// <summary>All transfers of a machine: as many as a disk takes at once, so that writing memory out never needs memory.</summary>
/// <remarks>Linux: <c>mempool</c>, <c>bio_set</c>.</remarks>
internal sealed class PageTransfers
{
    private const int Count = 64;

    private SpinLock _lock;
    private PageTransfer? _free;
    private WaitQueue _freed;

    internal PageTransfers()
    {
        for (int i = 0; i < Count; i++)
            _free = new PageTransfer(this) { NextFree = _free };
    }

    /// <summary>A transfer that nobody uses, or null.</summary>
    public PageTransfer? TryTake()
    {
        bool enabled = _lock.AcquireRaw();
        PageTransfer? taken = _free;
        if (taken is not null)
            _free = taken.NextFree;
        _lock.ReleaseRaw(enabled);
        return taken;
    }

    /// <summary>A transfer; sleeps until one is free.</summary>
    public PageTransfer Take()
    {
        PageTransfer? taken = TryTake();
        if (taken is not null)
            return taken;
        WaitNode node = PerCpu.Current.WaitNode;
        while (true)
        {
            _freed.PrepareToWait(node, ThreadState.Uninterruptible);
            taken = TryTake();
            if (taken is not null)
                break;
            PerCpu.Scheduler.Schedule();
        }

        _freed.FinishWait(node);
        return taken;
    }

    internal void Put(PageTransfer transfer)
    {
        bool enabled = _lock.AcquireRaw();
        transfer.NextFree = _free;
        _free = transfer;
        _lock.ReleaseRaw(enabled);
        _freed.WakeOne();
    }
}
