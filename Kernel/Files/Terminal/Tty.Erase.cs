namespace NanoVm.Files.Terminal;

internal abstract partial class Tty
{
    private enum EraseKind
    {
        Character,
        Word,
        Line,
    }

    // Linux: eraser. Takes bytes of the line under way back and shows that on the screen.
    private void Erase(EraseKind kind)
    {
        if (_readHead == _canonHead)
            return;
        ref readonly Termios t = ref _termios;
        bool echo = t.Has(LocalModes.Echo);
        if (kind == EraseKind.Line)
        {
            if (!echo)
            {
                _readHead = _canonHead;
                return;
            }
            if (!t.Has(LocalModes.EchoKill) || !t.Has(LocalModes.EchoKillErase) || !t.Has(LocalModes.EchoErase))
            {
                _readHead = _canonHead;
                FinishErasing();
                EchoByte(t[ControlIndex.Kill]);
                if (t.Has(LocalModes.EchoKill))
                    EchoRaw((byte)'\n');
                return;
            }
        }

        bool seenWord = false;
        while (_readHead != _canonHead)
        {
            // One character: with UTF-8 all its bytes.
            uint head = _readHead;
            byte c;
            do
            {
                head--;
                c = _input[(int)(head & InputMask)];
            }
            while (IsContinuation(c) && head != _canonHead);
            if (IsContinuation(c))
                break;                                      // only the rest of a character: leave it
            if (kind == EraseKind.Word)
            {
                if (IsWordByte(c))
                    seenWord = true;
                else if (seenWord)
                    break;
            }
            uint count = _readHead - head;
            _readHead = head;
            if (echo)
                EchoErased(kind, c, head, count);
            if (kind == EraseKind.Character)
                break;
        }
        if (_readHead == _canonHead && echo)
            FinishErasing();
    }

    private void EchoErased(EraseKind kind, byte c, uint head, uint count)
    {
        ref readonly Termios t = ref _termios;
        if (t.Has(LocalModes.EchoPrint))
        {
            if (!_erasing)
            {
                EchoRaw((byte)'\\');
                _erasing = true;
            }
            EchoByte(c);
            while (--count > 0)
            {
                head++;
                EchoRaw(_input[(int)(head & InputMask)]);
                if (_column > 0)
                    _column--;
            }
        }
        else if (kind == EraseKind.Character && !t.Has(LocalModes.EchoErase))
        {
            EchoByte(t[ControlIndex.Erase]);
        }
        else if (c == '\t')
        {
            EraseTab();
        }
        else
        {
            if (IsControl(c) && t.Has(LocalModes.EchoControl))
                RubOut();
            if (!IsControl(c) || t.Has(LocalModes.EchoControl))
                RubOut();
        }
    }

    private void RubOut()
    {
        EchoRaw((byte)'\b');
        EchoRaw((byte)' ');
        EchoRaw((byte)'\b');
    }

    // How wide the tab was follows from what stands before it: since the last tab, or since the beginning of the line's input.
    private void EraseTab()
    {
        uint columns = 0;
        bool afterTab = false;
        uint at = _readHead;
        while (at != _canonHead)
        {
            at--;
            byte c = _input[(int)(at & InputMask)];
            if (c == '\t')
            {
                afterTab = true;
                break;
            }
            if (IsControl(c))
                columns += _termios.Has(LocalModes.EchoControl) ? 2u : 0u;
            else if (!IsContinuation(c))
                columns++;
        }
        if (!afterTab)
            columns += _canonColumn;
        for (uint back = 8 - (columns & 7); back > 0; back--)
        {
            DriverWrite((byte)'\b');
            if (_column > 0)
                _column--;
        }
    }

    private void FinishErasing()
    {
        if (!_erasing)
            return;
        EchoRaw((byte)'/');
        _erasing = false;
    }

    private bool IsContinuation(byte c) => (c & 0xC0) == 0x80 && _termios.Has(InputModes.Utf8);

    private static bool IsControl(byte c) => c < 32 || c == 127;

    private static bool IsWordByte(byte c)
        => c is >= (byte)'0' and <= (byte)'9' or >= (byte)'A' and <= (byte)'Z' or >= (byte)'a' and <= (byte)'z' or (byte)'_'
            || (c >= 0xC0 && c != 0xD7 && c != 0xF7);
}
