using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>System V message queues: <c>msgget msgsnd msgrcv msgctl</c>; man 7 sysvipc.</summary>
internal static unsafe class MessageSyscalls
{
    private const uint NoWait = 0x800, NoError = 0x1000, Except = 0x2000, Copy = 0x4000;
    private const int SlotStat = 11, UsageInfo = 12, SlotStatAny = 13;

    /// <summary>Bytes before the text: the type.</summary>
    private const ulong TypeBytes = 8;

    /// <summary><c>struct msqid64_ds</c> of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserQueue
    {
        public UserIpcRights Rights;
        public long SendTime;
        public long ReceiveTime;
        public long ChangeTime;
        public ulong Bytes;
        public ulong Count;
        public ulong MaximumBytes;
        public int LastSender;
        public int LastReceiver;
        public ulong Unused1;
        public ulong Unused2;
    }

    /// <summary><c>struct msginfo</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct UserInfo
    {
        public int Pool, Map, Message, Queue, Queues, SegmentBytes, Headers;
        public ushort Segments;
    }

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(68, "msgget"u8, &Get);
        table.Add(69, "msgsnd"u8, &Send);
        table.Add(70, "msgrcv"u8, &Receive);
        table.Add(71, "msgctl"u8, &Control);
    }

    /// <summary>man 2 msgget.</summary>
    private static SysResult Get(ref SyscallArguments a) => a.Task.System.Messages.Get(a.Task, new IpcRequest(a.Int0, a.UInt1));

    /// <summary>man 2 msgsnd.</summary>
    private static SysResult Send(ref SyscallArguments a)
    {
        Errno error = UserCopy.Get(a.Address1, out long type);
        if (error != Errno.None)
            return error;
        if (a.Arg2 > MessageQueues.MaximumMessage || a.Int0 < 0 || type < 1)
            return Errno.EINVAL;
        MessageQueues queues = a.Task.System.Messages;
        if (!queues.Load(a.Address1 + TypeBytes, (int)a.Arg2, type).TryGet(out Message message, out error))
            return error;
        error = queues.Send(a.Task, a.Int0, message, wait: (a.UInt3 & NoWait) == 0);
        if (error != Errno.None)
            queues.Free(message);
        return error;
    }

    /// <summary>man 2 msgrcv.</summary>
    private static SysResult Receive(ref SyscallArguments a)
    {
        uint flags = a.UInt4;
        if (a.Int0 < 0 || (long)a.Arg2 < 0)
            return Errno.EINVAL;
        if ((flags & Copy) != 0 && (flags & (Except | NoWait)) != NoWait)
            return Errno.EINVAL;
        MessageQueues queues = a.Task.System.Messages;
        Result<Message> received = queues.Receive(a.Task, a.Int0, new MessageChoice((long)a.Arg3, flags), (flags & NoError) != 0 ? -1 : (long)a.Arg2,
            wait: (flags & NoWait) == 0);
        if (!received.TryGet(out Message message, out Errno error))
            return error;

        // It has left the queue: when it cannot be written it is lost, as on Linux.
        int bytes = (int)Math.Min((ulong)message.Bytes, a.Arg2);
        error = UserCopy.Put(a.Address1, message.Type);
        if (error == Errno.None && bytes != 0)
            error = UserCopy.CopyToUser(a.Address1 + TypeBytes, new ReadOnlySpan<byte>(message.Text, bytes));
        queues.Free(message);
        return error != Errno.None ? error : bytes;
    }

    /// <summary>man 2 msgctl.</summary>
    private static SysResult Control(ref SyscallArguments a)
    {
        if (a.Int0 < 0 || a.Int1 < 0)
            return Errno.EINVAL;
        MessageQueues queues = a.Task.System.Messages;
        switch (a.Int1)
        {
            case IpcCommand.Info or UsageInfo:
                return Info(queues, a.Int1 == UsageInfo, a.Address2);
            case IpcCommand.Stat or SlotStat or SlotStatAny:
                return Stat(a.Task, queues, a.Int0, a.Int1, a.Address2);
            case IpcCommand.Set:
                Errno error = UserCopy.Get(a.Address2, out UserQueue wanted);
                return error != Errno.None ? error : Change(a.Task, queues, a.Int0, wanted, remove: false);
            case IpcCommand.Remove:
                return Change(a.Task, queues, a.Int0, default, remove: true);
            default:
                return Errno.EINVAL;
        }
    }

    private static SysResult Info(MessageQueues queues, bool usage, VirtAddr to)
    {
        var info = new UserInfo
        {
            Pool = MessageQueues.MaximumQueues * (MessageQueues.MaximumBytes / 1024),
            Map = MessageQueues.MaximumBytes,
            Message = MessageQueues.MaximumMessage,
            Queue = MessageQueues.MaximumBytes,
            Queues = MessageQueues.MaximumQueues,
            SegmentBytes = 16,
            Headers = MessageQueues.MaximumBytes,
            Segments = ushort.MaxValue,
        };
        int highest;
        using (queues.Lock.Acquire())
        {
            if (usage)
            {
                info.Pool = queues.Table.Count;
                info.Map = (int)Math.Min(queues.TotalMessages, int.MaxValue);
                info.Headers = (int)Math.Min(queues.TotalBytes, int.MaxValue);
            }

            highest = queues.Table.HighestSlot;
        }

        Errno error = UserCopy.Put(to, info);
        return error != Errno.None ? error : highest;
    }

    private static SysResult Stat(Task task, MessageQueues queues, int identifier, int command, VirtAddr to)
    {
        UserQueue user;
        int result = 0;
        using (queues.Lock.Acquire())
        {
            MessageQueue? queue = command == IpcCommand.Stat ? queues.Table.Find(identifier) : queues.Table.At(identifier % IpcTable<MessageQueue>.SlotsPerSequence);
            if (queue is null)
                return Errno.EINVAL;
            if (command != SlotStatAny && !queue.MayUse(task, 0x124))
                return Errno.EACCES;
            user = new UserQueue
            {
                Rights = UserIpcRights.Of(queue),
                SendTime = queue.SendTime,
                ReceiveTime = queue.ReceiveTime,
                ChangeTime = queue.ChangeTime,
                Bytes = queue.Bytes,
                Count = queue.Count,
                MaximumBytes = queue.MaximumBytes,
                LastSender = queue.LastSender,
                LastReceiver = queue.LastReceiver,
            };
            if (command != IpcCommand.Stat)
                result = queue.Identifier;
        }

        Errno error = UserCopy.Put(to, user);
        return error != Errno.None ? error : result;
    }

    private static SysResult Change(Task task, MessageQueues queues, int identifier, in UserQueue wanted, bool remove)
    {
        using (queues.Lock.Acquire())
        {
            if (queues.Table.Find(identifier) is not { } queue)
                return Errno.EINVAL;
            if (!queue.IsOwner(task))
                return Errno.EPERM;
            if (remove)
            {
                queues.Remove(queue);
                return SysResult.Success;
            }

            if (wanted.MaximumBytes > MessageQueues.MaximumBytes && !task.Credentials.Has(Capability.SysResource))
                return Errno.EPERM;
            Errno error = wanted.Rights.ApplyTo(queue);
            if (error != Errno.None)
                return error;
            queue.MaximumBytes = wanted.MaximumBytes;
            MessageQueues.Changed(queue, task);
            return SysResult.Success;
        }
    }
}
