using System;
using NanoVm.Core;
using NanoVm.Hal;

namespace NanoVm.Files.Devices;

/// <summary>What programs ask of <c>/dev/fb0</c> beside its bytes: sizes, formats, the part that is shown.</summary>
/// <remarks>Linux: <c>do_fb_ioctl</c>; <c>linux/fb.h</c>.</remarks>
internal static class ScreenIoctl
{
    /// <summary>Entries of the table of colours.</summary>
    public const int ColourCount = 256;

    private const uint GetVariable = 0x4600;
    private const uint PutVariable = 0x4601;
    private const uint GetFixed = 0x4602;
    private const uint GetColours = 0x4604;
    private const uint PutColours = 0x4605;
    private const uint PanDisplay = 0x4606;
    private const uint Cursor = 0xc068_4608;
    private const uint GetConsoleMap = 0x460f;
    private const uint PutConsoleMap = 0x4610;
    private const uint BlankDisplay = 0x4611;

    private const ulong BlankPowerDown = 4;

    private const uint ActivateMask = 15;
    private const uint ActivateForce = 128;
    private const uint ActivateInvertedMode = 256;
    private const uint VmodeWrap = 256;

    /// <summary>Does one command.</summary>
    /// <returns>ENOTTY for what this screen does not know; EFAULT; EINVAL.</returns>
    public static Result<long> Do(ScreenDevice device, uint command, VirtAddr argument)
    {
        device.Lock.Lock();
        Errno error = command switch
        {
            GetVariable => UserCopy.Put(argument, VariableInfo.Of(device.Screen)),
            PutVariable => SetVariable(device.Screen, argument),
            GetFixed => UserCopy.Put(argument, FixedInfo.Of(device.Screen)),
            GetColours => MoveColours(device, argument, put: false),
            PutColours => MoveColours(device, argument, put: true),
            PanDisplay => Pan(device.Screen, argument),
            BlankDisplay => argument.Value > BlankPowerDown ? Errno.EINVAL : device.Screen.Blank(argument.Value != 0),
            Cursor or GetConsoleMap or PutConsoleMap => Errno.EINVAL,       // no cursor of the hardware's, no virtual consoles
            _ => Errno.ENOTTY,
        };
        device.Lock.Unlock();
        return error != Errno.None ? error : 0L;
    }

    /// <summary>Another mode. Linux: <c>fb_set_var</c>.</summary>
    private static Errno SetVariable(Screen screen, VirtAddr argument)
    {
        if (UserCopy.Get(argument, out VariableInfo wanted) != Errno.None)
            return Errno.EFAULT;
        Errno error = Change(screen, ref wanted);
        return error != Errno.None ? error : UserCopy.Put(argument, wanted);
    }

    private static Errno Change(Screen screen, ref VariableInfo wanted)
    {
        if ((wanted.Activate & ActivateInvertedMode) != 0)
            return Errno.EINVAL;                            // deletes a mode of a list that is empty
        VariableInfo now = VariableInfo.Of(screen);
        if ((wanted.Activate & ActivateForce) == 0 && wanted.Equals(now))
            return Errno.None;
        if (wanted.Grayscale > 1)
            return Errno.EINVAL;                            // FOURCC formats
        if (!screen.CanChange)
        {
            wanted = now;
            return Errno.None;
        }

        if (wanted.Width < 8 || wanted.Height < 8)
            return Errno.EINVAL;
        ScreenMode mode = wanted.ToMode();
        uint activate = wanted.Activate;
        Errno error = screen.TryRound(ref mode);
        if (error != Errno.None)
            return error;
        wanted = VariableInfo.Of(mode);
        wanted.Activate = activate;
        return (activate & ActivateMask) != 0 ? Errno.None : screen.TrySetMode(ref mode);
    }

    /// <summary>Another part of the picture. Linux: <c>fb_pan_display</c>.</summary>
    private static Errno Pan(Screen screen, VirtAddr argument)
    {
        if (UserCopy.Get(argument, out VariableInfo wanted) != Errno.None)
            return Errno.EFAULT;
        ref readonly ScreenMode mode = ref screen.Mode;
        bool moves = (wanted.OffsetX | wanted.OffsetY) != 0;
        if ((moves && !screen.CanChange) || (wanted.OffsetY > 0 && (wanted.VideoMode & VmodeWrap) != 0)
            || wanted.OffsetX > mode.VirtualWidth - mode.Width || wanted.OffsetY > mode.VirtualHeight - mode.Height)
        {
            return Errno.EINVAL;
        }

        screen.Pan(wanted.OffsetX, wanted.OffsetY);
        return UserCopy.Put(argument, wanted);
    }

    /// <summary>The table of colours, in or out. Linux: <c>fb_cmap_to_user</c>, <c>fb_set_user_cmap</c>.</summary>
    private static Errno MoveColours(ScreenDevice device, VirtAddr argument, bool put)
    {
        if (UserCopy.Get(argument, out ColourMap map) != Errno.None)
            return Errno.EFAULT;
        if (map.Start >= ColourCount || map.Length == 0 || (put && map.Length > ColourCount - map.Start))
            return Errno.EINVAL;
        int first = (int)map.Start;
        int count = (int)Math.Min(map.Length, (uint)ColourCount - map.Start);
        ReadOnlySpan<ulong> places = [map.Red, map.Green, map.Blue];
        for (int channel = 0; channel < places.Length; channel++)
        {
            Span<ushort> colours = device.Colours.AsSpan(channel * ColourCount + first, count);
            Span<byte> bytes = global::System.Runtime.InteropServices.MemoryMarshal.AsBytes(colours);
            var place = new VirtAddr(places[channel]);
            Errno error = put ? UserCopy.CopyFromUser(bytes, place) : UserCopy.CopyToUser(place, bytes);
            if (error != Errno.None)
                return error;
        }

        return Errno.None;
    }

    /// <summary>Linux: <c>fb_cmap</c>.</summary>
    private struct ColourMap
    {
        public uint Start, Length;
        public ulong Red, Green, Blue, Transparency;
    }
}
