using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Physical;

namespace NanoVm.Tasks;

/// <summary>All System V message queues. Linux: <c>ipc/msg.c</c>; man 7 sysvipc. One lock guards all.</summary>
internal sealed unsafe class MessageQueues
{
    /// <summary>Limits: queues, bytes of a message, of a queue. Linux: <c>MSGMNI</c>, <c>MSGMAX</c>, <c>MSGMNB</c>.</summary>
    public const int MaximumQueues = 32000, MaximumMessage = 8192, MaximumBytes = 16384;

    private readonly PhysicalMemory _memory;
    private readonly ObjectCache<MessageQueue> _queues;
    private readonly ObjectCache<Message> _messages;
    private readonly ObjectCache<MessageReceiver> _receivers;

    public readonly IpcTable<MessageQueue> Table;

    /// <summary>Linux: <c>msg_ids.rwsem</c> and each queue's lock.</summary>
    public Mutex Lock;

    /// <summary>In all queues.</summary>
    public ulong TotalMessages { get; private set; }
    public ulong TotalBytes { get; private set; }

    public MessageQueues(PhysicalMemory memory)
    {
        _memory = memory;
        _queues = new ObjectCache<MessageQueue>(memory, "msg_queue"u8);
        _messages = new ObjectCache<Message>(memory, "msg_msg"u8);
        _receivers = new ObjectCache<MessageReceiver>(memory, "msg_receiver"u8);
        Table = new IpcTable<MessageQueue>(memory.Arrays);
    }

    /// <summary>Finds or makes a queue. Linux: <c>newque</c>, <c>ipcget</c>.</summary>
    public Result<int> Get(Task task, in IpcRequest request)
    {
        using (Lock.Acquire())
        {
            if (!request.IsPrivate && Table.FindKey(request.Key) is { } found)
            {
                if (request.WhenFound != Errno.None)
                    return request.WhenFound;
                return found.MayUse(task, request.Mode) ? found.Identifier : Errno.EACCES;
            }

            if (request.WhenMissing != Errno.None)
                return request.WhenMissing;
            if (Table.Count >= MaximumQueues)
                return Errno.ENOSPC;
            if (_queues.Allocate() is not { } queue)
                return Errno.ENOMEM;
            Errno error = Table.Add(queue, task, request);
            if (error != Errno.None)
            {
                _queues.Free(queue);
                return error;
            }

            queue.MaximumBytes = MaximumBytes;
            queue.ChangeTime = task.Fs.Vfs.Now.Seconds;
            return queue.Identifier;
        }
    }

    /// <summary>Makes a message of a text in user memory, which belongs to no queue yet.</summary>
    public Result<Message> Load(VirtAddr text, int bytes, long type)
    {
        if (_messages.Allocate() is not { } message)
            return Errno.ENOMEM;
        message.Type = type;
        message.Bytes = bytes;
        Errno error = Errno.None;
        if (bytes != 0)
        {
            message.Text = (byte*)_memory.Kmalloc.Allocate((nuint)bytes);
            error = message.Text is null ? Errno.ENOMEM : UserCopy.CopyFromUser(new Span<byte>(message.Text, bytes), text);
        }

        if (error == Errno.None)
            return message;
        Free(message);
        return error;
    }

    public void Free(Message message)
    {
        if (message.Text is not null)
            _memory.Kmalloc.Free(message.Text, (nuint)message.Bytes);
        _messages.Free(message);
    }

    /// <summary>Puts a message into the queue, or into the hands of one who waits for it. Linux: <c>do_msgsnd</c>.</summary>
    /// <returns>EINVAL: no such queue; EACCES; EAGAIN: no room and <paramref name="wait"/> is false; EIDRM; a restart code. Then the message is still the caller's.</returns>
    public Errno Send(Task task, int identifier, Message message, bool wait)
    {
        using (Lock.Acquire())
        {
            if (Table.Find(identifier) is not { } queue)
                return Errno.EINVAL;
            queue.Holders++;
            Errno error = WaitForRoom(task, queue, message, wait);
            if (error == Errno.None)
            {
                queue.LastSender = task.Group.Tgid;
                queue.SendTime = task.Fs.Vfs.Now.Seconds;
                if (!HandOver(task, queue, message))
                    Append(queue, message);
            }

            Release(queue);
            return error;
        }
    }

