using NanoVm.Core;
using NanoVm.Core.Sync;

namespace NanoVm.Tasks;

/// <summary>One message. Linux: <c>msg_msg</c>.</summary>
internal sealed unsafe class Message
{
    public long Type;
    public int Bytes;

    /// <summary>The text, in the kernel's heap; null when it is empty.</summary>
    public byte* Text;
    public Message? Next;
}

/// <summary>Which message a receiver wants. Linux: <c>convert_mode</c>.</summary>
internal readonly struct MessageChoice(long type, uint flags)
{
    private const uint Except = 0x2000, Copy = 0x4000;

    private readonly long _type = type;

    /// <summary>MSG_COPY: the message of this number stays where it is.</summary>
    public bool IsCopy => (flags & Copy) != 0;

    public long Number => _type;

    /// <summary>The one with the lowest type, of those up to a limit.</summary>
    public bool WantsLowest => !IsCopy && _type < 0;

    public bool Fits(long type)
    {
        if (_type == 0)
            return true;
        if (_type < 0)
            return type <= (_type == long.MinValue ? long.MaxValue : -_type);
        return (type == _type) != ((flags & Except) != 0);
    }
}

/// <summary>A task that waits for a message; it is handed over, so that nobody else can take it first. Linux: <c>msg_receiver</c>.</summary>
internal sealed class MessageReceiver
{
    public Task Task = null!;
    public MessageChoice Choice;

    /// <summary>The longest text that it takes; −1 for any (MSG_NOERROR).</summary>
    public long Most;
    public MessageReceiver? Next;
    public MessageReceiver? Previous;
    public bool IsQueued;

    /// <summary>Once it is not queued any more: a message, or why there is none.</summary>
    public Message? Message;
    public Errno Error;
}

/// <summary>A System V message queue. Linux: <c>msg_queue</c>; man 2 msgget. Guarded by <see cref="MessageQueues.Lock"/>.</summary>
internal sealed class MessageQueue : IpcObject
{
    public Message? First;
    public Message? Last;
    public ulong Count;
    public ulong Bytes;
    public ulong MaximumBytes;

    /// <summary>Seconds since 1970.</summary>
    public long SendTime;
    public long ReceiveTime;
    public long ChangeTime;
    public int LastSender;
    public int LastReceiver;

    public MessageReceiver? FirstReceiver;
    public MessageReceiver? LastReceiverWaiting;

    /// <summary>Those who wait for room.</summary>
    public WaitQueue Senders;

    /// <summary>Senders that hold the object over their sleep; a removed one goes with the last of them.</summary>
    public int Holders;
    public bool IsRemoved;
}
