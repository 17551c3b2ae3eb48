using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>Does one operation and writes what came of it.</summary>
internal static unsafe class Execute
{
    /// <summary>The files of a stream have these descriptors: a memfd, a file of 20 pages and a bit, the same for reading only, /dev/zero, a folder, none.</summary>
    public const int FirstFile = 100, FileCount = 5, FilePages = 20;

    private const int MostBytes = 16 * Linux.Page;

    private static byte* s_buffer;
    private static int s_firstSegment, s_secondSegment;

    public static void Prepare(int firstSegment, int secondSegment)
    {
        s_buffer = (byte*)Linux.Mmap(0, MostBytes, Protection.ReadWrite, Map.SharedAnonymous);
        s_firstSegment = firstSegment;
        s_secondSegment = secondSegment;
    }

    public static void Run(Stage* stage, int self, in Operation o)
    {
        ref Writer text = ref stage->Text;
        nint address = Arena.Address(o.A);
        nint bytes = (nint)o.B * Linux.Page;
        if (HasRange(o.Kind))
            Arena.Bend(o.G, o.Kind is Kind.Map or Kind.Unmap, ref address, ref bytes);
        switch (o.Kind)
        {
            case Kind.Map:
                address = o.A <= -1000 ? 0 : address;
                KeepShown(ref text, Linux.Mmap(address, bytes, o.C, o.D, o.E < 0 ? -1 : FirstFile + o.E, (nint)o.F * Linux.Page), bytes);
                break;
            case Kind.Unmap:
                text.Result(Linux.Munmap(address, bytes));
                break;
            case Kind.Protect:
                text.Result(Linux.Mprotect(address, bytes, o.C));
                break;
            case Kind.Remap:
                bytes = (nint)o.C * Linux.Page;
                KeepShown(ref text, Linux.Mremap(address, (nint)o.B * Linux.Page, bytes, o.D, Arena.Address(o.E)), bytes);
                break;
            case Kind.Break:
                text.Place(Linux.Brk(Arena.BreakStart + o.A));
                break;
            case Kind.Advise:
                text.Result(Linux.Madvise(address, bytes, o.C));
                break;
            case Kind.Resident:
                Resident(ref text, address, bytes, stage->Steady != 0);
                break;
            case Kind.Sync:
                text.Result(Linux.Msync(address, bytes, o.C));
                break;
            case Kind.Lock:
                text.Result(o.C < 0 ? Linux.Mlock(address, bytes) : Syscall.Call(325, address, bytes, o.C));
                break;
            case Kind.Unlock:
                text.Result(Linux.Munlock(address, bytes));
                break;
            case Kind.LockAll:
                text.Result(o.A < 0 ? Syscall.Call(152) : Syscall.Call(151, o.A));
                break;
            case Kind.KeyAllocate:
                text.Result(Syscall.Call(330, 0, o.A));
                break;
            case Kind.KeyFree:
                text.Result(Syscall.Call(331, o.A));
                break;
            case Kind.KeyProtect:
                text.Result(Syscall.Call(329, address, bytes, o.C, o.D));
                break;
            case Kind.KeyRights:
                Faults.Keys = Faults.Keys & ~(3u << 2 * o.A) | (uint)o.B << 2 * o.A;
                break;
            case Kind.Attach:
                Attach(ref text, o);
                break;
            case Kind.Detach:
                text.Result(Syscall.Call(67, address));
                break;
            case Kind.Truncate:
                text.Result(Linux.Truncate(FirstFile + o.A, o.B));
                break;
            case Kind.Reserve:
                text.Result(Syscall.Call(285, FirstFile + o.A, o.B, o.C, o.D));
                break;
            case Kind.FileRead:
                text.Result(Linux.PositionedRead(FirstFile + o.C, (void*)(address + o.E), o.B, o.D));
                break;
            case Kind.FileWrite:
                text.Result(Linux.PositionedWrite(FirstFile + o.C, (void*)(address + o.E), o.B, o.D));
                break;
            case Kind.ProcessRead or Kind.ProcessWrite:
                BetweenProcesses(stage, ref text, o);
                break;
            case Kind.RemapPages:
                text.Result(Syscall.Call(216, address, bytes, 0, o.C, o.D));
                break;
            case Kind.MemoryRead or Kind.MemoryWrite:
                ThroughFile(ref text, o, address);
                break;
            case Kind.Load:
                Report(ref text, Faults.Load(address + o.B));
                break;
            case Kind.Store:
                Report(ref text, Faults.Store(address + o.B, o.C) ? 0 : -1);
                break;
            case Kind.Jump:
                Jump(ref text, address);
                break;
            case Kind.Die:
                Die(ref text, address, o.B);
                break;
            case Kind.Fork:
                Started(ref text, Actor.StartProcess(byDirector: false, out nint forked), forked);
                break;
            case Kind.Borrow:
                text.Result(Actor.Borrow(address, o.B));
                break;
            case Kind.Thread:
                Started(ref text, Actor.StartThread(self, out nint made), made);
                break;
            case Kind.Seal:
                text.Result(Syscall.Call(72, FirstFile + o.A, 1033, o.B));
                break;
            case Kind.Look:
                Look.Run(stage, o.A);
                break;
        }
    }