    private Errno WaitForRoom(Task task, MessageQueue queue, Message message, bool wait)
    {
        while (true)
        {
            if (!queue.MayUse(task, 0x92))
                return Errno.EACCES;
            if (queue.Bytes + (ulong)message.Bytes <= queue.MaximumBytes && queue.Count + 1 <= queue.MaximumBytes)
                return Errno.None;
            if (!wait)
                return Errno.EAGAIN;
            // Joined before the lock goes: whoever makes room finds it.
            queue.Senders.PrepareToWait(task.WaitNode, ThreadState.Interruptible);
            Lock.Unlock();
            bool interrupted = task.SignalPending;
            if (!interrupted)
                PerCpu.Scheduler.Schedule();
            queue.Senders.FinishWait(task.WaitNode);
            Lock.Lock();
            if (queue.IsRemoved)
                return Errno.EIDRM;
            if (task.SignalPending)
                return Errno.ERESTARTNOHAND;
        }
    }

    /// <summary>Gives the message to the first receiver that wants it; those for whom it is too long are told on the way. Linux: <c>pipelined_send</c>.</summary>
    private static bool HandOver(Task sender, MessageQueue queue, Message message)
    {
        MessageReceiver? receiver = queue.FirstReceiver;
        while (receiver is not null)
        {
            MessageReceiver? next = receiver.Next;
            if (receiver.Choice.Fits(message.Type))
            {
                bool tooLong = receiver.Most >= 0 && message.Bytes > receiver.Most;
                if (!tooLong)
                {
                    receiver.Message = message;
                    queue.LastReceiver = receiver.Task.Group.Tgid;
                    queue.ReceiveTime = sender.Fs.Vfs.Now.Seconds;
                }

                Wake(queue, receiver, tooLong ? Errno.E2BIG : Errno.None);
                if (!tooLong)
                    return true;
            }

            receiver = next;
        }

        return false;
    }

    /// <summary>Takes a message out of the queue, waiting for it. Linux: <c>do_msgrcv</c>.</summary>
    /// <param name="most">The longest text that is taken; −1 for any.</param>
    /// <returns>
    /// The message, now the caller's; EINVAL: no such queue; EACCES; E2BIG: it is too long, and stays; ENOMSG: none and <paramref name="wait"/> is
    /// false; EIDRM; a restart code; ENOMEM.
    /// </returns>
    public Result<Message> Receive(Task task, int identifier, MessageChoice choice, long most, bool wait)
    {
        MessageReceiver receiver;
        using (Lock.Acquire())
        {
            if (Table.Find(identifier) is not { } queue)
                return Errno.EINVAL;
            if (!queue.MayUse(task, 0x124))
                return Errno.EACCES;
            if (Choose(queue, choice, out Message? before) is { } found)
            {
                if (most >= 0 && found.Bytes > most)
                    return Errno.E2BIG;
                if (choice.IsCopy)
                    return Duplicate(found);
                Unlink(queue, found, before);
                queue.LastReceiver = task.Group.Tgid;
                queue.ReceiveTime = task.Fs.Vfs.Now.Seconds;
                queue.Senders.WakeAll();
                return found;
            }

            if (!wait)
                return Errno.ENOMSG;
            if (_receivers.Allocate() is not { } made)
                return Errno.ENOMEM;
            receiver = made;
            receiver.Task = task;
            receiver.Choice = choice;
            receiver.Most = most;
            Append(queue, receiver);
        }

        return Sleep(task, identifier, receiver);
    }

    private Result<Message> Sleep(Task task, int identifier, MessageReceiver receiver)
    {
        Errno error = Errno.None;
        while (true)
        {
            task.State = ThreadState.Interruptible;
            if (!receiver.IsQueued)
                break;
            if (task.SignalPending)
            {
                error = Errno.ERESTARTNOHAND;
                break;
            }

            PerCpu.Scheduler.Schedule();
        }

        task.State = ThreadState.Running;
        using (Lock.Acquire())
        {
            // While it is queued its queue is there: removing one takes all receivers out.
            if (receiver.IsQueued)
                Unlink(Table.Find(identifier)!, receiver);
            else
                error = receiver.Error;
            Message? message = receiver.Message;
            _receivers.Free(receiver);
            return error == Errno.None ? message! : error;
        }
    }

