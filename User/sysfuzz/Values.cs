using System;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>Makes a call's number and arguments: of the right type, nearly right, or anything.</summary>
/// <remarks>
/// What would end the machine or the harness instead of the caller is left out: <c>reboot</c> with its magic numbers, signals of root to
/// everybody, mounts on and roots of other folders than the tasks' own.
/// </remarks>
internal unsafe struct Values
{
    // Addresses of the kernel that are arguments: known, so that seeing one again proves nothing.
    public static ReadOnlySpan<ulong> KernelAddresses =>
    [
        0xffff_8000_0000_0000, 0xffff_8880_0000_0000, 0xffff_c900_0000_0000, 0xffff_ea00_0000_0000, 0xffff_ffff_8000_0000, 0xffff_ffff_ff60_0000,
        0xffff_ffff_ffff_f000, 0x8000_0000_0000_0000, 0x0000_8000_0000_0000, 0x0000_7fff_ffff_f000, 0x0000_7fff_ffff_effc,
    ];

    private const int Kill = 62, Tkill = 200, Tgkill = 234, QueueInfo = 129, ThreadQueueInfo = 297, Reboot = 169;

    private Random _random;
    private readonly int _lane;
    private readonly bool _isRoot;
    private readonly Stage* _stage;

    public Values(ulong seed, int lane, Stage* stage, bool isRoot)
    {
        _random = new Random(seed);
        _lane = lane;
        _stage = stage;
        _isRoot = isRoot;
    }

    /// <summary>Fills in everything of the block.</summary>
    public void Make(CallBlock* block)
    {
        block->Fill(ref _random);
        for (int i = 0; i < 6; i++)
            block->Arguments[i] = 0;
        int kind = _random.Below(100);
        if (kind < 88)
            Typed(block, _random.Below(Calls.Count), spoil: kind >= 70);
        else
            Anything(block);
        Tame(block);
        int number = (int)block->Number;
        block->EndsChild = number is 58 or 435 || (number == 56 && ((block->Arguments[0] & 0x100) != 0 || block->Arguments[1] != 0));
    }

    public bool OneIn(int n) => _random.OneIn(n);

    /// <summary>A call of the table, its arguments as they should be; spoilt: one or two of them anything.</summary>
    private void Typed(CallBlock* block, int entry, bool spoil)
    {
        block->Number = Calls.NumberAt(entry);
        ReadOnlySpan<byte> line = Calls.LineAt(entry);
        int at = line.IndexOf((byte)' ');
        for (int i = 0; i < 6 && at >= 0 && at + 1 < line.Length; i++)
        {
            ReadOnlySpan<byte> rest = line.Slice(at + 1);
            int end = rest.IndexOf((byte)' ');
            block->Arguments[i] = Typed(end < 0 ? rest : rest.Slice(0, end));
            at = end < 0 ? -1 : at + 1 + end;
        }
        if (spoil)
            block->Arguments[_random.Below(6)] = Word();
    }

    /// <summary>Any number of a call, with any arguments.</summary>
    private void Anything(CallBlock* block)
    {
        nint number = _random.Below(10) switch
        {
            0 => (nint)(long)_random.Next(),
            1 => -_random.Below(600),
            2 => 0x4000_0000 | _random.Below(600),      // the x32 ABI's
            3 => 440 + _random.Below(80),
            4 => (nint)(0x1_0000_0000L + _random.Below(460)),  // only 32 bits count
            5 => 1 << _random.Below(31),
            _ => _random.Below(460),
        };
        block->Number = number;
        for (int i = 0; i < 6; i++)
            block->Arguments[i] = Word();
    }