    private static bool HasRange(Kind kind) => kind is Kind.Map or Kind.Unmap or Kind.Protect or Kind.KeyProtect or Kind.Remap or Kind.Advise
        or Kind.Resident or Kind.Sync or Kind.Lock or Kind.Unlock;

    /// <summary>What the kernel has placed where nobody looks goes again.</summary>
    private static void KeepShown(ref Writer text, nint result, nint bytes)
    {
        text.Place(result);
        if (!Linux.IsError(result) && !Arena.IsShown(result))
            Linux.Munmap(result, bytes);
    }

    private static void Report(ref Writer text, int value)
    {
        if (value < 0)
            Faults.Describe(ref text);
        else
            text.Result(value);
    }

    private static void Started(ref Writer text, int place, nint result)
    {
        if (result < 0)
            text.Result(result);
        else if (place == 0)
            text.Put(" = nobody"u8);
        else
            text.Result(place);
    }

    private static void Resident(ref Writer text, nint address, nint bytes, bool steady)
    {
        nint result = Linux.Mincore(address, bytes, s_buffer);
        text.Result(result);
        if (result != 0 || steady)
            return;
        text.Put(' ');
        for (nint i = 0; i < bytes; i += Linux.Page)
            text.Put((s_buffer[i >> 12] & 1) != 0 ? '1' : '0');
    }

    private static void Attach(ref Writer text, in Operation o)
    {
        int segment = o.B == 0 ? s_firstSegment : s_secondSegment;
        nint result = Syscall.Call(30, segment, o.A < 0 ? 0 : Arena.Address(o.A) + o.G, o.C);
        text.Place(result);
        if (!Linux.IsError(result) && !Arena.IsShown(result))
            Syscall.Call(67, result);
    }

    private static void BetweenProcesses(Stage* stage, ref Writer text, in Operation o)
    {
        int other = Stage.Living(stage, o.D);
        nint* here = stackalloc nint[4];
        nint* there = here + 2;
        here[0] = Arena.Address(o.A) + o.E;
        there[0] = Arena.Address(o.B) + o.E;
        here[1] = there[1] = o.C;
        text.Put(" p"u8);
        text.Number(stage->Process[other]);
        text.Result(Syscall.Call(o.Kind == Kind.ProcessRead ? 310 : 311, stage->Id[other], (nint)here, 1, (nint)there, 1, 0));
    }

    private static void ThroughFile(ref Writer text, in Operation o, nint address)
    {
        int file = Linux.Open("/proc/self/mem"u8, 2);
        nint result;
        if (o.Kind == Kind.MemoryWrite)
        {
            for (int i = 0; i < o.B; i++)
                s_buffer[i] = (byte)(o.C + (i >> 8));
            result = Linux.PositionedWrite(file, s_buffer, o.B, address);
            text.Result(result);
        }
        else
        {
            result = Linux.PositionedRead(file, s_buffer, o.B, address);
            text.Result(result);
            if (result > 0)
            {
                text.Put(' ');
                text.Hex(Writer.Mix(0, new ReadOnlySpan<byte>(s_buffer, (int)result)));
            }
        }
        Linux.Close(file);
    }

    /// <summary>Jumps to a page when a return instruction is at its start, or when nobody can read what is there.</summary>
    private static void Jump(ref Writer text, nint address)
    {
        nint* ranges = stackalloc nint[4];
        byte first = 0;
        ranges[0] = (nint)(&first);
        ranges[1] = 1;
        ranges[2] = address;
        ranges[3] = 1;
        nint seen = Syscall.Call(310, Linux.GetPid(), (nint)ranges, 1, (nint)(ranges + 2), 1, 0);
        if (seen == 1 && first != 0xc3)
            text.Put(" = no return there"u8);
        else
            Report(ref text, Faults.Jump(address) ? 0 : -1);
    }

    private static void Die(ref Writer text, nint address, int write)
    {
        int child = Linux.Fork();
        if (child == 0)
        {
            Faults.Reset();
            if (write != 0)
                Faults.Store(address, 0x5a);
            else
                Faults.Load(address);
            Linux.Exit(0);
        }
        int status = child;
        if (child > 0)
            Linux.Wait(child, out status);
        text.Result(status);
    }
}
