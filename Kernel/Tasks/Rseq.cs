using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Restartable sequences: per-processor data of a program without locks.</summary>
/// <remarks>
/// Linux: <c>kernel/rseq.c</c>; <c>rseq(2)</c> and <c>&lt;linux/rseq.h&gt;</c>. The 32 bytes that a thread registers are:
/// <code>
///    0  cpu_id_start   4  cpu_id   8  rseq_cs (address of the section being run)   16  flags
/// </code>
/// When a thread is preempted, gets a signal, or moves, and its instruction pointer lies inside its section, it goes on at the section's abort
/// handler. A section that lies about itself gets SIGSEGV.
/// </remarks>
internal static class Rseq
{
    private const uint AreaBytes = 32;
    private const int FlagUnregister = 1;
    private const uint Uninitialized = uint.MaxValue;

    /// <summary>man 2 rseq.</summary>
    public static Errno Register(Task task, VirtAddr area, uint bytes, int flags, uint signature)
    {
        if ((flags & FlagUnregister) != 0)
        {
            if ((flags & ~FlagUnregister) != 0)
                return Errno.EINVAL;
            if (task.RseqArea != area || task.RseqArea.IsZero)
                return Errno.EINVAL;
            if (bytes != AreaBytes)
                return Errno.EINVAL;
            if (task.RseqSignature != signature)
                return Errno.EPERM;
            if (UserCopy.Put(area, 0u) != Errno.None || UserCopy.Put(area + 4, Uninitialized) != Errno.None)
                return Errno.EFAULT;
            task.RseqArea = default;
            task.RseqBytes = 0;
            task.RseqSignature = 0;
            return Errno.None;
        }
        if (flags != 0)
            return Errno.EINVAL;
        if (!task.RseqArea.IsZero)
        {
            if (task.RseqArea != area || bytes != task.RseqBytes)
                return Errno.EINVAL;
            return task.RseqSignature != signature ? Errno.EPERM : Errno.EBUSY;
        }
        if ((area.Value & (AreaBytes - 1)) != 0 || bytes != AreaBytes)
            return Errno.EINVAL;
        if (!UserSpace.Contains(area, bytes))
            return Errno.EFAULT;
        task.RseqArea = area;
        task.RseqBytes = bytes;
        task.RseqSignature = signature;
        return UpdateProcessor(task) ? Errno.None : Errno.EFAULT;
    }

    /// <summary>The thread has been preempted or is about to handle a signal: look before it goes on.</summary>
    public static void NoteEvent(Task task)
    {
        if (task.RseqArea.IsZero || task.RseqEvent)
            return;
        task.RseqEvent = true;
    }

    /// <summary>Before the return to user mode after an event. Linux: <c>__rseq_handle_notify_resume</c>.</summary>
    public static void HandleResume(Task task, ref TrapFrame frame)
    {
        task.RseqEvent = false;
        if (task.RseqArea.IsZero || task.IsExiting)
            return;
        if (!FixInstructionPointer(task, ref frame) || !UpdateProcessor(task))
        {
            SignalInfo info = default;
            info.Signal = SignalNumber.Segmentation;
            info.Code = SignalInfo.CodeKernel;
            Signals.Force(task, info);
        }
    }

    private static bool UpdateProcessor(Task task)
    {
        var processor = (uint)PerCpu.Number;
        return UserCopy.Put(task.RseqArea, processor) == Errno.None && UserCopy.Put(task.RseqArea + 4, processor) == Errno.None;
    }

    /// <summary>Inside a section: to its abort handler. The word before the handler must be the registered signature.</summary>
    private static bool FixInstructionPointer(Task task, ref TrapFrame frame)
    {
        if (UserCopy.Get(task.RseqArea + 8, out ulong section) != Errno.None)
            return false;
        if (section == 0)
            return true;
        if (section >= UserSpace.Limit)
            return false;
        var descriptor = new VirtAddr(section);
        if (UserCopy.Get(descriptor, out ulong versionAndFlags) != Errno.None
            || UserCopy.Get(descriptor + 8, out ulong start) != Errno.None
            || UserCopy.Get(descriptor + 16, out ulong length) != Errno.None
            || UserCopy.Get(descriptor + 24, out ulong abort) != Errno.None)
        {
            return false;
        }
        if (start >= UserSpace.Limit || start + length >= UserSpace.Limit || abort >= UserSpace.Limit || start + length < start)
            return false;
        if ((uint)versionAndFlags != 0 || abort - start < length)
            return false;
        if (UserCopy.Get(new VirtAddr(abort - 4), out uint signature) != Errno.None || signature != task.RseqSignature)
            return false;

        bool inside = frame.Rip - start < length;
        if (UserCopy.Put(task.RseqArea + 8, 0ul) != Errno.None)
            return false;
        if (inside)
            frame.Rip = abort;
        return true;
    }
}
