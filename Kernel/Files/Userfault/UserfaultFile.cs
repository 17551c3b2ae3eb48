using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Userfault;

/// <summary>The descriptor by which a program answers page faults. Linux: <c>fs/userfaultfd.c</c>; man 2 userfaultfd, ioctl_userfaultfd.</summary>
/// <remarks>What the memory does is in <c>Memory/Faults/Userfault.cs</c>; here are the messages and the ioctls.</remarks>
internal sealed class UserfaultFile : OpenFile
{
    private const ulong ApiVersion = 0xaa;
    private const byte EventPageFault = 0x12;
    private const int MessageBytes = 32;

    private const ulong FeatureWriteProtect = 1 << 0;
    private const ulong FeatureSigbus = 1 << 7;
    private const ulong FeatureThreadId = 1 << 8;
    private const ulong FeatureExactAddress = 1 << 11;
    private const ulong Features = FeatureWriteProtect | FeatureSigbus | FeatureThreadId | FeatureExactAddress;

    // The numbers of ioctls, as bits in the masks that API and REGISTER answer.
    private const ulong ApiIoctls = (1UL << 0x3f) | (1 << 0) | (1 << 1);
    private const ulong MissingIoctls = (1 << 2) | (1 << 3) | (1 << 4);
    private const ulong WriteProtectIoctl = 1 << 6;

    private const uint IoctlApi = 0xc018_aa3f;
    private const uint IoctlRegister = 0xc020_aa00;
    private const uint IoctlUnregister = 0x8010_aa01;
    private const uint IoctlWake = 0x8010_aa02;
    private const uint IoctlCopy = 0xc028_aa03;
    private const uint IoctlZeroPage = 0xc020_aa04;
    private const uint IoctlWriteProtect = 0xc018_aa06;

    private const ulong ModeMissing = 1;
    private const ulong ModeWriteProtect = 2;
    private const ulong DontWake = 1;
    private const ulong CopyWriteProtect = 2;

    private IoSystem _io = null!;
    private UserfaultContext _context = null!;

    /// <summary>API was called: the other ioctls work.</summary>
    private bool _isReady;
    private ulong _features;

    public static Result<OpenFile> Create(IoSystem io, TaskFiles who, bool userModeOnly, OpenFlags flags)
    {
        MmStruct mm = who.Mm!;
        if (!io.EventFileSystem.MakePlace(who, 0x180, "[userfaultfd]"u8).TryGet(out PathRef place, out Errno error))
            return error;
        UserfaultFile? file = io.UserfaultFiles.Allocate();
        UserfaultContext? context = file is null ? null : mm.System.UserfaultContexts.Allocate();
        if (context is null)
        {
            if (file is not null)
                io.UserfaultFiles.Free(file);
            place.Put();
            return Errno.ENOMEM;
        }

        context.Initialize(mm);
        context.UserModeOnly = userModeOnly;
        file!._io = io;
        file._context = context;
        file.Initialize(place, OpenFlags.ReadWrite | (flags & OpenFlags.NonBlocking));
        file.Modes &= ~(OpenModes.Seek | OpenModes.Positional);
        place.Put();
        return file;
    }

    /// <summary>Messages of 32 bytes, one a fault; waits for the first.</summary>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        if (!_isReady || to.Remaining < MessageBytes)
            return Errno.EINVAL;
        Span<byte> message = stackalloc byte[MessageBytes];
        long done = 0;
        while (to.Remaining >= MessageBytes)
        {
            if (!_context.TryRead(out VirtAddr page, out VirtAddr exact, out ulong flags, out int threadId))
            {
                if (done > 0)
                    break;
                if (IsNonBlocking)
                    return Errno.EAGAIN;
                if (who.SignalPending)
                    return Errno.ERESTARTSYS;
                _context.Readers.PrepareToWait(who.WaitNode, ThreadState.Interruptible);
                if (!_context.HasPending && !who.SignalPending)
                    PerCpu.Scheduler.Schedule();
                _context.Readers.FinishWait(who.WaitNode);
                continue;
            }

            message.Clear();
            message[0] = EventPageFault;
            ulong address = (_features & FeatureExactAddress) != 0 ? exact.Value : page.Value;
            MemoryMarshal.Write(message[8..], flags);
            MemoryMarshal.Write(message[16..], address);
            if ((_features & FeatureThreadId) != 0)
                MemoryMarshal.Write(message[24..], threadId);
            if (to.CopyToIter(message, out _) != Errno.None)
                return done > 0 ? done : Errno.EFAULT;
            done += MessageBytes;
        }

