using System;
using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary><c>struct rusage</c> as user space sees it: 18 words.</summary>
internal static unsafe class RusageFormat
{
    public static Errno Write(VirtAddr to, in ResourceUsage usage)
    {
        ulong* words = stackalloc ulong[18];
        new Span<ulong>(words, 18).Clear();
        words[0] = usage.Times.User / 1_000_000_000;
        words[1] = usage.Times.User % 1_000_000_000 / 1000;
        words[2] = usage.Times.System / 1_000_000_000;
        words[3] = usage.Times.System % 1_000_000_000 / 1000;
        words[4] = usage.MaxResident;
        words[8] = usage.MinorFaults;
        words[9] = usage.MajorFaults;
        words[16] = usage.VoluntarySwitches;
        words[17] = usage.InvoluntarySwitches;
        return UserCopy.CopyToUser(to, new ReadOnlySpan<byte>(words, 18 * sizeof(ulong)));
    }
}
