using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>Makes operations of a seed. Each depends on the seed and its own place only, so that leaving one out changes no other.</summary>
/// <param name="seed">Which stream.</param>
/// <param name="plain">Leaves out what is not the same on every machine and every Linux since 6.1.</param>
internal struct Generator(ulong seed, bool plain)
{
    private ulong _state;

    /// <summary>The operation at a place of the stream.</summary>
    public Operation Make(int place)
    {
        _state = Mix(seed * 0x9e37_79b9_7f4a_7c15 + Mix((ulong)place + 0x1234_5678));
        Operation made = default;
        // Half of all is done by the first actor: with all of equal weight, no single address space would ever become interesting.
        made.Who = OneIn(2) ? 0 : Below(8);
        if (place % 11 == 10)
        {
            made.Kind = Kind.Look;
            made.A = place % 55 == 54 ? 2 : place / 11 & 1;
            return made;
        }

        // At first there is something to work on.
        int choice = place < 8 ? 0 : Below(100);
        if (choice < 18)
            Map(ref made);
        else if (choice < 24)
            Range(ref made, Kind.Unmap, 12);
        else if (choice < 32)
            Protect(ref made);
        else if (choice < 38)
            Remap(ref made);
        else if (choice < 41)
            Break(ref made);
        else if (choice < 50)
            Advise(ref made);
        else if (choice < 59)
            Locks(ref made);
        else if (choice < 63)
            Segments(ref made);
        else if (choice < 73)
            Files(ref made);
        else if (choice < 79)
            Others(ref made);
        else if (choice < 85)
            Actors(ref made);
        else
            Touch(ref made);
        return made;
    }

    private void Map(ref Operation made)
    {
        Range(ref made, Kind.Map, 14);
        if (OneIn(5))
            made.B += 20;
        made.C = Rights();
        made.E = -1;
        made.D = OneIn(3) ? Suites.Map.Shared : Suites.Map.Private;
        if (OneIn(3))
        {
            made.E = OneIn(12) ? 4 + Below(2) : Below(4);
            made.F = Below(24);
        }
        else
        {
            made.D |= Suites.Map.Anonymous;
        }
        made.D |= Below(8) switch
        {
            0 => Suites.Map.FixedNoReplace,
            1 => 0,
            _ => Suites.Map.Fixed,
        };
        if (OneIn(8))
            made.D |= Suites.Map.NoReserve;
        if (OneIn(8))
            made.D |= Suites.Map.Populate;
        if (OneIn(24))
            made.D |= Suites.Map.Locked;
        if (OneIn(30))
            made.D |= Suites.Map.GrowsDown;
        if (OneIn(40))
            made.D |= Suites.Map.Stack;
        if (OneIn(60))
            made.D ^= Suites.Map.Private;       // neither, or both: SHARED_VALIDATE
        // Anywhere: the kernel looks for the place.
        if ((made.D & (Suites.Map.Fixed | Suites.Map.FixedNoReplace)) == 0 && OneIn(2))
            made.A = -1000;
    }

    private void Protect(ref Operation made)
    {
        Range(ref made, Kind.Protect, 12);
        made.C = Rights();
        if (OneIn(40))
            made.C |= OneIn(2) ? Protection.GrowsDown : Protection.GrowsUp;
        if (plain || !OneIn(4))
            return;
        made.Kind = Kind.KeyProtect;
        made.D = Below(5) - 1;
    }

    private void Remap(ref Operation made)
    {
        Range(ref made, Kind.Remap, 6);
        made.C = OneIn(3) ? made.B : Length(16);
        made.D = Below(8) switch
        {
            0 or 1 => 0,
            2 or 3 => 1,
            4 or 5 => 3,
            6 => 5,
            _ => Below(8),
        };
        if ((made.D & 4) != 0 && !OneIn(4))
            made.C = made.B;
        made.E = Page();
        // Since 6.17 a move may cover several areas, and which pages are one area has changed too: one page is always one area.
        if (plain)
            made.B = 1;
    }