    /// <summary>Limits or rights have changed: all who wait look again. Holds <see cref="Lock"/>.</summary>
    public static void Changed(MessageQueue queue, Task task)
    {
        queue.Senders.WakeAll();
        MessageReceiver? receiver = queue.FirstReceiver;
        while (receiver is not null)
        {
            MessageReceiver? next = receiver.Next;
            if (!queue.MayUse(receiver.Task, 0x124))
                Wake(queue, receiver, Errno.EACCES);
            receiver = next;
        }

        queue.ChangeTime = task.Fs.Vfs.Now.Seconds;
    }

    /// <summary>Removes a queue with all messages: whoever waits is told (EIDRM). Holds <see cref="Lock"/>. Linux: <c>freeque</c>.</summary>
    public void Remove(MessageQueue queue)
    {
        Lock.AssertHeld();
        while (queue.FirstReceiver is { } receiver)
            Wake(queue, receiver, Errno.EIDRM);
        queue.Senders.WakeAll();
        Table.Remove(queue);
        queue.IsRemoved = true;
        while (queue.First is { } message)
        {
            Unlink(queue, message, null);
            Free(message);
        }

        queue.Holders++;
        Release(queue);
    }

    private void Release(MessageQueue queue)
    {
        if (--queue.Holders == 0 && queue.IsRemoved)
            _queues.Free(queue);
    }

    private static Message? Choose(MessageQueue queue, MessageChoice choice, out Message? before)
    {
        before = null;
        Message? previous = null, found = null;
        long number = 0;
        for (Message? message = queue.First; message is not null; previous = message, message = message.Next, number++)
        {
            bool fits = choice.IsCopy ? number == choice.Number : choice.Fits(message.Type) && (found is null || message.Type < found.Type);
            if (!fits)
                continue;
            found = message;
            before = previous;
            if (!choice.WantsLowest)
                break;
        }

        return found;
    }

    private Result<Message> Duplicate(Message original)
    {
        if (_messages.Allocate() is not { } copy)
            return Errno.ENOMEM;
        copy.Type = original.Type;
        copy.Bytes = original.Bytes;
        if (original.Bytes == 0)
            return copy;
        copy.Text = (byte*)_memory.Kmalloc.Allocate((nuint)original.Bytes);
        if (copy.Text is null)
        {
            _messages.Free(copy);
            return Errno.ENOMEM;
        }

        new ReadOnlySpan<byte>(original.Text, original.Bytes).CopyTo(new Span<byte>(copy.Text, original.Bytes));
        return copy;
    }

    private void Append(MessageQueue queue, Message message)
    {
        message.Next = null;
        if (queue.Last is null)
            queue.First = message;
        else
            queue.Last.Next = message;
        queue.Last = message;
        queue.Count++;
        queue.Bytes += (ulong)message.Bytes;
        TotalMessages++;
        TotalBytes += (ulong)message.Bytes;
    }

    private void Unlink(MessageQueue queue, Message message, Message? before)
    {
        if (before is null)
            queue.First = message.Next;
        else
            before.Next = message.Next;
        if (ReferenceEquals(queue.Last, message))
            queue.Last = before;
        message.Next = null;
        queue.Count--;
        queue.Bytes -= (ulong)message.Bytes;
        TotalMessages--;
        TotalBytes -= (ulong)message.Bytes;
    }

    private static void Wake(MessageQueue queue, MessageReceiver receiver, Errno error)
    {
        Unlink(queue, receiver);
        receiver.Error = error;
        PerCpu.Scheduler.Wake(receiver.Task);
    }

    private static void Append(MessageQueue queue, MessageReceiver receiver)
    {
        receiver.Previous = queue.LastReceiverWaiting;
        if (queue.LastReceiverWaiting is null)
            queue.FirstReceiver = receiver;
        else
            queue.LastReceiverWaiting.Next = receiver;
        queue.LastReceiverWaiting = receiver;
        receiver.IsQueued = true;
    }

    private static void Unlink(MessageQueue queue, MessageReceiver receiver)
    {
        if (receiver.Previous is null)
            queue.FirstReceiver = receiver.Next;
        else
            receiver.Previous.Next = receiver.Next;
        if (receiver.Next is null)
            queue.LastReceiverWaiting = receiver.Previous;
        else
            receiver.Next.Previous = receiver.Previous;
        receiver.Next = null;
        receiver.Previous = null;
        receiver.IsQueued = false;
    }
}
