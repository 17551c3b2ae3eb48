using System;
using NanoVm.Core;
using NanoVm.Core.Boot;

namespace NanoVm.Hal;

/// <summary>The kernel's messages on the screen that the loader has set up.</summary>
/// <remarks>
/// Device memory is slow to read, so the text is kept beside it and scrolling redraws only cells that differ. 32 and 24 bits a pixel;
/// another format shows nothing. Called under the log's lock.
/// </remarks>
internal sealed unsafe class FramebufferConsole : LogSink
{
    private const uint Foreground = 0x00c8_c8c8;
    private const uint Background = 0x0000_0000;
    private const byte Space = (byte)' ';

    private readonly byte* _pixels;
    private readonly uint _pitch;
    private readonly int _bytesOfPixel;
    private readonly int _columns;
    private readonly int _rows;
    private readonly byte[] _cells;
    private int _column;
    private int _row;

    /// <param name="pixels">Where the framebuffer is mapped.</param>
    public FramebufferConsole(VirtAddr pixels, in BootFramebuffer framebuffer)
    {
        _pixels = (byte*)pixels.Value;
        _pitch = framebuffer.Pitch;
        _bytesOfPixel = framebuffer.BitsPerPixel is 32 or 24 ? (int)framebuffer.BitsPerPixel / 8 : 0;
        _columns = (int)framebuffer.Width / ScreenFont.CellWidth;
        _rows = (int)framebuffer.Height / ScreenFont.CellHeight;
        _cells = new byte[Math.Max(_columns * _rows, 1)];
        for (int i = 0; i < _cells.Length; i++)
            _cells[i] = Space;
        if (_bytesOfPixel == 0)
            return;
        for (uint line = 0; line < framebuffer.Height; line++)
            new Span<byte>(_pixels + (ulong)line * _pitch, (int)framebuffer.Width * _bytesOfPixel).Clear();
    }

    public override void Write(ReadOnlySpan<byte> text)
    {
        if (_bytesOfPixel == 0 || _columns == 0 || _rows == 0)
            return;
        foreach (byte character in text)
        {
            if (character == (byte)'\n')
            {
                NewLine();
                continue;
            }
            if (character < Space)
                continue;
            if (_column == _columns)
                NewLine();
            Put(_row, _column++, character);
        }
    }

    private void NewLine()
    {
        _column = 0;
        if (++_row < _rows)
            return;
        _row = _rows - 1;
        for (int row = 0; row < _rows; row++)
        {
            for (int column = 0; column < _columns; column++)
                Put(row, column, row + 1 < _rows ? _cells[(row + 1) * _columns + column] : Space);
        }
    }

    private void Put(int row, int column, byte character)
    {
        ref byte cell = ref _cells[row * _columns + column];
        if (cell == character)
            return;
        cell = character;
        byte* line = _pixels + (ulong)(row * ScreenFont.CellHeight) * _pitch + (ulong)(column * ScreenFont.CellWidth * _bytesOfPixel);
        for (int y = 0; y < ScreenFont.CellHeight; y++, line += _pitch)
        {
            uint dots = ScreenFont.Row(character, y);
            for (int x = 0; x < ScreenFont.CellWidth; x++)
            {
                uint colour = (dots & (0x80u >> x)) != 0 ? Foreground : Background;
                byte* pixel = line + x * _bytesOfPixel;
                if (_bytesOfPixel == 4)
                {
                    *(uint*)pixel = colour;
                }
                else
                {
                    pixel[0] = (byte)colour;
                    pixel[1] = (byte)(colour >> 8);
                    pixel[2] = (byte)(colour >> 16);
                }
            }
        }
    }
}
