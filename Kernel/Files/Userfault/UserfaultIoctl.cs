using NanoVm.Core;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Userfault;

/// <summary>The ioctls of a <see cref="UserfaultFile"/>: the handshake, what is watched, and the answers to faults.</summary>
/// <remarks>Linux: <c>userfaultfd_ioctl</c>; man 2 ioctl_userfaultfd.</remarks>
internal static class UserfaultIoctl
{
    public const ulong ApiVersion = 0xaa;

    // The numbers of ioctls, as bits in the masks that API and REGISTER answer.
    private const ulong ApiIoctls = (1UL << 0x3f) | (1 << 0) | (1 << 1);
    private const ulong FillIoctls = (1 << 2) | (1 << 3) | (1 << 4);
    private const ulong WriteProtectIoctl = 1 << 6;
    private const ulong ContinueIoctl = 1 << 7;
    public const ulong AllIoctls = ApiIoctls | FillIoctls | WriteProtectIoctl | ContinueIoctl;

    private const uint Api = 0xc018_aa3f;
    private const uint Register = 0xc020_aa00;
    private const uint Unregister = 0x8010_aa01;
    private const uint Wake = 0x8010_aa02;
    private const uint Copy = 0xc028_aa03;
    private const uint ZeroPage = 0xc020_aa04;
    private const uint WriteProtect = 0xc018_aa06;
    private const uint Continue = 0xc020_aa07;

    private const ulong ModeMissing = 1;
    private const ulong ModeWriteProtect = 2;
    private const ulong ModeMinor = 4;
    private const ulong DontWake = 1;
    private const ulong CopyWriteProtect = 2;

    /// <summary>How one page is filled.</summary>
    private enum Filling
    {
        Copy,
        ProtectedCopy,
        Zero,
        FromCache,
    }

    /// <returns>EINVAL for what is no command, and for all but the handshake before that.</returns>
    public static Result<long> Do(UserfaultContext context, TaskFiles who, uint command, VirtAddr argument)
    {
        if (command == Api)
            return Agree(context, who, argument);
        if (!context.IsReady)
            return Errno.EINVAL;
        return command switch
        {
            Register => DoRegister(context, argument),
            Unregister => DoUnregister(context, argument),
            Wake => DoWake(context, argument),
            Copy => DoCopy(context, argument),
            ZeroPage => DoZeroPage(context, argument),
            WriteProtect => DoWriteProtect(context, argument),
            Continue => DoContinue(context, argument),
            _ => Errno.EINVAL,
        };
    }

    private struct ApiArgument
    {
        public ulong Api;
        public ulong Features;
        public ulong Ioctls;
    }

    /// <summary>The handshake. A refusal leaves a structure of zeros. Linux: <c>userfaultfd_api</c>.</summary>
    private static Result<long> Agree(UserfaultContext context, TaskFiles who, VirtAddr argument)
    {
        if (UserCopy.Get(argument, out ApiArgument asked) != Errno.None)
            return Errno.EFAULT;
        var features = (UserfaultFeatures)asked.Features;
        Errno error = Errno.None;
        if (asked.Api != ApiVersion || (features & ~UserfaultFeatures.All) != 0)
            error = Errno.EINVAL;
        else if ((features & UserfaultFeatures.EventFork) != 0 && !who.Credentials.Has(Capability.SysPtrace))
            error = Errno.EPERM;
        if (error == Errno.None)
        {
            asked.Features = (ulong)UserfaultFeatures.All;
            asked.Ioctls = ApiIoctls;
            if (UserCopy.Put(argument, asked) != Errno.None)
                return Errno.EFAULT;
            if (!context.IsReady)
            {
                context.Features = features | UserfaultFeatures.Initialized;
                return 0L;
            }

            error = Errno.EINVAL;
        }

        return UserCopy.Put(argument, default(ApiArgument)) == Errno.None ? error : Errno.EFAULT;
    }

    private struct RangeArgument
    {
        public ulong Start;
        public ulong Length;
    }

