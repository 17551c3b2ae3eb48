using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NanoVm.Hal;

namespace NanoVm.Files.Devices;

/// <summary>Where one colour lies in a pixel. Linux: <c>fb_bitfield</c>.</summary>
internal struct ScreenBits(uint offset, uint length)
{
    public uint Offset = offset;
    public uint Length = length;
    public uint MostSignificantRight;
}

/// <summary>What of a screen can change. Linux: <c>fb_var_screeninfo</c>, 160 bytes.</summary>
internal struct VariableInfo
{
    public uint Width, Height, VirtualWidth, VirtualHeight, OffsetX, OffsetY;
    public uint BitsPerPixel, Grayscale;
    public ScreenBits Red, Green, Blue, Transparency;
    public uint NonStandard, Activate;

    /// <summary>In millimetres; all ones where nobody knows.</summary>
    public uint MillimetresHigh, MillimetresWide;
    public uint AccelerationFlags;

    /// <summary>Timing, in picoseconds and pixels; a virtual screen has none, so it is what a screen of this size would have.</summary>
    public uint PixelClock, LeftMargin, RightMargin, UpperMargin, LowerMargin, HorizontalSync, VerticalSync;
    public uint Sync, VideoMode, Rotation, ColourSpace;
    public uint Reserved0, Reserved1, Reserved2, Reserved3;

    public static VariableInfo Of(Screen screen) => Of(screen.Mode);

    public static VariableInfo Of(in ScreenMode mode)
    {
        VariableInfo info = default;
        info.Width = mode.Width;
        info.Height = mode.Height;
        info.VirtualWidth = mode.VirtualWidth;
        info.VirtualHeight = mode.VirtualHeight;
        info.OffsetX = mode.OffsetX;
        info.OffsetY = mode.OffsetY;
        info.BitsPerPixel = mode.BitsPerPixel;
        bool small = mode.BitsPerPixel == 16;
        info.Red = small ? new ScreenBits(11, 5) : new ScreenBits(16, 8);
        info.Green = small ? new ScreenBits(5, 6) : new ScreenBits(8, 8);
        info.Blue = small ? new ScreenBits(0, 5) : new ScreenBits(0, 8);
        if (mode.BitsPerPixel == 32)
            info.Transparency = new ScreenBits(24, 8);
        info.MillimetresHigh = uint.MaxValue;
        info.MillimetresWide = uint.MaxValue;
        info.PixelClock = 10_000_000 / mode.Width * 1000 / mode.Height;
        info.LeftMargin = (mode.Width / 8) & 0xf8;
        info.RightMargin = 32;
        info.UpperMargin = 16;
        info.LowerMargin = 4;
        info.HorizontalSync = (mode.Width / 8) & 0xf8;
        info.VerticalSync = 4;
        return info;
    }

    public readonly ScreenMode ToMode() => new()
    {
        Width = Width,
        Height = Height,
        VirtualWidth = VirtualWidth,
        VirtualHeight = VirtualHeight,
        OffsetX = OffsetX,
        OffsetY = OffsetY,
        BitsPerPixel = BitsPerPixel,
    };

    /// <summary>Whether every byte is the same.</summary>
    public readonly bool Equals(in VariableInfo other) => Bytes(in this).SequenceEqual(Bytes(in other));

    private static ReadOnlySpan<byte> Bytes(in VariableInfo info) => MemoryMarshal.AsBytes(new ReadOnlySpan<VariableInfo>(in info));
}

/// <summary>What of a screen stays. Linux: <c>fb_fix_screeninfo</c>, 80 bytes.</summary>
internal struct FixedInfo
{
    private const uint TrueColour = 2;

    public ulong NameLow, NameHigh;
    public ulong MemoryStart;
    public uint MemoryLength;

    /// <summary>0: packed pixels.</summary>
    public uint Kind, KindDetail;
    public uint Visual;

    /// <summary>Multiples by which the shown part can move; 0 for not at all.</summary>
    public ushort PanStepX, PanStepY, WrapStepY;
    public uint LineLength;
    public ulong RegistersStart;
    public uint RegistersLength;
    public uint Accelerator;
    public ushort Capabilities, Reserved0, Reserved1;

    public static FixedInfo Of(Screen screen)
    {
        FixedInfo info = default;
        "NanoVM"u8.CopyTo(MemoryMarshal.AsBytes(new Span<ulong>(ref info.NameLow)));
        info.MemoryStart = screen.Memory.Value;
        info.MemoryLength = (uint)screen.MemoryBytes;
        info.Visual = TrueColour;
        ushort step = screen.CanChange ? (ushort)1 : (ushort)0;
        info.PanStepX = step;
        info.PanStepY = step;
        info.LineLength = screen.Pitch;
        return info;
    }
}
