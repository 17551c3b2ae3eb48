namespace NanoVm.Core.Boot;

/// <summary>A linear framebuffer that the loader has set up.</summary>
/// <param name="address">Physical address of the upper left pixel.</param>
/// <param name="pitch">Bytes from one line to the next.</param>
/// <param name="width">Pixels in a line.</param>
/// <param name="height">Lines.</param>
/// <param name="bitsPerPixel">Bits of a pixel.</param>
internal readonly struct BootFramebuffer(ulong address, uint pitch, uint width, uint height, uint bitsPerPixel)
{
    /// <summary>Physical address of the upper left pixel.</summary>
    public readonly ulong Address = address;

    /// <summary>Bytes from one line to the next.</summary>
    public readonly uint Pitch = pitch;

    /// <summary>Pixels in a line.</summary>
    public readonly uint Width = width;

    /// <summary>Lines.</summary>
    public readonly uint Height = height;

    /// <summary>Bits of a pixel; the console draws on 32.</summary>
    public readonly uint BitsPerPixel = bitsPerPixel;

    /// <summary>True when there is one.</summary>
    public bool IsPresent => Address != 0;
}
