using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Files.Proc;
using NanoVm.Files.Proc.Machine;

namespace NanoVm.Tasks.Proc;

/// <summary>A file of <c>/proc/sysvipc</c> about System V objects, one a line. Linux: <c>sysvipc_proc_show</c>.</summary>
internal abstract class InterprocessFile(ReadOnlySpan<byte> name) : ProcText(name)
{
    /// <summary>The first line.</summary>
    protected abstract ReadOnlySpan<byte> Heading { get; }

    /// <summary>Slots that may hold an object.</summary>
    protected abstract int SlotCount { get; }

    /// <summary>Writes the line of the object of a slot; nothing when there is none.</summary>
    protected abstract void Show(int slot, ref TextWriter w);

    protected abstract void Lock();

    protected abstract void Unlock();

    /// <inheritdoc/>
    public sealed override Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor)
    {
        Lock();
        for (; cursor.Position <= (ulong)SlotCount; cursor.Position++)
        {
            int before = w.Length;
            if (cursor.Position == 0)
                w.Text(Heading);
            else
                Show((int)cursor.Position - 1, ref w);
            if (!w.Overflowed)
                continue;
            w.Truncate(before);
            break;
        }

        cursor.Ended = cursor.Position > (ulong)SlotCount;
        Unlock();
        return Errno.None;
    }

    /// <summary>Key, identifier and mode, with which all lines begin.</summary>
    protected static void Begin(ref TextWriter w, IpcObject item)
    {
        w.Signed(item.Key, 10);
        w.Byte((byte)' ');
        w.Signed(item.Identifier, 10);
        w.Text("  "u8);
        SharedSegmentsFile.WriteMode(ref w, item.Mode);
    }

    /// <summary>A space and a number.</summary>
    protected static void Number(ref TextWriter w, long value, int width)
    {
        w.Byte((byte)' ');
        w.Signed(value, width);
    }

    /// <summary>Owner and creator.</summary>
    protected static void Owners(ref TextWriter w, IpcObject item)
    {
        Number(ref w, item.Uid, 5);
        Number(ref w, item.Gid, 5);
        Number(ref w, item.CreatorUid, 5);
        Number(ref w, item.CreatorGid, 5);
    }
}

/// <summary><c>/proc/sysvipc/sem</c>. Linux: <c>sysvipc_sem_proc_show</c>.</summary>
internal sealed class SemaphoreSetsFile(SemaphoreSets sets) : InterprocessFile("sem"u8)
{
    private readonly SemaphoreSets _sets = sets;

    protected override ReadOnlySpan<byte> Heading => "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"u8;

    protected override int SlotCount => _sets.Table.SlotCount;

    protected override void Lock() => _sets.Lock.Lock();

    protected override void Unlock() => _sets.Lock.Unlock();

    /// <inheritdoc/>
    protected override void Show(int slot, ref TextWriter w)
    {
        if (_sets.Table.At(slot) is not { } set)
            return;
        Begin(ref w, set);
        Number(ref w, set.Semaphores.Length, 10);
        Owners(ref w, set);
        Number(ref w, set.OperationTime, 10);
        Number(ref w, set.ChangeTime, 10);
        w.Byte((byte)'\n');
    }
}

/// <summary><c>/proc/sysvipc/msg</c>. Linux: <c>sysvipc_msg_proc_show</c>.</summary>
internal sealed class MessageQueuesFile(MessageQueues queues) : InterprocessFile("msg"u8)
{
    private readonly MessageQueues _queues = queues;

    protected override ReadOnlySpan<byte> Heading
        => "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n"u8;

    protected override int SlotCount => _queues.Table.SlotCount;

    protected override void Lock() => _queues.Lock.Lock();

    protected override void Unlock() => _queues.Lock.Unlock();

    /// <inheritdoc/>
    protected override void Show(int slot, ref TextWriter w)
    {
        if (_queues.Table.At(slot) is not { } queue)
            return;
        Begin(ref w, queue);
        w.Byte((byte)' ');
        Number(ref w, (long)queue.Bytes, 10);
        Number(ref w, (long)queue.Count, 10);
        Number(ref w, queue.LastSender, 5);
        Number(ref w, queue.LastReceiver, 5);
        Owners(ref w, queue);
        Number(ref w, queue.SendTime, 10);
        Number(ref w, queue.ReceiveTime, 10);
        Number(ref w, queue.ChangeTime, 10);
        w.Byte((byte)'\n');
    }
}
