using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Makes the far return (<c>iretq</c>, <c>lretq</c>) of a program for an emulator that cannot.</summary>
/// <remarks>
/// QEMU before 9.1 reads the stack of a far return from user mode to user mode as if the kernel read it, and SMAP refuses: a page fault that
/// comes from user mode but was not the user's access, which no processor makes. Programs that set all their registers at once return so;
/// .NET's runtime does after each exception that it has caught. Intel SDM 2, IRET, "return to same privilege level".
/// </remarks>
internal static class FarReturn
{
    private const byte WidePrefix = 0x48, Iret = 0xcf, Lret = 0xcb;

    /// <summary>What a program may set of the flags: arithmetic, direction, single step, resume, alignment check, ID.</summary>
    private const ulong UserFlags = 0x0025_0dd5;

    /// <summary>Returns as the instruction at <c>Rip</c> says.</summary>
    /// <returns>False, and nothing has changed, when it is none of the two or what it returns to is no place for a program.</returns>
    public static bool TryEmulate(ref TrapFrame frame)
    {
        if (UserCopy.Get(new VirtAddr(frame.Rip), out ushort instruction) != Errno.None || (byte)instruction != WidePrefix)
            return false;
        Target target = default;
        switch (instruction >> 8)
        {
            case Iret:
                if (UserCopy.Get(new VirtAddr(frame.Rsp), out target) != Errno.None || (ushort)target.Ss != Selectors.UserData)
                    return false;
                break;
            case Lret:
                if (UserCopy.Get(new VirtAddr(frame.Rsp), out target.Place) != Errno.None)
                    return false;
                target.Flags = frame.Rflags;
                target.Rsp = frame.Rsp + 2 * sizeof(ulong);
                break;
            default:
                return false;
        }
        if ((ushort)target.Place.Cs != Selectors.UserCode || !new VirtAddr(target.Place.Rip).IsUser)
            return false;
        frame.Rip = target.Place.Rip;
        frame.Rsp = target.Rsp;
        frame.Rflags = (frame.Rflags & ~UserFlags) | (target.Flags & UserFlags);
        return true;
    }

    /// <summary>What <c>lretq</c> takes from the stack.</summary>
    private struct Place
    {
        public ulong Rip, Cs;
    }

    /// <summary>What <c>iretq</c> takes from the stack.</summary>
    private struct Target
    {
        public Place Place;
        public ulong Flags, Rsp, Ss;
    }
}
