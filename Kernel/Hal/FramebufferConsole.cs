using System;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The kernel's messages on the screen.</summary>
/// <remarks>
/// Device memory is slow to read, so the text is kept beside it and scrolling redraws only cells that differ. 32 and 24 bits a pixel;
/// another format shows nothing. While a program has the screen (<see cref="Screen.Users"/>) only the text is kept; the first message after
/// that takes the screen back and draws all of it, and so does a panic at once. Called under the log's lock.
/// </remarks>
internal sealed unsafe class FramebufferConsole : LogSink
{
    private const uint Foreground = 0x00c8_c8c8;
    private const uint Background = 0x0000_0000;
    private const byte Space = (byte)' ';

    private readonly Screen _screen;
    private readonly byte* _pixels;
    private readonly uint _pitch;
    private readonly int _bytesOfPixel;
    private readonly int _columns;
    private readonly int _rows;
    private readonly byte[] _cells;
    private int _column;
    private int _row;

    /// <summary>A program has had the screen: what is on it is not <see cref="_cells"/>.</summary>
    private bool _isStale;

    public FramebufferConsole(Screen screen)
    {
        _screen = screen;
        _pixels = (byte*)screen.Pixels.Value;
        _pitch = screen.Pitch;
        ref readonly ScreenMode mode = ref screen.Mode;
        _bytesOfPixel = mode.BitsPerPixel is 32 or 24 ? (int)mode.BitsPerPixel / 8 : 0;
        _columns = (int)mode.Width / ScreenFont.CellWidth;
        _rows = (int)mode.Height / ScreenFont.CellHeight;
        _cells = new byte[Math.Max(_columns * _rows, 1)];
        for (int i = 0; i < _cells.Length; i++)
            _cells[i] = Space;
        Clear();
    }

    public override void Write(ReadOnlySpan<byte> text)
    {
        if (_bytesOfPixel == 0 || _columns == 0 || _rows == 0)
            return;
        if (_screen.Users != 0 && PerCpu.Area->Panicking == 0)
            _isStale = true;
        else if (_isStale)
            TakeBack();
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

    private void Clear()
    {
        for (int line = 0; line < _rows * ScreenFont.CellHeight && _bytesOfPixel != 0; line++)
            new Span<byte>(_pixels + (ulong)line * _pitch, _columns * ScreenFont.CellWidth * _bytesOfPixel).Clear();
    }

    private void TakeBack()
    {
        _isStale = false;
        _screen.Restore();
        Clear();
        for (int row = 0; row < _rows; row++)
        {
            for (int column = 0; column < _columns; column++)
            {
                if (_cells[row * _columns + column] is not Space and var character)
                    Draw(row, column, character);
            }
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
        if (!_isStale)
            Draw(row, column, character);
    }

    private void Draw(int row, int column, byte character)
    {
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
