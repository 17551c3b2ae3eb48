using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Structures;

namespace NanoVm.Files.Events;

/// <summary>An epoll file: a set of watched files, and the list of those that may be ready. Linux: <c>eventpoll</c>; man 7 epoll.</summary>
/// <remarks>
/// Locks, outermost first: <see cref="IoSystem.EpollLock"/> (adding epoll files, files that go away), <see cref="Lock"/> (tree, events;
/// of a nested epoll file after its outer one's), a file's wait queue, <c>_readyLock</c>.
/// </remarks>
internal sealed class EventPoll : OpenFile
{
    /// <summary>How deep epoll files may watch epoll files. Linux: <c>EP_MAX_NESTS</c>.</summary>
    private const int MaximumDepth = 4;

    private const PollEvents Private = PollEvents.WakeUp | PollEvents.OneShot | PollEvents.EdgeTriggered | PollEvents.Exclusive;

    /// <summary>Guards the tree and the items' events.</summary>
    internal Mutex Lock;

    internal IoSystem Io = null!;

    private RedBlackTree<EpollItem, EpollItem.Traits> _items;
    private WaitQueue _waiters;          // epoll_wait
    private WaitQueue _pollers;          // those who poll the epoll file itself

    private SpinLock _readyLock;
    private EpollItem? _readyFirst;
    private EpollItem? _readyLast;
    private int _readyCount;

    // Marks this file as seen by the search for loops under way.
    private ulong _visit;

    /// <summary>Makes an open epoll file.</summary>
    public static Result<OpenFile> Create(IoSystem io, TaskFiles who)
    {
        if (!io.EventFileSystem.MakePlace(who, 0x180, "[eventpoll]"u8).TryGet(out PathRef place, out Errno error))
            return error;
        EventPoll? file = io.EventPolls.Allocate();
        if (file is not null)
        {
            file.Io = io;
            file.Initialize(place, OpenFlags.ReadWrite);
            file.Modes &= ~(OpenModes.Seek | OpenModes.Positional);
        }
        place.Put();
        return file is not null ? file : Errno.ENOMEM;
    }

    // ---- Control -----------------------------------------------------------------------------------------------------------------

    /// <summary>Watches one more file. Linux: <c>ep_insert</c>.</summary>
    /// <returns>EEXIST, ELOOP, ENOMEM.</returns>
    public Errno Add(OpenFile file, int descriptor, PollEvents events, ulong data)
    {
        bool nested = file is EventPoll;
        if (nested)
            Io.EpollLock.Lock();
        Errno error = Errno.None;
        if (file is EventPoll inner && WouldLoop(inner))
            error = Errno.ELOOP;
        if (error == Errno.None)
        {
            Lock.Lock();
            error = AddLocked(file, descriptor, events, data);
            Lock.Unlock();
        }
        if (nested)
            Io.EpollLock.Unlock();
        return error;
    }

    private Errno AddLocked(OpenFile file, int descriptor, PollEvents events, ulong data)
    {
        if (Find(file, descriptor) is not null)
            return Errno.EEXIST;
        EpollItem? item = Io.EpollItems.Allocate();
        if (item is null)
            return Errno.ENOMEM;
        item.Owner = this;
        item.File = file;
        item.FileKey = KeyOf(file);
        item.Descriptor = descriptor;
        item.Events = events | PollEvents.Err | PollEvents.Hup;
        item.Data = data;
        item.NextOfFile = file.EpollItems;
        file.EpollItems = item;
        _items.Insert<EpollItem.Traits>(item);

        PollEvents ready = file.Poll(item) & item.Events;
        if (item.OutOfMemory)
        {
            Remove(item);
            return Errno.ENOMEM;
        }
        if (ready != PollEvents.None)
            ItemWoken(item);
        return Errno.None;
    }

    /// <summary>Changes what is asked of a watched file. Linux: <c>ep_modify</c>.</summary>
    /// <returns>ENOENT; EINVAL for an item that was added with EPOLLEXCLUSIVE.</returns>
    public Errno Modify(OpenFile file, int descriptor, PollEvents events, ulong data)
    {
        using (Lock.Acquire())
        {
            EpollItem? item = Find(file, descriptor);
            if (item is null)
                return Errno.ENOENT;
            if ((item.Events & PollEvents.Exclusive) != 0)
                return Errno.EINVAL;
            item.Events = events | PollEvents.Err | PollEvents.Hup;
            item.Data = data;
            if ((file.Poll(null) & item.Events) != PollEvents.None)
                ItemWoken(item);
            return Errno.None;
        }
    }

    /// <summary>Watches a file no more. Linux: <c>ep_remove</c>.</summary>
    /// <returns>ENOENT.</returns>
    public Errno Delete(OpenFile file, int descriptor)
    {
        using (Lock.Acquire())
        {
            EpollItem? item = Find(file, descriptor);
            if (item is null)
                return Errno.ENOENT;
            Remove(item);
            return Errno.None;
        }
    }