    private void Break(ref Operation made)
    {
        made.Kind = Kind.Break;
        made.A = OneIn(20) ? -Below(100_000) : Below(Arena.HeapPages * 4096) & (OneIn(2) ? -4096 : -1);
    }

    private void Advise(ref Operation made)
    {
        Range(ref made, Kind.Advise, 14);
        // Not here: MERGEABLE (a kernel may be built without), HWPOISON (needs a privilege), PAGEOUT (what can be written out depends on
        // how far the page's way through the processor's own lists has come), and what is newer than 6.1.
        made.C = Below(24) switch
        {
            0 or 1 or 2 or 3 => 4,          // DONTNEED
            4 => 8,                         // FREE
            5 or 6 when !plain => 9,        // REMOVE; since 6.7 the file need not be mapped writable
            7 => 10,                        // DONTFORK
            8 => 11,                        // DOFORK
            9 => 18,                        // WIPEONFORK
            10 => 19,                       // KEEPONFORK
            11 => 16,                       // DONTDUMP
            12 => 17,                       // DODUMP
            13 => 1,                        // RANDOM
            14 => 2,                        // SEQUENTIAL
            15 => 3,                        // WILLNEED
            16 or 17 => 22,                 // POPULATE_READ
            18 or 19 => 23,                 // POPULATE_WRITE
            20 => 24,                       // DONTNEED_LOCKED
            21 => 20,                       // COLD
            22 => OneIn(2) ? 14 : 15,       // HUGEPAGE, NOHUGEPAGE
            _ => OneIn(2) ? 0 : 77,         // NORMAL, nothing there is
        };
    }

    private void Locks(ref Operation made)
    {
        switch (Below(9))
        {
            case 0 or 1:
                Range(ref made, Kind.Lock, 10);
                made.C = OneIn(20) ? 2 : Below(3) - 1;
                break;
            case 2 or 3:
                Range(ref made, Kind.Unlock, 14);
                break;
            case 4:
                made.Kind = Kind.LockAll;
                made.A = OneIn(3) ? Below(8) : OneIn(3) ? 2 : OneIn(2) ? 6 : -1;
                break;
            case 5:
                made.Kind = Kind.LockAll;
                made.A = -1;
                break;
            case 6:
                Range(ref made, Kind.Sync, 14);
                made.C = OneIn(10) ? Below(16) : OneIn(2) ? 4 : OneIn(2) ? 1 : 2;
                break;
            default:
                Range(ref made, Kind.Resident, 14);
                break;
        }
    }

    private void Segments(ref Operation made)
    {
        if (OneIn(3))
        {
            made.Kind = Kind.Detach;
            made.A = Page();
            return;
        }
        made.Kind = Kind.Attach;
        made.A = OneIn(4) ? -1 : Page();
        made.B = Below(2);
        made.C = (OneIn(4) ? 0x1000 : 0) | (OneIn(6) ? 0x2000 : 0) | (OneIn(2) ? 0x4000 : 0) | (OneIn(10) ? 0x8000 : 0);
        made.G = OneIn(12) ? 1 : 0;
    }

    private void Files(ref Operation made)
    {
        int file = OneIn(20) ? Below(6) : OneIn(6) ? 2 : Below(2);
        switch (Below(12))
        {
            case 0 or 1:
                made.Kind = Kind.Truncate;
                made.A = file;
                made.B = OneIn(20) ? -1 : Below(26 * 4096) & (OneIn(2) ? -4096 : -1);
                break;
            case 2 or 3:
                made.Kind = Kind.Reserve;
                made.A = file;
                made.B = OneIn(8) ? Below(0x20) : OneIn(2) ? 3 : Below(2);
                made.C = Below(24 * 4096) & (OneIn(2) ? -4096 : -1);
                made.D = OneIn(20) ? 0 : 1 + Below(8 * 4096);
                break;
            case 4 when OneIn(6):
                made.Kind = Kind.Seal;
                made.A = 0;
                made.B = 2 << Below(3);                 // not FUTURE_WRITE: Linux joins a mapping with its neighbour before it asks the file, and lets it grow
                break;
            default:
                made.Kind = OneIn(2) ? Kind.FileRead : Kind.FileWrite;
                made.A = Page();
                made.B = OneIn(3) ? Below(4 * 4096) : Below(5000);
                made.C = file;
                made.D = Below(24 * 4096) & (OneIn(2) ? -4096 : -1);
                made.E = OneIn(2) ? 0 : Below(4096);
                break;
        }
    }

