namespace NanoVm.Files.Terminal;

internal abstract partial class Tty
{
    // Linux: echo_char. Control characters show as ^X.
    private void EchoByte(byte c)
    {
        if (_termios.Has(LocalModes.EchoControl) && IsControl(c) && c != '\t')
        {
            DriverWrite((byte)'^');
            DriverWrite((byte)(c ^ 0x40));
            _column += 2;
            return;
        }
        EchoRaw(c);
    }

    // Linux: echo_char_raw. Echo that finds no room is lost, as with a full echo buffer there.
    private void EchoRaw(byte c)
    {
        if (_termios.Has(OutputModes.PostProcess))
            Output(c, int.MaxValue);
        else
            DriverWrite(c);
    }

    /// <summary>Sends one byte with output processing. Linux: <c>do_output_char</c>.</summary>
    /// <param name="room">Bytes that may be used.</param>
    /// <returns>Bytes used, or −1 when they would be more than <paramref name="room"/>: nothing has happened then.</returns>
    private int Output(byte c, int room)
    {
        if (room < 1)
            return -1;
        ref readonly Termios t = ref _termios;
        switch (c)
        {
            case (byte)'\n':
                if (t.Has(OutputModes.NlReturns))
                    _column = 0;
                if (t.Has(OutputModes.NlToCrNl))
                {
                    if (room < 2)
                        return -1;
                    _canonColumn = _column = 0;
                    DriverWrite((byte)'\r');
                    DriverWrite((byte)'\n');
                    return 2;
                }
                _canonColumn = _column;
                break;
            case (byte)'\r':
                if (t.Has(OutputModes.NoCrAtColumn0) && _column == 0)
                    return 0;
                if (t.Has(OutputModes.CrToNl))
                {
                    c = (byte)'\n';
                    if (t.Has(OutputModes.NlReturns))
                        _canonColumn = _column = 0;
                    break;
                }
                _canonColumn = _column = 0;
                break;
            case (byte)'\t':
                int spaces = 8 - (int)(_column & 7);
                if ((t.Output & OutputModes.TabMask) == OutputModes.ExpandTabs)
                {
                    if (room < spaces)
                        return -1;
                    _column += (uint)spaces;
                    for (int i = 0; i < spaces; i++)
                        DriverWrite((byte)' ');
                    return spaces;
                }
                _column += (uint)spaces;
                break;
            case (byte)'\b':
                if (_column > 0)
                    _column--;
                break;
            default:
                if (!IsControl(c))
                {
                    if (t.Has(OutputModes.LowerToUpper) && c >= 'a' && c <= 'z')
                        c -= 32;
                    if (!IsContinuation(c))
                        _column++;
                }
                break;
        }
        DriverWrite(c);
        return 1;
    }
}
