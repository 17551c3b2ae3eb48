using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary><c>siginfo_t</c> as user space sees it: 128 bytes. CORE completes it.</summary>
internal static class SignalInfoFormat
{
    /// <summary>Reads one that a user has made (<c>rt_sigqueueinfo</c>, <c>pidfd_send_signal</c>).</summary>
    public static Errno Read(VirtAddr from, out SignalInfo info)
    {
        info = default;
        Errno error = UserCopy.Get(from, out info.Signal);
        if (error == Errno.None)
            error = UserCopy.Get(from + 4, out info.Error);
        if (error == Errno.None)
            error = UserCopy.Get(from + 8, out info.Code);
        if (error == Errno.None)
            error = UserCopy.Get(from + 16, out info.Pid);
        if (error == Errno.None)
            error = UserCopy.Get(from + 20, out info.Uid);
        return error == Errno.None ? UserCopy.Get(from + 24, out info.Value) : error;
    }
}
