using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Memory.Virtual;

/// <summary>Collects what a walk over page tables takes away, flushes the TLB once, and frees the frames after that.</summary>
/// <remarks>
/// Linux: <c>mmu_gather</c>. Intel SDM volume 3, 4.10.4: a frame that is freed while some TLB still translates to it can be written by a
/// program that no longer owns it. So: entries first, flush second, frames last. This class is the one that knows which processors use an
/// mm; today there is one, and it needs a flush only while the mm's tables are loaded (any load of CR3 forgets all user translations).
/// <code>
///   var batch = new TlbBatch(mm);
///   … batch.RemovePage(address, frame) for each page whose entry was cleared, batch.NoteChange(address) where rights shrank …
///   batch.Finish();
/// </code>
/// </remarks>
internal ref struct TlbBatch
{
    /// <summary>Beyond this many pages the whole TLB is cheaper to flush. Linux: <c>tlb_single_page_flush_ceiling</c>.</summary>
    private const ulong SinglePageCeiling = 33;

    private const int InlineFrames = 8;

    [InlineArray(InlineFrames)]
    private struct FewFrames
    {
        private Pfn _first;
    }

    private readonly MmStruct _mm;

    /// <summary>Pages and tables to free after the flush: first the few here, then the entries of one frame that is borrowed for it.</summary>
    private FewFrames _few;
    private Pfn _manyFrame;
    private int _count;

    /// <summary>What must be flushed; empty while nothing changed.</summary>
    private VirtAddr _start;
    private VirtAddr _end;


    /// <summary>The mm is not loaded on any processor: nothing is cached, frames can go at once.</summary>
    private readonly bool _notLoaded;

    public TlbBatch(MmStruct mm)
    {
        _mm = mm;
        _manyFrame = Pfn.None;
        _start = new VirtAddr(ulong.MaxValue);
        _notLoaded = Mmu.Root != mm.Root;
    }

    /// <summary>The entry of <paramref name="address"/> lost rights or changed its frame.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void NoteChange(VirtAddr address)
    {
        if (address < _start)
            _start = address;
        if (address >= _end)
            _end = address + PageSize.Bytes;
    }

    /// <summary>The entry of <paramref name="address"/> was cleared; its reference to <paramref name="frame"/> is given back after the flush.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void RemovePage(VirtAddr address, Pfn frame)
    {
        NoteChange(address);
        Add(frame);
    }

    /// <summary>A page table was unlinked.</summary>
    public void RemoveTable(VirtAddr address, Pfn table)
    {
        NoteChange(address);
        Add(table);
    }

    /// <summary>The entry of a huge page at <paramref name="block"/> was cleared, and its frames are about to be given back: flushes at once.</summary>
    /// <remarks>One flush for 2 MiB; INVLPG of any address in it forgets all of it.</remarks>
    public void FlushNow(VirtAddr block)
    {
        NoteChange(block);
        Flush();
        FreeFrames();
    }

    /// <summary>Flushes, then frees. The batch can be used again.</summary>
    public void Finish()
    {
        Flush();
        FreeFrames();
        if (!_manyFrame.IsNone)
        {
            _mm.System.Frames.Put(_manyFrame);
            _manyFrame = Pfn.None;
        }
    }

    private void Add(Pfn frame)
    {
        if (_notLoaded)
        {
            _mm.System.Frames.Put(frame);
            return;
        }

        if (_count < InlineFrames)
            _few[_count++] = frame;
        else
            AddToMany(frame);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void AddToMany(Pfn frame)
    {
        if (_manyFrame.IsNone && _mm.System.Frames.Allocate(0, Physical.AllocationFlags.Atomic, out _manyFrame) != Errno.None)
        {
            // No memory to remember more: flush now and go on. Freeing must always succeed.
            _manyFrame = Pfn.None;
            Flush();
            FreeFrames();
            _few[_count++] = frame;
            return;
        }

        new PageTable<Pfn>(_manyFrame)[_count - InlineFrames] = frame;
        _count++;
        if (_count == InlineFrames + PageSize.TableEntries)
        {
            Flush();
            FreeFrames();
        }
    }

    private void Flush()
    {
        if (_start >= _end)
            return;
        if (!_notLoaded)
        {
            ulong pages = (_end - _start) >> PageSize.Shift;
            if (pages > SinglePageCeiling)
            {
                Tlb.FlushAll();
                _mm.System.Statistics.Count(VmCounter.TlbFlushAll);
            }
            else
            {
                // INVLPG of any page also forgets all entries above the leaves (SDM 4.10.4.1), so freed tables need nothing more.
                for (VirtAddr address = _start; address < _end; address += PageSize.Bytes)
                    Tlb.FlushPage(address);
                _mm.System.Statistics.Add(VmCounter.TlbFlushOne, pages);
            }
        }

        _start = new VirtAddr(ulong.MaxValue);
        _end = VirtAddr.Zero;
    }

    private void FreeFrames()
    {
        for (int i = 0; i < _count; i++)
            _mm.System.Frames.Put(i < InlineFrames ? _few[i] : new PageTable<Pfn>(_manyFrame)[i - InlineFrames]);
        _count = 0;
    }

    /// <summary>One page's entry lost rights: the flush of a single fault.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FlushPage(MmStruct mm, VirtAddr address)
    {
        if (Mmu.Root != mm.Root)
            return;
        Tlb.FlushPage(address);
        mm.System.Statistics.Count(VmCounter.TlbFlushOne);
    }

    /// <summary>Everything of <paramref name="mm"/>, for changes all over it (<c>fork</c> takes write rights away).</summary>
    public static void FlushMm(MmStruct mm)
    {
        if (Mmu.Root != mm.Root)
            return;
        Tlb.FlushAll();
        mm.System.Statistics.Count(VmCounter.TlbFlushAll);
    }
}