    private void Tame(CallBlock* block)
    {
        int number = (int)block->Number;
        bool rare = number switch
        {
            60 or 231 => !_random.OneIn(30),            // exit
            15 => !_random.OneIn(8),                    // rt_sigreturn of a frame that is none
            59 or 322 => !_random.OneIn(4),             // the program would be another
            34 or 130 => !_random.OneIn(10),            // wait for a signal
            162 or 306 => !_random.OneIn(6),
            155 => true,                                // pivot_root would move the root of all
            161 => _isRoot,                             // a current folder outside the root is a way out of it
            Reboot => block->Arguments[0] is not 0 && (uint)block->Arguments[0] == 0xfee1_dead,
            _ => false,
        };
        if (rare)
            block->Number = 39;
        if (number is 161 or 165 or 166 or 167 or 168)
        {
            for (int i = 0; i < 2; i++)
                block->Arguments[i] = (long)Paths.Own(ref _random, Buffer());
        }
        LetParentWait(block, number);
        if (!_isRoot)
            return;

        // Root may do to any process what it likes: only to its own here.
        switch (number)
        {
            case Kill or Tkill or QueueInfo or 302 or 310 or 311 or 434 or 142 or 143 or 144 or 203 or 314:
                block->Arguments[0] = OwnProcess();
                break;
            case Tgkill or ThreadQueueInfo:
                block->Arguments[0] = OwnProcess();
                block->Arguments[1] = OwnProcess();
                break;
            case 141:
                block->Arguments[0] = 0;
                block->Arguments[1] = OwnProcess();
                break;
            case 164 or 227:
                block->Number = 39;                     // the clock is everybody's
                break;
            case 424:
                block->Arguments[0] = Descriptors.Process;
                break;
        }
    }

    /// <summary>A child that shares memory and stack with its parent would write a signal's frame over the parent's: the parent must wait.</summary>
    private static void LetParentWait(CallBlock* block, int number)
    {
        const long sharesMemory = 0x100, waits = 0x4000;
        if (number == 56 && (block->Arguments[0] & sharesMemory) != 0 && block->Arguments[1] == 0)
            block->Arguments[0] |= waits;
        if (number != 435)
            return;
        if (Arena.IsBuffer(block->Arguments[0], out _) && Arena.IsBuffer(block->Arguments[0] + 8, out _))
            *(long*)block->Arguments[0] |= waits;
        else
            block->Arguments[0] = 0;
    }

    private long Typed(ReadOnlySpan<byte> word)
    {
        if (word[0] is (byte)'{' or (byte)'[')
            return Chosen(word.Slice(1, word.Length - 2), together: word[0] == '[');
        return word[0] switch
        {
            (byte)'f' => _random.Below(Descriptors.Count + 3) + Descriptors.First - 1,
            (byte)'d' => _random.OneIn(3) ? -100 : _random.OneIn(3) ? Descriptors.Folder : _random.Below(Descriptors.Count) + Descriptors.First,
            (byte)'s' => (long)Paths.Any(ref _random, Buffer()),
            (byte)'b' or (byte)'g' => (long)Structure(),
            (byte)'l' => Length(),
            (byte)'v' => (long)Vector(),
            (byte)'n' => _random.Below(10),
            (byte)'a' => Place(),
            (byte)'z' => _random.Below(12) * Linux.Page + (_random.OneIn(6) ? _random.Below(Linux.Page) : 0),
            (byte)'o' => _random.OneIn(4) ? (long)(_random.Next() >> _random.Below(64)) : _random.Below(16) * 1024,
            (byte)'P' => Process(),
            (byte)'S' => _random.Below(66),
            (byte)'t' => (long)Time(),
            (byte)'u' => _random.OneIn(3) ? -1 : _random.Below(4) * 500,
            (byte)'w' => (long)(Buffer() + _random.Below(4) * 4),
            (byte)'m' => (long)Message(),
            (byte)'h' => (long)Handler(),
            (byte)'e' => (long)Structure(),
            (byte)'8' => 8,
            (byte)'i' => (long)(_random.Next() >> 33 >> _random.Below(31)) - (_random.OneIn(8) ? 5 : 0),
            (byte)'A' => (long)Address(),
            (byte)'k' => (long)SmallNumber(_random.Below(130)),
            (byte)'c' => (long)Clone(),
            (byte)'p' => (long)Polled(),
            (byte)'q' => (long)How(),
            (byte)'x' => (long)Paths.Text(ref _random, Buffer()),
            _ => 0,
        };
    }

    private long Chosen(ReadOnlySpan<byte> list, bool together)
    {
        int count = 1;
        foreach (byte b in list)
            count += b == ',' ? 1 : 0;
        int chosen = _random.Below(count), at = 0;
        long value = 0;
        bool few = _random.OneIn(2);
        for (int i = 0; i < count; i++, at++)
        {
            long one = Calls.Number(list, ref at);
            if (!together && i == chosen)
                return one;
            if (together && (few ? i == chosen || _random.OneIn(count) : _random.OneIn(3)))
                value |= one;
        }
        return together && _random.OneIn(4) ? 0 : value;
    }