    /// <summary>The last reference to a watched file is gone: no epoll file watches it any more. Linux: <c>eventpoll_release_file</c>.</summary>
    public static void FileReleased(OpenFile file)
    {
        EpollItem? first = file.EpollItems;
        if (first is null)
            return;
        IoSystem io = first.Owner.Io;
        io.EpollLock.Lock();                                 // keeps the owners alive: they go under this lock
        while (file.EpollItems is { } item)
        {
            EventPoll owner = item.Owner;
            owner.Lock.Lock();
            if (ReferenceEquals(file.EpollItems, item))
                owner.Remove(item);
            owner.Lock.Unlock();
        }
        io.EpollLock.Unlock();
    }

    private static unsafe nuint KeyOf(OpenFile file) => (nuint)ObjectFactory.AddressOf(file);      // an identity, never followed

    private EpollItem? Find(OpenFile file, int descriptor)
    {
        nuint key = KeyOf(file);
        EpollItem? item = _items.Root;
        while (item is not null)
        {
            if (item.FileKey == key && item.Descriptor == descriptor)
                return item;
            bool left = key != item.FileKey ? key < item.FileKey : descriptor < item.Descriptor;
            item = left ? item.TreeLinks.Left : item.TreeLinks.Right;
        }
        return null;
    }

    // Holds Lock. The item is freed.
    private void Remove(EpollItem item)
    {
        item.LeaveQueues();
        using (_readyLock.Acquire())
        {
            if (item.IsReady)
                Unready(item);
        }
        _items.Remove(item);
        ref EpollItem? link = ref item.File.EpollItems;
        while (!ReferenceEquals(link, item))
            link = ref link!.NextOfFile;
        link = item.NextOfFile;
        Io.EpollItems.Free(item);
    }

    // Would this file, watched by `inner` directly or over others, watch itself; or would the chain be too deep?
    // Linux: ep_loop_check. Holds EpollLock, so no chain changes meanwhile.
    private bool WouldLoop(EventPoll inner)
    {
        ulong visit = ++Io.EpollVisit;
        int below = DepthBelow(inner, visit, 0);
        return below < 0 || below + DepthAbove(0) > MaximumDepth;
    }

    // How many epoll files lie in a row below, this one included; -1 when this file is among them or they are too many.
    private int DepthBelow(EventPoll file, ulong visit, int depth)
    {
        if (ReferenceEquals(file, this) || depth > MaximumDepth)
            return -1;
        if (file._visit == visit)
            return file._depth;
        int deepest = 0;
        for (EpollItem? item = file._items.First(); item is not null; item = RedBlackTree<EpollItem, EpollItem.Traits>.Next(item))
        {
            if (item.File is not EventPoll next)
                continue;
            int below = DepthBelow(next, visit, depth + 1);
            if (below < 0)
                return -1;
            if (below > deepest)
                deepest = below;
        }
        file._visit = visit;
        file._depth = deepest + 1;
        return file._depth;
    }

    private int _depth;

    // How many epoll files lie in a row above, this one not included.
    private int DepthAbove(int depth)
    {
        int deepest = 0;
        if (depth > MaximumDepth)
            return depth;
        for (EpollItem? item = EpollItems; item is not null; item = item.NextOfFile)
        {
            int above = 1 + item.Owner.DepthAbove(depth + 1);
            if (above > deepest)
                deepest = above;
            if (deepest > MaximumDepth)
                break;
        }
        return deepest;
    }

    // ---- Readiness ---------------------------------------------------------------------------------------------------------------

    /// <summary>A watched file may have become ready. Interrupts may be off, the file's queue may be locked. Linux: <c>ep_poll_callback</c>.</summary>
    internal void ItemWoken(EpollItem item)
    {
        if ((item.Events & ~Private) == PollEvents.None)
            return;                                          // a one-shot that has fired
        using (_readyLock.Acquire())
        {
            if (!item.IsReady)
                Ready(item);
        }
        _waiters.WakeAll();
        _pollers.WakeAll();
    }

    /// <summary>Tells about ready files, waiting for the first. Linux: <c>ep_poll</c>.</summary>
    /// <param name="events">User memory for <paramref name="maximum"/> records of 12 bytes.</param>
    /// <param name="deadline">Monotonic nanoseconds, 0 for not to wait, <see cref="ulong.MaxValue"/> for ever.</param>
    /// <returns>Records written; EINTR, EFAULT.</returns>
    public Result<long> Wait(VirtAddr events, int maximum, ulong deadline)
    {
        KernelThread thread = PerCpu.Current;
        for (; ; )
        {
            if (_readyCount != 0)
            {
                Result<long> sent = Send(events, maximum);
                if (!sent.IsOk || sent.Value != 0)
                    return sent;
            }
            if (deadline == 0 || deadline <= Time.MonotonicNanoseconds)
                return 0L;
            if (thread.SignalPending)
                return Errno.EINTR;
            _waiters.PrepareToWait(thread.WaitNode, ThreadState.Interruptible);
            if (_readyCount == 0 && !thread.SignalPending)
                PerCpu.Scheduler.ScheduleTimeout(deadline);
            _waiters.FinishWait(thread.WaitNode);
        }
    }

