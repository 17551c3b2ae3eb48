using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Userfault;

/// <summary>The descriptor by which a program answers page faults. Linux: <c>fs/userfaultfd.c</c>; man 2 userfaultfd, ioctl_userfaultfd.</summary>
/// <remarks>What the memory does is in <c>Memory/Faults/Userfault.cs</c>; here are the messages, in <see cref="UserfaultIoctl"/> the answers.</remarks>
internal sealed class UserfaultFile : OpenFile
{
    private const int MessageBytes = 32;

    private IoSystem _io = null!;
    private UserfaultContext _context = null!;

    /// <summary>A descriptor for the faults of <paramref name="who"/>'s own address space. Linux: <c>new_userfaultfd</c>.</summary>
    public static Result<OpenFile> Create(IoSystem io, TaskFiles who, bool userModeOnly, OpenFlags flags)
    {
        MmStruct mm = who.Mm!;
        if (mm.System.UserfaultContexts.Allocate() is not { } context)
            return Errno.ENOMEM;
        context.Initialize(mm);
        context.UserModeOnly = userModeOnly;
        Result<OpenFile> made = Create(io, who, context, flags);
        if (!made.IsOk)
            context.Put();
        return made;
    }

    /// <summary>A descriptor for <paramref name="context"/>; takes over the caller's reference on success.</summary>
    private static Result<OpenFile> Create(IoSystem io, TaskFiles who, UserfaultContext context, OpenFlags flags)
    {
        if (!io.EventFileSystem.MakePlace(who, 0x180, "[userfaultfd]"u8).TryGet(out PathRef place, out Errno error))
            return error;
        UserfaultFile? file = io.UserfaultFiles.Allocate();
        if (file is null)
        {
            place.Put();
            return Errno.ENOMEM;
        }

        file._io = io;
        file._context = context;
        file.Initialize(place, OpenFlags.ReadWrite | (flags & OpenFlags.NonBlocking));
        file.Modes &= ~(OpenModes.Seek | OpenModes.Positional);
        place.Put();
        return file;
    }

    /// <summary>Messages of 32 bytes, one a fault or event; waits for the first only.</summary>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        if (!_context.IsReady || to.Remaining < MessageBytes)
            return Errno.EINVAL;
        Span<byte> message = stackalloc byte[MessageBytes];
        long done = 0;
        while (to.Remaining >= MessageBytes)
        {
            Errno error = ReadMessage(who, message, mayWait: done == 0 && !IsNonBlocking);
            if (error != Errno.None)
                return done > 0 ? done : error;
            if (to.CopyToIter(message, out _) != Errno.None)
                return done > 0 ? done : Errno.EFAULT;
            done += MessageBytes;
        }

        return done;
    }

    private Errno ReadMessage(TaskFiles who, Span<byte> message, bool mayWait)
    {
        while (true)
        {
            if (TryReadFault(message))
                return Errno.None;
            if (_context.PeekEvent() is { } seen)
            {
                Errno error = ReadEvent(who, seen, message);
                if (error == Errno.EAGAIN)
                    continue;                   // another reader was faster
                return error;
            }

            if (!mayWait)
                return Errno.EAGAIN;
            if (who.SignalPending)
                return Errno.ERESTARTSYS;
            _context.Readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
            if (!_context.HasPending && !who.SignalPending)
                PerCpu.Scheduler.Schedule();
            _context.Readers.FinishWait(who.WaitNode);
        }
    }

    private bool TryReadFault(Span<byte> message)
    {
        if (!_context.TryRead(out VirtAddr page, out VirtAddr exact, out ulong flags, out int threadId))
            return false;
        message.Clear();
        message[0] = (byte)UserfaultEventKind.PageFault;
        MemoryMarshal.Write(message[8..], flags);
        MemoryMarshal.Write(message[16..], (_context.Has(UserfaultFeatures.ExactAddress) ? exact : page).Value);
        if (_context.Has(UserfaultFeatures.ThreadId))
            MemoryMarshal.Write(message[24..], threadId);
        return true;
    }

    /// <summary>Takes an event and lets its teller go on. That of a fork gives the reader a descriptor for the child.</summary>
    private Errno ReadEvent(TaskFiles who, UserfaultEvent seen, Span<byte> message)
    {
        message.Clear();
        message[0] = (byte)seen.Kind;
        if (seen.Kind != UserfaultEventKind.Fork)
        {
            MemoryMarshal.Write(message[8..], seen.Argument0);
            MemoryMarshal.Write(message[16..], seen.Argument1);
            MemoryMarshal.Write(message[24..], seen.Argument2);
            return _context.TryTake(seen) ? Errno.None : Errno.EAGAIN;
        }

        UserfaultContext child = seen.Child!;
        child.Get();
        if (!Create(_io, who, child, Flags).TryGet(out OpenFile file, out Errno error))
        {
            child.Put();
            return error;                       // the event stays: the next reader may have more room
        }

        Result<int> fd = who.Files.Reserve(who, CloseOnExec.No);
        if (!fd.IsOk || !_context.TryTake(seen))
        {
            if (fd.IsOk)
                who.Files.Unreserve(fd.Value);
            ((UserfaultFile)file).Forget();
            return fd.IsOk ? Errno.EAGAIN : fd.Error;
        }

        seen.Child = null;                      // the teller has not run yet: it wakes when we sleep
        child.Put();
        who.Files.Install(fd.Value, file);
        MemoryMarshal.Write(message[8..], fd.Value);
        return Errno.None;
    }

    /// <summary>Closes a descriptor that nobody has got: what it watches goes on being watched.</summary>
    private void Forget()
    {
        UserfaultContext context = _context;
        _context = null!;
        Put();
        context.Put();
    }

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
    {
        table?.Register(ref _context.Readers);
        if (!_context.IsReady || !IsNonBlocking)
            return PollEvents.Err;          // a blocking descriptor could lose a race for the message, so Linux refuses to poll it
        return _context.HasPending ? PollEvents.In : PollEvents.None;
    }

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument) => UserfaultIoctl.Do(_context, who, command, argument);

    /// <inheritdoc/>
    public override void WriteInfo(ref TextWriter w)
    {
        _context.Count(out ulong unread, out ulong all);
        w.Text("pending:\t"u8);
        w.Decimal(unread);
        w.Text("\ntotal:\t"u8);
        w.Decimal(all);
        w.Text("\nAPI:\t"u8);
        w.Hex(UserfaultIoctl.ApiVersion);
        w.Byte((byte)':');
        w.Hex((ulong)_context.Features);
        w.Byte((byte)':');
        w.Hex(UserfaultIoctl.AllIoctls);
        w.Byte((byte)'\n');
    }

    /// <inheritdoc/>
    protected override void Release()
    {
        if (_context is not { } context)
            return;
        context.Mm.DropUserfault(context);
        context.Put();
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.UserfaultFiles.Free(this);
}
