using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Keys;

/// <summary>Protection keys, <c>personality</c>, <c>membarrier</c>, resource limits: what changes the rules for a whole process.</summary>
internal static unsafe class Program
{
    private const int DisableAccess = 1, DisableWrite = 2;
    private const int NoSpace = -28;

    public static int Main() => Run(
        new("pkey_alloc refuses flags and unknown rights", &AllocRefuses),
        new("Fifteen keys can be had, or fourteen, then ENOSPC", &AllocAll),
        new("pkey_free wants an allocated key, and never key 0 twice", &FreeRefuses),
        new("A freed key is given again", &FreedAgain),
        new("pkey_mprotect refuses keys that are not allocated", &MprotectRefuses),
        new("pkey_mprotect with key -1 is mprotect", &MprotectMinusOne),
        new("A key cuts an area, the same key joins it", &KeyCuts),
        new("A key without access faults with its number", &NoAccess),
        new("A key without writing lets reading through", &NoWriting),
        new("The key's rights hold in system calls too", &InSystemCalls),
        new("Rights of a key follow fork", &AfterFork),
        new("Keys stay with pages through mprotect and mremap", &KeyStays),
        new("smaps shows the key of an area", &ShownKey),
        new("Execute-only memory cannot be read", &ExecuteOnly),
        new("Leaving execute-only gives key 0 back", &ExecuteOnlyEnds),
        new("The key's fault comes after the area's own rights", &AreaFirst),
        new("personality answers what was and keeps what is known", &PersonalityKept),
        new("READ_IMPLIES_EXEC makes readable memory executable", &ReadImpliesExec),
        new("READ_IMPLIES_EXEC holds for mprotect, and for brk not before exec", &ReadImpliesExecMprotect),
        new("personality is inherited by children", &PersonalityInherited),
        new("ADDR_COMPAT_LAYOUT and unknown bits are remembered", &PersonalityBits),
        new("membarrier tells what it can", &BarrierQuery),
        new("membarrier refuses flags and unknown commands", &BarrierRefuses),
        new("membarrier PRIVATE_EXPEDITED wants to be registered", &BarrierRegister),
        new("getrlimit and prlimit agree", &LimitsAgree),
        new("A soft limit above the hard one is EINVAL", &SoftAboveHard),
        new("A hard limit can be lowered for ever without rights", &HardLowered),
        new("Unknown resources are EINVAL, bad pointers EFAULT", &LimitsRefused),
        new("Limits are inherited by fork", &LimitsInherited),
        new("prlimit sets another process's limit", &LimitOfOther),
        new("RLIMIT_NOFILE holds for open and dup2", &FileLimit),
        new("RLIMIT_FSIZE holds for truncate and write", &FileSizeLimit),
        new("RLIMIT_DATA holds for brk", &DataLimitBrk),
        new("RLIMIT_CORE of zero: a signal leaves no core flag", &NoCore));

    private static bool HasKeys()
    {
        int key = PkeyAlloc(0, 0);
        if (key < 0)
        {
            Skip("this processor has no protection keys");
            return false;
        }
        PkeyFree(key);
        return true;
    }

    // ---- keys ----------------------------------------------------------------------------------------------------------------------------

    private static void AllocRefuses()
    {
        if (!HasKeys())
            return;
        Equal(Errno.Invalid, PkeyAlloc(1, 0));
        Equal(Errno.Invalid, PkeyAlloc(0, 4));
        Equal(Errno.Invalid, PkeyAlloc(0, -1));
        Equal(Errno.Invalid, PkeyAlloc(1, 4));
    }

    private static void AllocAll()
    {
        if (!HasKeys())
            return;
        int count = 0;
        int last = 0;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            while (count < 20 && PkeyAlloc(0, 0) is > 0 and int key)
            {
                count++;
                last = key;
            }
            Exit(count == 15 && last == 15 && PkeyAlloc(0, 0) == NoSpace ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
    }

    private static void FreeRefuses()
    {
        if (!HasKeys())
            return;
        Equal(Errno.Invalid, PkeyFree(-1));
        Equal(Errno.Invalid, PkeyFree(16));
        int key = PkeyAlloc(0, 0);
        Equal(0, PkeyFree(key));
        Equal(Errno.Invalid, PkeyFree(key));
    }

    private static void FreedAgain()
    {
        if (!HasKeys())
            return;
        int a = PkeyAlloc(0, 0), b = PkeyAlloc(0, 0);
        Check(a > 0 && b > a);
        PkeyFree(a);
        Equal(a, PkeyAlloc(0, 0));
        PkeyFree(a);
        PkeyFree(b);
    }

    private static void MprotectRefuses()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        Equal(Errno.Invalid, PkeyMprotect(a, Page, Protection.Read, 9));
        Equal(Errno.Invalid, PkeyMprotect(a, Page, Protection.Read, 16));
        Equal(Errno.Invalid, PkeyMprotect(a, Page, Protection.Read, -2));
        Equal(0, PkeyMprotect(a, Page, Protection.Read, 0));
        Look(a, "r"u8);
        Drop(a, 1);
    }

