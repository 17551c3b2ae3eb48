using NanoVm.Core.Sync;
using NanoVm.Memory.Structures;

namespace NanoVm.Files.Events;

/// <summary>One file watched by one epoll file: its place in the file's queues, and in the epoll file's tree and ready list.</summary>
/// <remarks>Linux: <c>epitem</c>. Holds no reference to the file: when that goes, <see cref="EventPoll.FileReleased"/> removes the item.</remarks>
internal sealed class EpollItem : PollTable
{
    /// <summary>The epoll file.</summary>
    internal EventPoll Owner = null!;

    /// <summary>The watched file.</summary>
    internal OpenFile File = null!;

    /// <summary>The descriptor by which it was added; with the file the item's key.</summary>
    internal int Descriptor;

    /// <summary>The file's identity, for the order of the tree.</summary>
    internal nuint FileKey;

    /// <summary>What is asked for. Guarded by <see cref="EventPoll.Lock"/>.</summary>
    internal PollEvents Events;

    /// <summary>What the caller gets back.</summary>
    internal ulong Data;

    /// <summary>Links of the owner's tree. Guarded by <see cref="EventPoll.Lock"/>.</summary>
    internal RedBlackLinks<EpollItem> TreeLinks;

    /// <summary>The ready list. Guarded by the owner's ready lock.</summary>
    internal EpollItem? ReadyNext;
    internal EpollItem? ReadyPrevious;
    internal bool IsReady;

    /// <summary>The next item of the same file.</summary>
    internal EpollItem? NextOfFile;

    /// <summary>A node could not be allocated while the item was added.</summary>
    internal bool OutOfMemory;

    private PollNode? _nodes;

    /// <inheritdoc/>
    public override void Register(ref WaitQueue queue)
    {
        PollNode? node = Owner.Io.PollNodes.Allocate();
        if (node is null)
        {
            OutOfMemory = true;
            return;
        }
        node.Table = this;
        node.NextOfTable = _nodes;
        _nodes = node;
        node.Join(ref queue);
    }

    /// <inheritdoc/>
    internal override void Wake() => Owner.ItemWoken(this);

    /// <summary>Leaves the file's queues. After this no wake comes any more.</summary>
    internal void LeaveQueues()
    {
        PollNode? node = _nodes;
        _nodes = null;
        while (node is not null)
        {
            PollNode? next = node.NextOfTable;
            node.Leave();
            Owner.Io.PollNodes.Free(node);
            node = next;
        }
    }

    /// <summary>The order of the tree: by file, then by descriptor.</summary>
    internal struct Traits : IRedBlackTraits<EpollItem>, IRedBlackOrder<EpollItem>
    {
        public static ref RedBlackLinks<EpollItem> Links(EpollItem node) => ref node.TreeLinks;

        public static bool Update(EpollItem node) => false;

        public static bool Before(EpollItem left, EpollItem right)
            => left.FileKey != right.FileKey ? left.FileKey < right.FileKey : left.Descriptor < right.Descriptor;
    }
}