    /// <summary>Anything that fits a register.</summary>
    private long Word() => _random.Below(12) switch
    {
        0 => 0,
        1 => -1,
        2 => _random.Below(64),
        3 => -_random.Below(4096),
        4 => (long)Structure(),
        5 => Place(),
        6 => (long)KernelAddresses[_random.Below(KernelAddresses.Length)],
        7 => (long)(_random.Next() >> _random.Below(63) >> 1),
        8 => 1L << _random.Below(63),
        9 => (1L << _random.Below(63)) - 1,
        10 => _random.Below(Descriptors.Count) + Descriptors.First,
        _ => int.MaxValue - _random.Below(3),
    };

    private byte* Buffer() => Arena.Buffer(_lane, _random.Below(Arena.Buffers / 2));

    /// <summary>A place for bytes: mostly a buffer, filled with words that could mean something; sometimes one where a copy must fail.</summary>
    private byte* Structure()
    {
        byte* buffer = Buffer();
        switch (_random.Below(20))
        {
            case 0:
                return null;
            case 1:
                return (byte*)(Arena.Hole - _random.Below(64));
            case 2:
                return (byte*)(Arena.ReadOnly + _random.Below(64));
            case 3:
                return (byte*)(Arena.None + _random.Below(64));
            case 4:
                return (byte*)(Arena.File + 4 * Linux.Page - _random.Below(16));
            case 5:
                return (byte*)(Arena.Play + _random.Below(Arena.PlayPages) * Linux.Page);
            case 6:
                return (byte*)KernelAddresses[_random.Below(KernelAddresses.Length)];
            case 7:
                return buffer + _random.Below(Linux.Page);
        }
        bool small = _random.OneIn(2);
        for (int i = 0; i < 16; i++)
            ((ulong*)buffer)[i] = Small(small);
        return buffer;
    }

    private ulong Small(bool small) => _random.Below(small ? 4 : 9) switch
    {
        0 => 0,
        1 => (ulong)_random.Below(256),
        2 => (uint)_random.Below(64) | (ulong)(uint)_random.Below(64) << 32,
        3 => 1UL << _random.Below(48),
        4 => (ulong)Buffer(),
        5 => (ulong)Place(),
        6 => (ulong)(_random.Below(Descriptors.Count) + Descriptors.First),
        7 => _random.Next() >> 17,
        _ => 0xffff_ffff,
    };

    /// <summary>A word that will lie in a buffer: overwritten in part, an address of the kernel would look like another one.</summary>
    private static ulong Stored(long word) => (ulong)word >= 0xffff_8880_0000_0000 && word < -4096 ? 0xffff_8000_0000_0000 : (ulong)word;

    private long Length() => _random.Below(8) switch
    {
        0 => 0,
        1 => 1,
        2 => _random.Below(128),
        3 => Linux.Page,
        4 => _random.Below(4 * Linux.Page),
        5 => Arena.BufferBytes,
        6 => _random.Below(1 << 20),
        _ => _random.OneIn(4) ? (long)(_random.Next() >> _random.Below(63) >> 1) : _random.Below(1024),
    };

    private long Place() => _random.Below(8) switch
    {
        0 => (long)Arena.Hole,
        1 => (long)Arena.ReadOnly,
        2 => (long)Arena.Shared,
        3 => (long)Arena.File,
        4 => _random.OneIn(4) ? 0 : (long)Arena.Play + _random.Below(Linux.Page),
        _ => (long)Arena.Play + _random.Below(Arena.PlayPages) * Linux.Page,
    };

    private long Process() => _random.Below(8) switch
    {
        0 => 0,
        1 => -1,
        2 => int.MinValue,
        3 => int.MaxValue,
        4 => _isRoot ? Linux.GetPid() : _stage->Victim,
        5 => _isRoot ? Linux.GetPid() + 1 : 1,
        _ => Linux.GetPid(),
    };

    /// <summary>Nobody else than this task: root could end the harness.</summary>
    private long OwnProcess() => _random.Below(4) switch
    {
        0 => int.MaxValue,
        1 => int.MinValue,
        _ => Linux.GetPid(),
    };

    private byte* SmallNumber(int number)
    {
        byte* buffer = Buffer();
        *(int*)buffer = _random.OneIn(8) ? -1 : number;
        return buffer;
    }

