using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>Device memory: the screen is mapped as a file is, and a store into it is light.</summary>
internal static unsafe class Program
{
    private const uint GetVariable = 0x4600, GetFixed = 0x4602;

    /// <summary>Words of <c>fb_var_screeninfo</c> and of <c>fb_fix_screeninfo</c> (see <c>linux/fb.h</c>).</summary>
    private const int VariableWords = 40, FixedWords = 20, Width = 0, Height = 1, BitsPerPixel = 6, LineLength = 12;

    public static int Main()
    {
        KernelFile.Prepare();
        Output output = Output.Standard;
        int file = Linux.Open("/dev/fb0"u8, 2);
        if (file < 0)
        {
            output.Write("this machine has no screen that is a framebuffer (/dev/fb0)\n"u8);
            output.Flush();
            return 1;
        }

        uint* variable = stackalloc uint[VariableWords];
        uint* constant = stackalloc uint[FixedWords];
        Linux.Ioctl(file, GetVariable, variable);
        Linux.Ioctl(file, GetFixed, constant);
        uint width = variable[Width], height = variable[Height], line = constant[LineLength];
        output.Write($"/dev/fb0: {width} x {height} pixels of {variable[BitsPerPixel]} bits, {line} bytes a line, at physical address {((ulong*)constant)[2]:x}\n");
        if (variable[BitsPerPixel] != 32)
            return 1;

        nint bytes = (nint)(line * height);
        nint screen = Linux.Mmap(0, bytes, Protection.ReadWrite, Map.Shared, file);
        Area.ShowLine(screen);
        output.Write($"the entries point at the device, not at memory: {Area.Field(screen, "Rss:"u8)} KiB resident\n");
        output.Write($"    the first one at frame {Area.Frame(screen):x}, where no RAM is\n");

        long before = Usage.MinorFaults();
        for (uint y = 0; y < height; y++)
        {
            uint* row = (uint*)(screen + (nint)(y * line));
            for (uint x = 0; x < width; x++)
                row[x] = Colour(x * 256 / width, y * 256 / height);
        }

        output.Write($"{width * height} pixels drawn by stores alone: {Usage.MinorFaults() - before} faults\n");

        nint copy = Linux.Mmap(0, bytes, Protection.ReadWrite, Map.Private, file);
        *(uint*)copy = 0;
        output.Write($"a private mapping, one pixel written: {Area.Field(copy, "Rss:"u8)} KiB resident, and on the screen the pixel is still {*(uint*)screen:x}\n");
        output.Write("the picture stays until the kernel has something to say\n"u8);
        output.Flush();
        return 0;
    }

    /// <summary>Red grows to the right, green downwards, blue where both are small; a grid over it.</summary>
    private static uint Colour(uint x, uint y) => x % 32 == 31 || y % 32 == 31 ? 0xffffffu : (x << 16) | (y << 8) | ((255 - x) * (255 - y) >> 8);
}