    // Linux: ep_send_events. Level-triggered items go back to the list's end, so that each gets its turn.
    private Result<long> Send(VirtAddr to, int maximum)
    {
        using (Lock.Acquire())
        {
            long sent = 0;
            int rounds = _readyCount;
            while (rounds-- > 0 && sent < maximum)
            {
                EpollItem? item;
                using (_readyLock.Acquire())
                {
                    item = _readyFirst;
                    if (item is null)
                        break;
                    Unready(item);
                }
                PollEvents ready = item.File.Poll(null) & item.Events & ~Private;
                if (ready == PollEvents.None)
                    continue;
                Errno error = UserCopy.Put(to, (uint)ready);
                if (error == Errno.None)
                    error = UserCopy.Put(to + 4, item.Data);
                if (error != Errno.None)
                {
                    MakeReady(item);
                    return sent != 0 ? sent : error;
                }
                to += 12;
                sent++;
                if ((item.Events & PollEvents.OneShot) != 0)
                    item.Events &= Private;
                else if ((item.Events & PollEvents.EdgeTriggered) == 0)
                    MakeReady(item);
            }
            return sent;
        }
    }

    private void MakeReady(EpollItem item)
    {
        using (_readyLock.Acquire())
        {
            if (!item.IsReady)
                Ready(item);
        }
    }

    private void Ready(EpollItem item)
    {
        item.IsReady = true;
        item.ReadyNext = null;
        item.ReadyPrevious = _readyLast;
        if (_readyLast is null)
            _readyFirst = item;
        else
            _readyLast.ReadyNext = item;
        _readyLast = item;
        _readyCount++;
    }

    private void Unready(EpollItem item)
    {
        if (item.ReadyPrevious is null)
            _readyFirst = item.ReadyNext;
        else
            item.ReadyPrevious.ReadyNext = item.ReadyNext;
        if (item.ReadyNext is null)
            _readyLast = item.ReadyPrevious;
        else
            item.ReadyNext.ReadyPrevious = item.ReadyPrevious;
        item.ReadyNext = item.ReadyPrevious = null;
        item.IsReady = false;
        _readyCount--;
    }

    // ---- As a file ---------------------------------------------------------------------------------------------------------------

    /// <summary>Moves nothing and is no error. Linux: <c>noop_llseek</c>.</summary>
    public override Result<long> Seek(long offset, SeekOrigin origin) => Position;

    /// <summary>Readable when one of the listed files really is ready. Linux: <c>ep_eventpoll_poll</c>.</summary>
    public override PollEvents Poll(PollTable? table)
    {
        table?.Register(ref _pollers);
        if (_readyCount == 0)
            return PollEvents.None;
        using (Lock.Acquire())
        {
            for (int rounds = _readyCount; rounds > 0; rounds--)
            {
                EpollItem? item = _readyFirst;
                if (item is null)
                    break;
                if ((item.File.Poll(null) & item.Events & ~Private) != PollEvents.None)
                    return PollEvents.Readable;
                using (_readyLock.Acquire())
                {
                    if (item.IsReady)
                        Unready(item);
                }
            }
            return PollEvents.None;
        }
    }

    /// <inheritdoc/>
    public override void WriteInfo(ref TextWriter w)
    {
        using (Lock.Acquire())
        {
            for (EpollItem? item = _items.First(); item is not null; item = RedBlackTree<EpollItem, EpollItem.Traits>.Next(item))
            {
                w.Text("tfd: "u8);
                w.Decimal((ulong)item.Descriptor, 8);
                w.Text(" events: "u8);
                w.Repeat((byte)' ', 8 - HexDigits((uint)item.Events));
                w.Hex((uint)item.Events);
                w.Text(" data: "u8);
                w.Repeat((byte)' ', 16 - HexDigits(item.Data));
                w.Hex(item.Data);
                w.Text("  pos:"u8);
                w.Signed(item.File.Position);
                w.Text(" ino:"u8);
                w.Hex(item.File.Inode.Number);
                w.Text(" sdev:"u8);
                w.Hex(item.File.Inode.Superblock.Device);
                w.Byte((byte)'\n');
            }
        }
    }

    private static int HexDigits(ulong value)
    {
        int digits = 1;
        while ((value >>= 4) != 0)
            digits++;
        return digits;
    }

    /// <inheritdoc/>
    protected override void Release()
    {
        using (Io.EpollLock.Acquire())
        using (Lock.Acquire())
        {
            while (_items.Root is { } item)
                Remove(item);
        }
    }

    /// <inheritdoc/>
    protected override void FreeObject() => Io.EventPolls.Free(this);
}