    private static void MprotectMinusOne()
    {
        nint a = Alone(1);
        Equal(0, PkeyMprotect(a, Page, Protection.Read, -1));
        Look(a, "r"u8);
        Equal(Errno.Invalid, PkeyMprotect(a + 1, Page, Protection.Read, -1));
        Drop(a, 1);
    }

    private static void KeyCuts()
    {
        if (!HasKeys())
            return;
        nint a = Alone(3);
        Touch(a, 3);
        int key = PkeyAlloc(0, 0);
        Equal(0, PkeyMprotect(a + Page, Page, Protection.ReadWrite, key));
        Look(a, "w|w|w"u8);
        Equal(0, PkeyMprotect(a, 3 * Page, Protection.ReadWrite, key));
        Look(a, "www"u8);
        Drop(a, 3);
        PkeyFree(key);
    }

    private static void NoAccess()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        Touch(a, 1);
        int key = PkeyAlloc(0, DisableAccess);
        Equal(0, PkeyMprotect(a, Page, Protection.ReadWrite, key));
        Trap.Report report = Trap.Read(a);
        Trap.Expect(report, Signal.Segmentation, Trap.KeyError);
        Equal(key, report.Key);
        Equal(0x25, report.Error);      // present, user, key
        Trap.Expect(Trap.Write(a), Signal.Segmentation, Trap.KeyError);
        Drop(a, 1);
        PkeyFree(key);
    }

    private static void NoWriting()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        Touch(a, 1);
        int key = PkeyAlloc(0, DisableWrite);
        Equal(0, PkeyMprotect(a, Page, Protection.ReadWrite, key));
        Equal(0, Trap.Read(a).Signal);
        Trap.Expect(Trap.Write(a), Signal.Segmentation, Trap.KeyError);
        Equal(1, At(a));
        Drop(a, 1);
        PkeyFree(key);
    }

    private static void InSystemCalls()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        Touch(a, 1);
        int key = PkeyAlloc(0, DisableAccess);
        PkeyMprotect(a, Page, Protection.ReadWrite, key);
        int zero = Open("/dev/zero"u8, 2);
        Equal(Errno.BadAddress, Linux.Read(zero, (void*)a, 8));
        int* ends = stackalloc int[2];
        Pipe(ends);
        Equal(Errno.BadAddress, Linux.Write(ends[1], (void*)a, 8));
        Close(ends[0]);
        Close(ends[1]);
        Close(zero);
        Drop(a, 1);
        PkeyFree(key);
    }

    private static void AfterFork()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        Touch(a, 1);
        int key = PkeyAlloc(0, DisableAccess);
        PkeyMprotect(a, Page, Protection.ReadWrite, key);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Child.SignalOfRead(a) == Signal.Segmentation && PkeyFree(key) == 0 && PkeyAlloc(0, 0) == key && Child.SignalOfRead(a) == 0 ? 0 : 1);
        Equal(0, Child.Status(pid));
        Drop(a, 1);
        PkeyFree(key);
    }

    private static void KeyStays()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1), b = Room(1);
        Touch(a, 1);
        int key = PkeyAlloc(0, DisableAccess);
        PkeyMprotect(a, Page, Protection.ReadWrite, key);
        Equal(0, Mprotect(a, Page, Protection.Read));
        Equal(b, Mremap(a, Page, Page, Remap.MayMove | Remap.Fixed, b));
        Equal(key, Trap.Read(b).Key);
        Drop(b, 1);
        PkeyFree(key);
    }

    private static void ShownKey()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        Equal(0, Proc.Smaps(a, "ProtectionKey"u8));
        int key = PkeyAlloc(0, 0);
        PkeyMprotect(a, Page, Protection.ReadWrite, key);
        Equal(key, Proc.Smaps(a, "ProtectionKey"u8));
        Drop(a, 1);
        PkeyFree(key);
    }

    private static void ExecuteOnly()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        *(byte*)a = 0xc3;
        Equal(0, Mprotect(a, Page, Protection.Execute));
        Look(a, "e"u8);
        Equal(0, Trap.Call(a).Signal);
        Trap.Expect(Trap.Read(a), Signal.Segmentation, Trap.KeyError);
        Drop(a, 1);
    }

    private static void ExecuteOnlyEnds()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        *(byte*)a = 0xc3;
        Equal(0, Mprotect(a, Page, Protection.Execute));
        Equal(0, Mprotect(a, Page, Protection.Read));
        Equal(0, Trap.Read(a).Signal);
        Equal(0, Proc.Smaps(a, "ProtectionKey"u8));
        Drop(a, 1);
    }

    private static void AreaFirst()
    {
        if (!HasKeys())
            return;
        nint a = Alone(1);
        int key = PkeyAlloc(0, DisableWrite);
        PkeyMprotect(a, Page, Protection.Read, key);
        _ = At(a);
        Trap.Report report = Trap.Write(a);
        Equal(Signal.Segmentation, report.Signal);
        Check(report.Code is Trap.AccessError or Trap.KeyError);
        Drop(a, 1);
        PkeyFree(key);
    }

    // ---- personality -----------------------------------------------------------------------------------------------------------------------

    private static nint Query => unchecked((nint)0xffff_ffff);

    private const nint NoRandomize = 0x0040000, ReadImpliesExecBit = 0x0400000, CompatLayout = 0x0200000;

    private static void PersonalityKept()
    {
        nint before = Personality(Query);
        Equal(before, Personality(before | NoRandomize));
        Equal(before | NoRandomize, Personality(Query));
        Equal(before | NoRandomize, Personality(before));
        Equal(before, Personality(Query));
    }

    private static void ReadImpliesExec() => Equal(0, Child.Run(&ReadImpliesExecBody));

    private static int ReadImpliesExecBody()
    {
        Areas.Prepare();
        Personality(Personality(Query) | ReadImpliesExecBit);
        nint a = Alone(3, Protection.Read);
        Put(a + Page, 1, Protection.None);
        Put(a + 2 * Page, 1);
        return Look(a, "x|n|a"u8) ? 0 : 1;
    }

    private static void ReadImpliesExecMprotect() => Equal(0, Child.Run(&ReadImpliesExecMprotectBody));

    private static int ReadImpliesExecMprotectBody()
    {
        nint a = Alone(2);
        Personality(Personality(Query) | ReadImpliesExecBit);
        Mprotect(a, Page, Protection.Read);
        Mprotect(a + Page, Page, Protection.Write);
        return Look(a, "x|o"u8) ? 0 : 1;
    }

    private static void PersonalityInherited()
    {
        nint before = Personality(Query);
        Personality(before | NoRandomize);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Personality(Query) == (before | NoRandomize) ? 0 : 1);
        Equal(0, Child.Status(pid));
        Personality(before);
    }

    private static void PersonalityBits()
    {
        nint before = Personality(Query);
        Personality(before | CompatLayout | 0x10000000);
        Equal(before | CompatLayout | 0x10000000, Personality(before));
    }

    // ---- membarrier ------------------------------------------------------------------------------------------------------------------------

    private static void BarrierQuery()
    {
        int known = Membarrier(0);
        Equal(1 | 8 | 16, known & (1 | 8 | 16));        // GLOBAL, PRIVATE_EXPEDITED and its registration
        Equal(0, Membarrier(1));
    }

    private static void BarrierRefuses()
    {
        Equal(Errno.Invalid, Membarrier(0, 2));
        Equal(Errno.Invalid, Membarrier(1, 1));
        Equal(Errno.Invalid, Membarrier(3));
        Equal(Errno.Invalid, Membarrier(1 << 20));
        Equal(Errno.Invalid, Membarrier(-1));
    }

    private static void BarrierRegister()
    {
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Membarrier(8) == Errno.NotPermitted && Membarrier(16) == 0 && Membarrier(8) == 0 && Membarrier(2) == 0 ? 0 : 1);
        Equal(0, Child.Status(pid));
    }

    // ---- limits ----------------------------------------------------------------------------------------------------------------------------

    private static void LimitsAgree()
    {
        ulong* one = stackalloc ulong[2], other = stackalloc ulong[2];
        for (int resource = 0; resource < 16; resource++)
        {
            Equal(0, GetResourceLimit(resource, one));
            Equal(0, PrLimit(0, resource, null, other));
            Check(one[0] == other[0] && one[1] == other[1]);
        }
    }

    private static void SoftAboveHard()
    {
        ulong* pair = stackalloc ulong[2];
        pair[0] = 100;
        pair[1] = 50;
        Equal(Errno.Invalid, SetResourceLimit(Limit.Core, pair));
        Equal(Errno.Invalid, PrLimit(0, Limit.Core, pair, null));
    }

    private static void HardLowered() => Equal(0, Child.Run(&HardLoweredBody));

    private static int HardLoweredBody()
    {
        Syscall.Call(105, 1000);
        ulong* pair = stackalloc ulong[2];
        pair[0] = pair[1] = 100;
        if (SetResourceLimit(Limit.Files, pair) != 0)
            return 1;
        pair[1] = 101;
        if (SetResourceLimit(Limit.Files, pair) != Errno.NotPermitted)
            return 2;
        pair[0] = 50;
        pair[1] = 100;
        return SetResourceLimit(Limit.Files, pair) == 0 ? 0 : 3;
    }

    private static void LimitsRefused()
    {
        ulong* pair = stackalloc ulong[2];
        Equal(Errno.Invalid, GetResourceLimit(16, pair));
        Equal(Errno.Invalid, GetResourceLimit(-1, pair));
        Equal(Errno.BadAddress, GetResourceLimit(Limit.Stack, (ulong*)8));
        Equal(Errno.BadAddress, SetResourceLimit(Limit.Stack, (ulong*)8));
        Equal(Errno.NoSuchProcess, PrLimit(0x3fffff, Limit.Stack, null, pair));
        Equal(Errno.Invalid, PrLimit(0, 16, null, pair));
    }

    private static void LimitsInherited()
    {
        ulong before = SetSoftLimit(Limit.Files, 77);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            ulong* pair = stackalloc ulong[2];
            GetResourceLimit(Limit.Files, pair);
            Exit((int)pair[0]);
        }
        SetSoftLimit(Limit.Files, before);
        Equal(77, Child.Status(pid));
    }

    private static void LimitOfOther()
    {
        int* ends = stackalloc int[2];
        Pipe(ends);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            byte go;
            Linux.Read(ends[0], &go, 1);
            ulong* pair = stackalloc ulong[2];
            GetResourceLimit(Limit.Core, pair);
            Exit((int)pair[0]);
        }
        ulong* limit = stackalloc ulong[2], old = stackalloc ulong[2];
        PrLimit(pid, Limit.Core, null, old);
        limit[0] = 55;
        limit[1] = old[1];
        Equal(0, PrLimit(pid, Limit.Core, limit, old));
        byte value = 1;
        Linux.Write(ends[1], &value, 1);
        Equal(55, Child.Status(pid));
        Close(ends[0]);
        Close(ends[1]);
    }

    private static void FileLimit()
    {
        int next = Open("/dev/null"u8, 0);
        Close(next);
        ulong before = SetSoftLimit(Limit.Files, (ulong)next);
        int opened = Open("/dev/null"u8, 0), copied = Dup2(1, next);
        SetSoftLimit(Limit.Files, before);
        Equal(-24, opened);
        Equal(Errno.BadDescriptor, copied);
    }

    private static void FileSizeLimit() => Equal(0, Child.Run(&FileSizeLimitBody));

    private static int FileSizeLimitBody()
    {
        int file = NewFile(0);
        nint* ignore = stackalloc nint[4];
        new Span<nint>(ignore, 4).Clear();
        ignore[0] = 1;
        Syscall.Call(13, 25, (nint)ignore, 0, 8);       // SIGXFSZ
        SetSoftLimit(Limit.FileSize, 2 * Page);
        byte value = 1;
        if (Truncate(file, 2 * Page + 1) != Errno.TooBig || Truncate(file, 2 * Page) != 0)
            return 1;
        return PositionedWrite(file, &value, 1, 2 * Page) == Errno.TooBig && PositionedWrite(file, &value, 1, 2 * Page - 1) == 1 ? 0 : 2;
    }

    private static void DataLimitBrk()
    {
        Proc.Prepare();
        nint end = Brk(0);
        ulong before = SetSoftLimit(Limit.Data, (ulong)Proc.Status("VmData"u8) * 1024 + 2 * Page);
        nint refused = Brk(end + 64 * Page);
        SetSoftLimit(Limit.Data, before);
        Equal(end, refused);
    }

    private static void NoCore()
    {
        int pid = Linux.Fork();
        if (pid == 0)
        {
            SetSoftLimit(Limit.Core, 0);
            Kill(GetPid(), Signal.Abort);
            Exit(0);
        }
        Linux.Wait(pid, out int status);
        Equal(Signal.Abort, status);        // without the bit 0x80
    }
}