    /// <summary>A short time, so that waiting ends.</summary>
    private byte* Time()
    {
        if (_random.OneIn(6))
            return null;
        byte* buffer = Buffer();
        ulong* words = (ulong*)buffer;
        for (int i = 0; i < 4; i++)
            words[i] = (i & 1) == 0 ? 0 : (ulong)_random.Below(2_000_000);
        if (_random.OneIn(8))
            words[_random.Below(4)] = Stored(Word());
        return buffer;
    }

    private byte* Vector()
    {
        byte* buffer = Buffer();
        ulong* words = (ulong*)buffer;
        for (int i = 0; i < 10; i++)
        {
            words[2 * i] = _random.OneIn(10) ? Stored((long)Structure()) : (ulong)(Arena.Buffer(_lane, _random.Below(8)) + _random.Below(Linux.Page));
            words[2 * i + 1] = _random.OneIn(30) ? Stored(Word()) : (ulong)_random.Below(2 * Linux.Page);
        }
        return buffer;
    }

    private byte* Message()
    {
        byte* vector = Vector(), control = Buffer(), buffer = Buffer();
        ulong* c = (ulong*)control;
        int descriptors = _random.Below(4);
        c[0] = (ulong)(_random.OneIn(8) ? _random.Below(300) : 16 + 4 * descriptors);
        c[1] = 1 | (ulong)(uint)(_random.OneIn(4) ? _random.Below(4) : 1) << 32;
        for (int i = 0; i < 4; i++)
            ((int*)(control + 16))[i] = _random.Below(Descriptors.Count) + Descriptors.First;
        ulong* m = (ulong*)buffer;
        m[0] = _random.OneIn(2) ? 0 : (ulong)Address();
        m[1] = (ulong)_random.Below(112);
        m[2] = (ulong)vector;
        m[3] = (ulong)_random.Below(6);
        m[4] = _random.OneIn(2) ? 0 : (ulong)control;
        m[5] = m[4] == 0 ? 0UL : _random.OneIn(4) ? (ulong)_random.Below(200) : (c[0] + 7) & ~7UL;
        m[6] = 0;
        return buffer;
    }

    /// <summary>A handler that returns, the default, or ignoring. One that is nowhere ends the task, which is seldom of use; on an alternate stack
    /// (memory that other calls write to) a handler's frame would not survive.</summary>
    private byte* Handler()
    {
        byte* buffer = Buffer();
        nint* words = (nint*)buffer;
        words[0] = _random.OneIn(20) ? (nint)Stored(Word()) : _random.OneIn(2) ? Task.Handler : _random.Below(2);
        words[1] = 0x0400_0000 | (_random.OneIn(2) ? (nint)(_random.Next() & 0xd000_0007) : 0);
        words[2] = Syscall.SignalRestorer();
        words[3] = (nint)(_random.Next() >> 3);
        return buffer;
    }

    private byte* Address()
    {
        byte* buffer = Buffer();
        *(ushort*)buffer = (ushort)(_random.OneIn(8) ? _random.Below(30) : 1);
        byte* name = buffer + 2;
        if (_random.OneIn(2))
            *name++ = 0;
        Paths.Name(ref _random, name);
        return buffer;
    }

    private byte* Clone()
    {
        byte* buffer = Structure();
        if (!Arena.IsBuffer((long)buffer, out _))
            return buffer;
        ulong* words = (ulong*)buffer;
        for (int i = 0; i < 11; i++)
            words[i] = _random.OneIn(6) ? Small(false) : 0;
        words[4] = _random.OneIn(2) ? 17UL : 0;
        return buffer;
    }

    private byte* Polled()
    {
        byte* buffer = Buffer();
        for (int i = 0; i < 10; i++)
        {
            ((int*)buffer)[2 * i] = _random.Below(Descriptors.Count + 4) + Descriptors.First - 2;
            ((int*)buffer)[2 * i + 1] = _random.Below(1 << 14);
        }
        return buffer;
    }

    private byte* How()
    {
        byte* buffer = Buffer();
        ulong* words = (ulong*)buffer;
        words[0] = _random.OneIn(4) ? Small(false) : (ulong)(uint)(_random.Below(3) + (_random.OneIn(2) ? 0x40 : 0));
        words[1] = _random.OneIn(3) ? (ulong)_random.Below(512) : 0;
        words[2] = _random.OneIn(2) ? (ulong)_random.Below(64) : 0;
        return buffer;
    }
}
