using System;
using NanoVm.Core;
using NanoVm.Core.Boot;

namespace NanoVm.Hal;

/// <summary>How the bytes of a screen's memory are a picture.</summary>
/// <remarks>Linux: the part of <c>fb_var_screeninfo</c> that hardware knows.</remarks>
internal struct ScreenMode
{
    /// <summary>What is seen, in pixels.</summary>
    public uint Width, Height;

    /// <summary>What there is to be seen: <see cref="OffsetX"/> and <see cref="OffsetY"/> choose the part.</summary>
    public uint VirtualWidth, VirtualHeight;
    public uint OffsetX, OffsetY;
    public uint BitsPerPixel;
}

/// <summary>The screen: memory of a device, and how it becomes a picture.</summary>
/// <remarks>
/// Linux: <c>fb_info</c>. One that the boot loader has set up, one of QEMU's kind with registers, or (from the ISO) both in one: then the mode
/// can be changed too. The kernel's text and programs share it: while a program has it open, text waits (<see cref="Users"/>).
/// </remarks>
internal sealed class Screen
{
    private const uint UsualWidth = 1024;
    private const uint UsualHeight = 768;
    private const uint UsualBitsPerPixel = 32;

    /// <summary>What the registers take, less than their 16 bits.</summary>
    private const uint MostPixels = 8192;

    private readonly BochsDisplay? _registers;
    private ScreenMode _bootMode;
    private ScreenMode _mode;

    private Screen(PhysAddr memory, ulong bytes, KernelTables tables, BochsDisplay? registers)
    {
        Memory = memory;
        MemoryBytes = bytes;
        Pixels = tables.MapDevice(memory, bytes, writeCombining: true);
        _registers = registers;
    }

    /// <summary>Where the memory is for the processor.</summary>
    public PhysAddr Memory { get; }

    public ulong MemoryBytes { get; }

    /// <summary>The kernel's own mapping of it, write-combining: a user's mapping has to have the same kind of caching.</summary>
    public VirtAddr Pixels { get; }

    public ref readonly ScreenMode Mode => ref _mode;

    /// <summary>Bytes from one line to the next.</summary>
    public uint Pitch { get; private set; }

    /// <summary>Whether size, depth and the part that is seen can be changed.</summary>
    public bool CanChange => _registers is not null;

    /// <summary>Open files of programs, mappings included. While there is one, the kernel's text is kept back.</summary>
    public int Users;

    /// <summary>Finds the machine's screen. At boot.</summary>
    /// <returns>Null when there is none that is made of pixels.</returns>
    public static Screen? Find(in BootFramebuffer loaders, BochsDisplay? registers, KernelTables tables)
    {
        bool same = registers is not null && loaders.Address >= registers.Memory.Value
            && loaders.Address < registers.Memory.Value + registers.MemoryBytes;
        if (loaders.IsPresent && !same)
        {
            var fixedScreen = new Screen(new PhysAddr(loaders.Address), (ulong)loaders.Pitch * loaders.Height, tables, null);
            fixedScreen._mode = ModeOf(loaders);
            fixedScreen.Pitch = loaders.Pitch;
            return fixedScreen;
        }

        if (registers is null)
            return null;
        var screen = new Screen(registers.Memory, registers.MemoryBytes, tables, registers);
        ScreenMode mode = ModeOf(loaders);
        if (!loaders.IsPresent || screen.TryRound(ref mode) != Errno.None)
            mode = new ScreenMode { Width = UsualWidth, Height = UsualHeight, BitsPerPixel = UsualBitsPerPixel };
        if (screen.TrySetMode(ref mode) != Errno.None)
            return null;
        screen._bootMode = mode;
        return screen;
    }

    private static ScreenMode ModeOf(in BootFramebuffer loaders) => new()
    {
        Width = loaders.Width,
        Height = loaders.Height,
        VirtualWidth = loaders.Width,
        VirtualHeight = loaders.Height,
        BitsPerPixel = loaders.BitsPerPixel,
    };

    /// <summary>Rounds <paramref name="mode"/> to what the screen can do. Linux: <c>fb_check_var</c>.</summary>
    /// <returns><see cref="Errno.EINVAL"/> when it can do nothing like it.</returns>
    public Errno TryRound(ref ScreenMode mode)
    {
        if (_registers is null)
        {
            mode = _mode;
            return Errno.None;
        }

        if (mode.BitsPerPixel is not (16 or 24 or 32) || mode.Width > MostPixels || mode.Height > MostPixels
            || mode.VirtualWidth > MostPixels || mode.VirtualHeight > MostPixels)
        {
            return Errno.EINVAL;
        }

        mode.Width = (Math.Max(mode.Width, 8) + 7) & ~7u;
        mode.Height = Math.Max(mode.Height, 8);
        mode.VirtualWidth = (Math.Max(mode.VirtualWidth, mode.Width) + 7) & ~7u;
        mode.VirtualHeight = Math.Max(mode.VirtualHeight, mode.Height);
        if ((ulong)mode.VirtualWidth * mode.BitsPerPixel / 8 * mode.VirtualHeight > MemoryBytes)
            return Errno.EINVAL;
        mode.OffsetX = Math.Min(mode.OffsetX, mode.VirtualWidth - mode.Width);
        mode.OffsetY = Math.Min(mode.OffsetY, mode.VirtualHeight - mode.Height);
        return Errno.None;
    }

    /// <summary>Changes the mode, rounded as <see cref="TryRound"/> does. What was on the screen is gone.</summary>
    public Errno TrySetMode(ref ScreenMode mode)
    {
        if (TryRound(ref mode) is not Errno.None and var error)
            return error;
        if (_registers is { } registers)
        {
            Pitch = mode.VirtualWidth * mode.BitsPerPixel / 8;
            _mode = mode;
            registers.SetMode(mode.Width, mode.Height, mode.VirtualWidth, mode.BitsPerPixel);
            registers.Pan(mode.OffsetX, mode.OffsetY);
        }

        return Errno.None;
    }

    /// <summary>Shows the part of the picture that begins at this pixel; the caller has checked that there is that much.</summary>
    public void Pan(uint x, uint y)
    {
        _mode.OffsetX = x;
        _mode.OffsetY = y;
        _registers?.Pan(x, y);
    }

    /// <summary>Shows black, or the picture again.</summary>
    /// <returns><see cref="Errno.EINVAL"/> when this screen cannot.</returns>
    public Errno Blank(bool black)
    {
        if (_registers is null)
            return Errno.EINVAL;
        _registers.Blank(black);
        return Errno.None;
    }

    /// <summary>The mode that it had when the kernel started, for the kernel's own text.</summary>
    public void Restore()
    {
        ScreenMode mode = _bootMode;
        if (_registers is not null)
            _ = TrySetMode(ref mode);
    }
}