        return done;
    }

    /// <inheritdoc/>
    public override PollEvents Poll(PollTable? table)
    {
        table?.Register(ref _context.Readers);
        if (!_isReady || !IsNonBlocking)
            return PollEvents.Err;          // a blocking descriptor could lose a race for the message, so Linux refuses to poll it
        return _context.HasPending ? PollEvents.In : PollEvents.None;
    }

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument)
    {
        if (command == IoctlApi)
            return Api(argument);
        if (!_isReady)
            return Errno.EINVAL;
        return command switch
        {
            IoctlRegister => Register(argument),
            IoctlUnregister => Unregister(argument),
            IoctlWake => Wake(argument),
            IoctlCopy => Copy(argument),
            IoctlZeroPage => ZeroPage(argument),
            IoctlWriteProtect => WriteProtect(argument),
            _ => Errno.EINVAL,
        };
    }

    private struct ApiArgument
    {
        public ulong Api;
        public ulong Features;
        public ulong Ioctls;
    }

    private Result<long> Api(VirtAddr argument)
    {
        if (UserCopy.Get(argument, out ApiArgument api) != Errno.None)
            return Errno.EFAULT;
        if (_isReady || api.Api != ApiVersion || (api.Features & ~Features) != 0)
        {
            if (!_isReady)
                _ = UserCopy.Put(argument, default(ApiArgument));
            return Errno.EINVAL;
        }

        _features = api.Features;
        api.Features = Features;
        api.Ioctls = ApiIoctls;
        if (UserCopy.Put(argument, api) != Errno.None)
            return Errno.EFAULT;
        _context.GivesSigbus = (_features & FeatureSigbus) != 0;
        _isReady = true;
        return 0L;
    }

    private struct RangeArgument
    {
        public ulong Start;
        public ulong Length;
    }

    /// <summary>Linux: <c>validate_range</c>.</summary>
    private Errno Check(ulong start, ulong length, out PageRange range)
    {
        MmStruct mm = _context.Mm;
        range = new PageRange(new VirtAddr(start), new VirtAddr(start + length));
        if (((start | length) & PageSize.Mask) != 0 || length == 0 || start < mm.System.MmapMinAddress)
            return Errno.EINVAL;
        return length > mm.TaskSize.Value || start > mm.TaskSize.Value - length ? Errno.EINVAL : Errno.None;
    }

    private Result<long> Register(VirtAddr argument)
    {
        if (UserCopy.Get(argument, out RangeArgument asked) != Errno.None || UserCopy.Get(argument + 16, out ulong mode) != Errno.None)
            return Errno.EFAULT;
        if (mode == 0 || (mode & ~(ModeMissing | ModeWriteProtect)) != 0)
            return Errno.EINVAL;
        Errno error = Check(asked.Start, asked.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        if (!_context.Mm.TryGet())
            return Errno.ENOMEM;
        VmFlags flags = ((mode & ModeMissing) != 0 ? VmFlags.UserfaultMissing : VmFlags.None)
            | ((mode & ModeWriteProtect) != 0 ? VmFlags.UserfaultWriteProtect : VmFlags.None);
        error = _context.Mm.SetUserfault(range, _context, flags);
        _context.Mm.Put();
        if (error != Errno.None)
            return error;
        ulong ioctls = MissingIoctls | ((mode & ModeWriteProtect) != 0 ? WriteProtectIoctl : 0);
        return UserCopy.Put(argument + 24, ioctls) == Errno.None ? 0L : Errno.EFAULT;
    }

    private Result<long> Unregister(VirtAddr argument)
    {
        Errno error = GetRange(argument, out PageRange range);
        if (error != Errno.None)
            return error;
        if (!_context.Mm.TryGet())
            return Errno.ENOMEM;
        error = _context.Mm.SetUserfault(range, null, VmFlags.None);
        _context.Mm.Put();
        _context.Wake(range);
        return error == Errno.None ? 0L : error;
    }

    private Result<long> Wake(VirtAddr argument)
    {
        Errno error = GetRange(argument, out PageRange range);
        if (error != Errno.None)
            return error;
        _context.Wake(range);
        return 0L;
    }

    private Errno GetRange(VirtAddr argument, out PageRange range)
    {
        range = default;
        return UserCopy.Get(argument, out RangeArgument asked) != Errno.None ? Errno.EFAULT : Check(asked.Start, asked.Length, out range);
    }

    private struct CopyArgument
    {
        public ulong To;
        public ulong From;
        public ulong Length;
        public ulong Mode;
    }

    /// <summary>Fills missing pages with the program's bytes. The count of bytes, or the error of the first page, goes to the structure, too.</summary>
    private Result<long> Copy(VirtAddr argument)
    {
        if (UserCopy.Get(argument, out CopyArgument copy) != Errno.None)
            return Errno.EFAULT;
        Errno error = Check(copy.To, copy.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        if (copy.From + copy.Length <= copy.From || (copy.Mode & ~(DontWake | CopyWriteProtect)) != 0)
            return Errno.EINVAL;
        if (!_context.Mm.TryGet())
            return Errno.ESRCH;

        MmStruct mm = _context.Mm;
        ulong done = 0;
        while (done < copy.Length && error == Errno.None)
        {
            error = CopyPage(mm, copy.To + done, copy.From + done, (copy.Mode & CopyWriteProtect) != 0);
            if (error == Errno.None)
                done += PageSize.Bytes;
        }

        mm.Put();
        return Finish(argument + 32, range.Start, done, copy.Length, error, (copy.Mode & DontWake) == 0);
    }

    private static Errno CopyPage(MmStruct mm, ulong to, ulong from, bool writeProtected)
    {
        FrameAllocator frames = mm.System.Frames;
        if (frames.Allocate(AllocationFlags.User, out Pfn page) != Errno.None)
            return Errno.ENOMEM;
        if (UserCopy.CopyFromUser(DirectMap.Page(page), new VirtAddr(from)) != Errno.None)
        {
            frames.Put(page);
            return Errno.EFAULT;
        }

        return mm.FillMissing(new VirtAddr(to), page, writeProtected);
    }

    private struct ZeroArgument
    {
        public ulong Start;
        public ulong Length;
        public ulong Mode;
    }

    private Result<long> ZeroPage(VirtAddr argument)
    {
        if (UserCopy.Get(argument, out ZeroArgument zero) != Errno.None)
            return Errno.EFAULT;
        Errno error = Check(zero.Start, zero.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        if ((zero.Mode & ~DontWake) != 0)
            return Errno.EINVAL;
        if (!_context.Mm.TryGet())
            return Errno.ESRCH;
        ulong done = 0;
        while (done < zero.Length && error == Errno.None)
        {
            error = _context.Mm.FillMissing(range.Start + done, Pfn.None, writeProtected: false);
            if (error == Errno.None)
                done += PageSize.Bytes;
        }

        _context.Mm.Put();
        return Finish(argument + 24, range.Start, done, zero.Length, error, (zero.Mode & DontWake) == 0);
    }

    private Result<long> Finish(VirtAddr answer, VirtAddr start, ulong done, ulong asked, Errno error, bool wake)
    {
        long result = done > 0 ? (long)done : -(long)error;
        if (UserCopy.Put(answer, result) != Errno.None)
            return Errno.EFAULT;
        if (done == 0)
            return error;
        if (wake)
            _context.Wake(new PageRange(start, start + done));
        return done == asked ? 0L : Errno.EAGAIN;
    }

    private Result<long> WriteProtect(VirtAddr argument)
    {
        if (UserCopy.Get(argument, out ZeroArgument asked) != Errno.None)
            return Errno.EFAULT;
        Errno error = Check(asked.Start, asked.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        const ulong protect = 1;
        const ulong dontWake = 2;
        bool isProtect = (asked.Mode & protect) != 0;
        bool wake = (asked.Mode & dontWake) == 0;
        if ((asked.Mode & ~(protect | dontWake)) != 0 || (isProtect && !wake))
            return Errno.EINVAL;
        if (!_context.Mm.TryGet())
            return Errno.ESRCH;
        error = _context.Mm.ProtectForUserfault(range, isProtect);
        _context.Mm.Put();
        if (error != Errno.None)
            return error;
        if (!isProtect && wake)
            _context.Wake(range);
        return 0L;
    }

    /// <inheritdoc/>
    protected override void Release()
    {
        _context.Mm.DropUserfault(_context);
        _context.Put();
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _io.UserfaultFiles.Free(this);
}
