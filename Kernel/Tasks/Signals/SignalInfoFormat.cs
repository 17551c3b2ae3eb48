using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary><see cref="SignalInfo"/> as programs see it: the 128 bytes of <c>siginfo_t</c>.</summary>
/// <remarks>
/// Linux: <c>copy_siginfo_to_user</c>, <c>siginfo_layout</c>.
/// <code>
///    0 si_signo   4 si_errno   8 si_code   12 padding   16 the union:
///      kill     pid, uid                        queue    pid, uid, value
///      timer    id, overrun, value              child    pid, uid, status, -, user time, system time
///      fault    address, -, -, protection key   poll     band, fd        sys   address, number, architecture
/// </code>
/// </remarks>
internal static unsafe class SignalInfoFormat
{
    public const int Bytes = 128;

    /// <summary>Bytes that can hold something; the rest is zero. Linux: <c>sizeof(kernel_siginfo)</c>.</summary>
    private const int UsedBytes = 48;

    private enum Layout
    {
        Kill,
        Queue,
        Timer,
        Child,
        Fault,
        Poll,
        Sys,
    }

    /// <summary>Writes all 128 bytes.</summary>
    public static void Format(in SignalInfo info, Span<byte> to)
    {
        to.Slice(0, Bytes).Clear();
        fixed (byte* p = to)
        {
            *(int*)p = info.Signal;
            *(int*)(p + 4) = info.Error;
            *(int*)(p + 8) = info.Code;
            switch (LayoutOf(info.Signal, info.Code))
            {
                case Layout.Kill:
                    *(int*)(p + 16) = info.Pid;
                    *(uint*)(p + 20) = info.Uid;
                    break;
                case Layout.Queue:
                    *(int*)(p + 16) = info.Pid;
                    *(uint*)(p + 20) = info.Uid;
                    *(ulong*)(p + 24) = info.Value;
                    break;
                case Layout.Timer:
                    *(int*)(p + 16) = info.TimerId;
                    *(int*)(p + 20) = info.Overrun;
                    *(ulong*)(p + 24) = info.Value;
                    break;
                case Layout.Child:
                    *(int*)(p + 16) = info.Pid;
                    *(uint*)(p + 20) = info.Uid;
                    *(int*)(p + 24) = info.Status;
                    *(ulong*)(p + 32) = info.UserTime;
                    *(ulong*)(p + 40) = info.SystemTime;
                    break;
                case Layout.Fault:
                    *(ulong*)(p + 16) = info.Address.Value;
                    if (info.Signal == SignalNumber.Segmentation && info.Code == SignalInfo.SegvPkuErr)
                        *(int*)(p + 32) = info.ProtectionKey;
                    break;
                case Layout.Poll:
                    *(ulong*)(p + 16) = info.Value;
                    *(int*)(p + 24) = info.Status;
                    break;
                case Layout.Sys:
                    *(ulong*)(p + 16) = info.Address.Value;
                    *(int*)(p + 24) = info.Status;
                    *(uint*)(p + 28) = (uint)info.Value;
                    break;
            }
        }
    }

    public static Errno Write(VirtAddr to, in SignalInfo info)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        Format(info, bytes);
        return UserCopy.CopyToUser(to, bytes);
    }

    /// <summary>Reads what a program hands to <c>rt_sigqueueinfo</c>.</summary>
    /// <returns><see cref="Errno.EFAULT"/>; <see cref="Errno.E2BIG"/> when bytes that no known code uses are not zero.</returns>
    public static Errno Read(VirtAddr from, out SignalInfo info)
    {
        info = default;
        Span<byte> bytes = stackalloc byte[Bytes];
        Errno error = UserCopy.CopyFromUser(bytes, from);
        if (error != Errno.None)
            return error;
        for (int i = UsedBytes; i < Bytes; i++)
        {
            if (bytes[i] != 0)
                return Errno.E2BIG;
        }
        fixed (byte* p = bytes)
        {
            info.Signal = *(int*)p;
            info.Error = *(int*)(p + 4);
            info.Code = *(int*)(p + 8);
            switch (LayoutOf(info.Signal, info.Code))
            {
                case Layout.Timer:
                    info.TimerId = *(int*)(p + 16);
                    info.Overrun = *(int*)(p + 20);
                    info.Value = *(ulong*)(p + 24);
                    break;
                case Layout.Child:
                    info.Pid = *(int*)(p + 16);
                    info.Uid = *(uint*)(p + 20);
                    info.Status = *(int*)(p + 24);
                    info.UserTime = *(ulong*)(p + 32);
                    info.SystemTime = *(ulong*)(p + 40);
                    break;
                case Layout.Fault:
                    info.Address = new VirtAddr(*(ulong*)(p + 16));
                    info.ProtectionKey = *(int*)(p + 32);
                    break;
                case Layout.Poll:
                    info.Value = *(ulong*)(p + 16);
                    info.Status = *(int*)(p + 24);
                    break;
                case Layout.Sys:
                    info.Address = new VirtAddr(*(ulong*)(p + 16));
                    info.Status = *(int*)(p + 24);
                    info.Value = *(uint*)(p + 28);
                    break;
                default:
                    info.Pid = *(int*)(p + 16);
                    info.Uid = *(uint*)(p + 20);
                    info.Value = *(ulong*)(p + 24);
                    break;
            }
        }
        return Errno.None;
    }

    /// <summary>Which part of the union a code uses. Linux: <c>siginfo_layout</c>.</summary>
    private static Layout LayoutOf(int signal, int code)
    {
        if (code > SignalInfo.CodeUser && code < SignalInfo.CodeKernel)
        {
            switch (signal)
            {
                case SignalNumber.Illegal:
                case SignalNumber.FloatingPoint:
                case SignalNumber.Segmentation:
                case SignalNumber.Bus:
                case SignalNumber.Trap:
                    return Layout.Fault;
                case SignalNumber.Child:
                    return Layout.Child;
                case SignalNumber.Io:
                    return Layout.Poll;
                case SignalNumber.BadSystemCall:
                    return Layout.Sys;
            }
            return Layout.Kill;
        }
        return code switch
        {
            SignalInfo.CodeTimer => Layout.Timer,
            SignalInfo.CodeIo => Layout.Poll,
            SignalInfo.CodeUser or SignalInfo.CodeKernel or SignalInfo.CodeTkill => Layout.Kill,
            < 0 => Layout.Queue,
            _ => Layout.Kill,
        };
    }
}