    /// <summary>Linux: <c>validate_range</c>.</summary>
    private static Errno Check(UserfaultContext context, ulong start, ulong length, out PageRange range)
    {
        MmStruct mm = context.Mm;
        range = new PageRange(new VirtAddr(start), new VirtAddr(start + length));
        if (((start | length) & PageSize.Mask) != 0 || length == 0 || start < mm.System.MmapMinAddress)
            return Errno.EINVAL;
        return length > mm.TaskSize.Value || start > mm.TaskSize.Value - length ? Errno.EINVAL : Errno.None;
    }

    private static Result<long> DoRegister(UserfaultContext context, VirtAddr argument)
    {
        if (UserCopy.Get(argument, out RangeArgument asked) != Errno.None || UserCopy.Get(argument + 16, out ulong mode) != Errno.None)
            return Errno.EFAULT;
        if (mode == 0 || (mode & ~(ModeMissing | ModeWriteProtect | ModeMinor)) != 0)
            return Errno.EINVAL;
        Errno error = Check(context, asked.Start, asked.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        if (!context.Mm.TryGet())
            return Errno.ENOMEM;
        VmFlags flags = ((mode & ModeMissing) != 0 ? VmFlags.UserfaultMissing : VmFlags.None)
            | ((mode & ModeWriteProtect) != 0 ? VmFlags.UserfaultWriteProtect : VmFlags.None)
            | ((mode & ModeMinor) != 0 ? VmFlags.UserfaultMinor : VmFlags.None);
        error = context.Mm.RegisterUserfault(range, context, flags);
        context.Mm.Put();
        if (error != Errno.None)
            return error;
        ulong ioctls = FillIoctls | ((mode & ModeWriteProtect) != 0 ? WriteProtectIoctl : 0) | ((mode & ModeMinor) != 0 ? ContinueIoctl : 0);
        return UserCopy.Put(argument + 24, ioctls) == Errno.None ? 0L : Errno.EFAULT;
    }

    private static Result<long> DoUnregister(UserfaultContext context, VirtAddr argument)
    {
        Errno error = GetRange(context, argument, out PageRange range);
        if (error != Errno.None)
            return error;
        if (!context.Mm.TryGet())
            return Errno.ENOMEM;
        error = context.Mm.UnregisterUserfault(range);
        context.Mm.Put();
        return error == Errno.None ? 0L : error;
    }

    private static Result<long> DoWake(UserfaultContext context, VirtAddr argument)
    {
        Errno error = GetRange(context, argument, out PageRange range);
        if (error != Errno.None)
            return error;
        context.Wake(range);
        return 0L;
    }

    private static Errno GetRange(UserfaultContext context, VirtAddr argument, out PageRange range)
    {
        range = default;
        return UserCopy.Get(argument, out RangeArgument asked) != Errno.None ? Errno.EFAULT : Check(context, asked.Start, asked.Length, out range);
    }

    private struct CopyArgument
    {
        public ulong To;
        public ulong From;
        public ulong Length;
        public ulong Mode;
    }

    /// <summary>Fills missing pages with the program's bytes.</summary>
    private static Result<long> DoCopy(UserfaultContext context, VirtAddr argument)
    {
        if (context.Changing != 0)
            return Errno.EAGAIN;
        if (UserCopy.Get(argument, out CopyArgument copy) != Errno.None)
            return Errno.EFAULT;
        Errno error = Check(context, copy.To, copy.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        if (copy.From + copy.Length <= copy.From || (copy.Mode & ~(DontWake | CopyWriteProtect)) != 0)
            return Errno.EINVAL;
        Filling filling = (copy.Mode & CopyWriteProtect) != 0 ? Filling.ProtectedCopy : Filling.Copy;
        return Fill(context, range, filling, new VirtAddr(copy.From), argument + 32, (copy.Mode & DontWake) == 0);
    }

    private struct RangeModeArgument
    {
        public ulong Start;
        public ulong Length;
        public ulong Mode;
    }

    private static Result<long> DoZeroPage(UserfaultContext context, VirtAddr argument) => FillRange(context, argument, Filling.Zero);

    private static Result<long> DoContinue(UserfaultContext context, VirtAddr argument) => FillRange(context, argument, Filling.FromCache);

    private static Result<long> FillRange(UserfaultContext context, VirtAddr argument, Filling filling)
    {
        if (context.Changing != 0)
            return Errno.EAGAIN;
        if (UserCopy.Get(argument, out RangeModeArgument asked) != Errno.None)
            return Errno.EFAULT;
        Errno error = Check(context, asked.Start, asked.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        if ((asked.Mode & ~DontWake) != 0)
            return Errno.EINVAL;
        return Fill(context, range, filling, VirtAddr.Zero, argument + 24, (asked.Mode & DontWake) == 0);
    }

    /// <summary>Fills page by page, up to the first that cannot be.</summary>
    /// <param name="answer">Where the count of bytes, or the error of the first page, goes.</param>
    /// <returns>EAGAIN when some pages were filled and not all.</returns>
    private static Result<long> Fill(UserfaultContext context, PageRange range, Filling filling, VirtAddr from, VirtAddr answer, bool wake)
    {
        MmStruct mm = context.Mm;
        if (!mm.TryGet())
            return Errno.ESRCH;
        ulong done = 0;
        Errno error = mm.PrepareFill(context, range, filling == Filling.ProtectedCopy);
        while (done < range.Bytes && error == Errno.None)
        {
            error = FillPage(context, range, range.Start + done, from + done, filling);
            if (error != Errno.None)
                break;
            done += PageSize.Bytes;
            if (TaskMemory.Current.FatalSignalPending)
                error = Errno.EINTR;
            PerCpu.Scheduler.CondResched();
        }

        mm.Put();
        long result = done > 0 ? (long)done : -(long)error;
        if (UserCopy.Put(answer, result) != Errno.None)
            return Errno.EFAULT;
        if (done == 0)
            return error;
        if (wake)
            context.Wake(new PageRange(range.Start, range.Start + done));
        return done == range.Bytes ? 0L : Errno.EAGAIN;
    }

    private static Errno FillPage(UserfaultContext context, PageRange whole, VirtAddr to, VirtAddr from, Filling filling)
    {
        MmStruct mm = context.Mm;
        if (filling == Filling.FromCache)
            return mm.FillFromCache(context, whole, to);
        if (filling == Filling.Zero)
            return mm.FillMissing(context, whole, to, Pfn.None, writeProtected: false);
        FrameAllocator frames = mm.System.Frames;
        if (frames.Allocate(AllocationFlags.None, out Pfn page) != Errno.None)
            return Errno.ENOMEM;
        if (UserCopy.CopyFromUser(DirectMap.Page(page), from) != Errno.None)
        {
            frames.Put(page);
            return Errno.EFAULT;
        }

        return mm.FillMissing(context, whole, to, page, filling == Filling.ProtectedCopy);
    }

    private static Result<long> DoWriteProtect(UserfaultContext context, VirtAddr argument)
    {
        if (context.Changing != 0)
            return Errno.EAGAIN;
        if (UserCopy.Get(argument, out RangeModeArgument asked) != Errno.None)
            return Errno.EFAULT;
        Errno error = Check(context, asked.Start, asked.Length, out PageRange range);
        if (error != Errno.None)
            return error;
        const ulong protect = 1;
        const ulong dontWake = 2;
        bool isProtect = (asked.Mode & protect) != 0;
        bool wake = (asked.Mode & dontWake) == 0;
        if ((asked.Mode & ~(protect | dontWake)) != 0 || (isProtect && !wake))
            return Errno.EINVAL;
        if (!context.Mm.TryGet())
            return Errno.ESRCH;
        error = context.Mm.ProtectForUserfault(context, range, isProtect);
        context.Mm.Put();
        if (error != Errno.None)
            return error;
        if (!isProtect && wake)
            context.Wake(range);
        return 0L;
    }
}