    private void Others(ref Operation made)
    {
        switch (Below(8))
        {
            case 0 or 1 or 2:
                made.Kind = OneIn(2) ? Kind.ProcessRead : Kind.ProcessWrite;
                made.A = Page();
                made.B = Page();
                made.C = OneIn(2) ? Below(3 * 4096) : Below(300);
                made.D = Below(8);
                made.E = OneIn(2) ? 0 : Below(4096);
                break;
            case 3:
                made.Kind = Kind.MemoryRead;
                made.A = Page();
                made.B = Below(3 * 4096);
                break;
            case 4:
                made.Kind = Kind.MemoryWrite;
                made.A = Page();
                made.B = Below(2 * 4096);
                made.C = Below(256);
                break;
            case 5:
                made.Kind = Kind.RemapPages;
                made.A = Page();
                made.B = Length(6);
                made.C = Below(12);
                made.D = OneIn(4) ? Suites.Map.NonBlock : 0;
                break;
            default:
                if (plain)
                {
                    Touch(ref made);
                    break;
                }
                made.Kind = OneIn(3) ? Kind.KeyAllocate : OneIn(4) ? Kind.KeyFree : Kind.KeyRights;
                made.A = made.Kind == Kind.KeyAllocate ? Below(4) : 1 + Below(4);
                made.B = Below(4);
                break;
        }
    }

    private void Actors(ref Operation made)
    {
        switch (Below(12))
        {
            case 0 or 1 or 2 or 3:
                made.Kind = Kind.Fork;
                break;
            case 4 or 5:
                made.Kind = Kind.Thread;
                break;
            case 6 or 7 or 8:
                made.Kind = Kind.Exit;
                made.Who = 1 + Below(7);
                break;
            case 9 or 10:
                made.Kind = Kind.Die;
                made.A = Page();
                made.B = Below(2);
                break;
            default:
                made.Kind = Kind.Borrow;
                made.A = Page();
                made.B = Below(256);
                break;
        }
    }

    private void Touch(ref Operation made)
    {
        made.A = Page();
        made.B = OneIn(2) ? 0 : Below(4096);
        if (OneIn(20))
        {
            made.Kind = Kind.Jump;
            return;
        }
        made.Kind = OneIn(2) ? Kind.Load : Kind.Store;
        // Often a return instruction, so that there is something to jump to.
        made.C = OneIn(4) ? 0xc3 : 1 + Below(255);
    }

    private void Range(ref Operation made, Kind kind, int most)
    {
        made.Kind = kind;
        made.A = Page();
        made.B = Length(most);
        made.G = OneIn(25) ? 1 + Below(6) : 0;
    }

    private int Length(int most) => OneIn(40) ? 0 : OneIn(20) ? Below(Arena.Pages) : 1 + Below(most);

    // Half of all places are near the border of two page tables, so that ranges meet.
    private int Page() => OneIn(16) ? Arena.Heap + Below(Arena.HeapPages) : OneIn(2) ? Arena.Border - 12 + Below(24) : Below(Arena.Pages);

    private int Rights() => Below(plain ? 12 : 13) switch
    {
        0 => 0,
        1 or 2 => 1,
        3 => 5,
        4 => 7,
        5 => 2,
        12 => 4,        // with protection keys, code that cannot be read
        _ => 3,
    };

    private bool OneIn(int n) => Below(n) == 0;

    private int Below(int n)
    {
        _state += 0x9e37_79b9_7f4a_7c15;
        return (int)((Mix(_state) >> 33) % (ulong)n);
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ z >> 30) * 0xbf58_476d_1ce4_e5b9;
        z = (z ^ z >> 27) * 0x94d0_49bb_1331_11eb;
        return z ^ z >> 31;
    }
}
