using System;
using static NanoVm.User.Suites.Injection.Walker;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Injection;

/// <summary>Calls of which each has a few requests only, many in one action: advice to others, policies, rights, clocks, scheduling, waiting.</summary>
internal static unsafe class CallCases
{
    private const int Pages = 16, SetPolicy = 238, Bind = 237;

    private static nint Far => unchecked((nint)0x2700_0000_0000);

    private static void MakeFar()
    {
        Mmap(Far, Pages * Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
        for (int i = 0; i < Pages; i++)
            *(byte*)(Far + i * Page) = 1;
    }

    private static void UnmapFar(nint result) => Munmap(Far, 2 * Pages * Page);

    /// <summary>Advice by pidfd: pages cool, leave and come back.</summary>
    public static void AdviceToAProcess()
    {
        static nint Act()
        {
            Suspended(&MakeFar);
            nint file = Syscall.Call(434, GetPid(), 0);
            if (file < 0)
                return file;
            Chain.Begin();
            nint* vector = (nint*)Data;
            vector[0] = Far;
            vector[1] = vector[3] = 4 * Page;
            vector[2] = Far + 8 * Page;
            for (int advice = 20; advice <= 21; advice++)
            {
                nint done = Syscall.Call(440, file, (nint)vector, 2, advice, 0);
                Chain.Do(done < 0 ? done : 0);
            }

            Chain.Do(Syscall.Call(440, file, (nint)vector, 2, 3, 0));      // WILLNEED
            Close((int)file);
            return Chain.First;
        }

        Walk(&Act, &UnmapFar);
    }

    /// <summary>Policies by node: of a task, of a part of an area, of shared memory; where pages are.</summary>
    public static void Policies()
    {
        static nint Act()
        {
            Suspended(&MakeFar);
            ulong* mask = (ulong*)Data;
            mask[0] = 1;
            nint* places = (nint*)(Data + 512);
            places[0] = Far;
            places[1] = Far + 4 * Page;
            Chain.Begin();
            Chain.Do(Syscall.Call(SetPolicy, 2, (nint)mask, 64));
            Chain.Do(Syscall.Call(239, (nint)(Data + 64), (nint)(Data + 128), 64, 0, 0));
            Chain.Do(Syscall.Call(Bind, Far + 2 * Page, 4 * Page, 2, (nint)mask, 64, 3));
            Chain.Do(Syscall.Call(450, Far + 2 * Page, 2 * Page, 0, 0));
            Chain.Do(Syscall.Call(256, 0, 64, (nint)mask, (nint)mask));
            Chain.Do(Syscall.Call(279, 0, 2, (nint)places, 0, (nint)(Data + 1024), 0));
            Syscall.Call(SetPolicy, 0, 0, 0);
            return Chain.First;
        }

        Walk(&Act, &UnmapFar);
    }

    /// <summary>Moves to a place of its own choice: over another area, within shared and huge memory, part of an area.</summary>
    public static void RemapFixed()
    {
        static nint Act()
        {
            Suspended(&MakeFar);
            Chain.Begin();
            Chain.Do(Mremap(Far + 2 * Page, 4 * Page, 4 * Page, 3, Far + (Pages + 4) * Page));
            Chain.Do(Mremap(Far + 8 * Page, 4 * Page, 2 * Page, 3, Far + (Pages + 5) * Page));
            Chain.Do(Mremap(Far + 13 * Page, 2 * Page, 4 * Page, 3, Far + (Pages + 9) * Page));
            return Chain.First;
        }

        Walk(&Act, &UnmapFar);
    }

    public static void Rights()
    {
        static nint Act()
        {
            uint* header = (uint*)Data;
            header[0] = 0x20080522;
            header[1] = 0;
            Chain.Begin();
            Chain.Do(Syscall.Call(125, (nint)header, (nint)(Data + 64)));  // capget
            Chain.Do(Syscall.Call(126, (nint)header, (nint)(Data + 64)));
            Chain.Do(Syscall.Call(118, (nint)(Data + 128), (nint)(Data + 132), (nint)(Data + 136)));
            Chain.Do(Syscall.Call(120, (nint)(Data + 128), (nint)(Data + 132), (nint)(Data + 136)));
            Chain.Do(Syscall.Call(115, 32, (nint)(Data + 256)));           // getgroups
            fixed (byte* root = "/"u8, name = "nano"u8)
            {
                Chain.Do(Syscall.Call(161, (nint)root));
                Chain.Do(Syscall.Call(170, (nint)name, 4));
                Chain.Do(Syscall.Call(171, (nint)name, 4));
            }

            Chain.Do(Syscall.Call(119, 7, 7, 0));                          // setresgid
            Chain.Do(Syscall.Call(114, 6, 7));
            Chain.Do(Syscall.Call(106, 7));
            Chain.Do(Syscall.Call(123, 7));
            Chain.Do(Syscall.Call(113, 0, 5));
            Chain.Do(Syscall.Call(122, 5));
            Chain.Do(Syscall.Call(117, 0, 0, 0));
            Chain.Do(Syscall.Call(105, 5));
            return Chain.First;
        }

        WalkInChild(&Act, May.Again);
    }

    public static void Unsharing()
    {
        static nint Act()
        {
            nint error = Syscall.Call(272, 0x200 | 0x400);                 // unshare(CLONE_FS | CLONE_FILES)
            return error != 0 ? error : Syscall.Call(436, 700, 800, 2);    // close_range(CLOSE_RANGE_UNSHARE)
        }

        static nint Shared()
        {
            int own = Fork();
            if (own == 0)
                Exit(0);
            Wait(own, out _);
            return Syscall.Call(272, 0x200 | 0x400 | 0x40000);
        }

        WalkInChild(&Act);
        WalkInChild(&Shared);
    }

    public static void Scheduling()
    {
        static nint Act()
        {
            ulong* mask = (ulong*)Data;
            mask[0] = 1;
            uint* attributes = (uint*)(Data + 64);
            Chain.Begin();
            Chain.Do(Syscall.Call(203, 0, 8, (nint)mask));
            Chain.Do(Syscall.Call(204, 0, 8, (nint)mask));
            Chain.Do(Syscall.Call(315, 0, (nint)attributes, 48, 0));
            Chain.Do(Syscall.Call(314, 0, (nint)attributes, 0));
            *(int*)(Data + 256) = 0;
            Chain.Do(Syscall.Call(144, 0, 3, (nint)(Data + 256)));         // SCHED_BATCH
            Chain.Do(Syscall.Call(142, 0, (nint)(Data + 256)));
            Chain.Do(Syscall.Call(143, 0, (nint)(Data + 256)));
            Chain.Do(Syscall.Call(148, 0, (nint)(Data + 320)));
            Chain.Do(Syscall.Call(309, (nint)(Data + 512), (nint)(Data + 516), 0));
            return Chain.First;
        }

        WalkInChild(&Act);
    }

    public static void Clocks()
    {
        static nint Act()
        {
            nint* time = (nint*)Data;
            time[0] = 0;
            time[1] = 1000;
            Chain.Begin();
            Chain.Do(Syscall.Call(35, (nint)time, 0));
            Chain.Do(Syscall.Call(230, 1, 0, (nint)time, 0));
            Chain.Do(Syscall.Call(228, 1, (nint)(Data + 64)));
            Chain.Do(Syscall.Call(229, 1, (nint)(Data + 64)));
            Chain.Do(Syscall.Call(96, (nint)(Data + 64), 0));
            Chain.Do(Syscall.Call(201, (nint)(Data + 64)));
            Chain.Do(Syscall.Call(100, (nint)(Data + 64)));
            new Span<byte>(Data + 128, 208).Clear();
            nint state = Syscall.Call(159, (nint)(Data + 128));
            Chain.Do(state);
            Chain.Do(Syscall.Call(305, 0, (nint)(Data + 128)));
            Chain.Do(Syscall.Call(36, 0, (nint)(Data + 512)));             // getitimer
            Chain.Do(Syscall.Call(318, (nint)(Data + 1024), 300, 0));
            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing);
    }

    public static void Timers()
    {
        static nint Act()
        {
            int* number = (int*)Data;
            nint error = Syscall.Call(222, 1, 0, (nint)number);
            if (error < 0)
                return error;
            new Span<byte>(Data + 64, 64).Clear();
            Chain.Begin();
            Chain.Do(Syscall.Call(223, *number, 0, (nint)(Data + 64), (nint)(Data + 128)));
            Chain.Do(Syscall.Call(224, *number, (nint)(Data + 64)));
            Chain.Do(Syscall.Call(225, *number));
            Chain.Do(Syscall.Call(226, *number));
            nint file = Syscall.Call(283, 1, 0);
            Chain.Do(file);
            if (file < 0)
                return Chain.First;
            Chain.Do(Syscall.Call(286, file, 0, (nint)(Data + 64), (nint)(Data + 128)));
            Chain.Do(Syscall.Call(287, file, (nint)(Data + 64)));
            Close((int)file);
            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing, May.Again);
    }

    /// <summary>Waiting with a mask of signals, a time, and for a child.</summary>
    public static void Waits()
    {
        static nint Act()
        {
            nint* time = (nint*)Data;
            time[0] = 0;
            time[1] = 1000;
            ulong* mask = (ulong*)(Data + 64);
            mask[0] = 1UL << (Signal.User1 - 1);
            nint* pair = (nint*)(Data + 96);
            pair[0] = (nint)mask;
            pair[1] = 8;
            Chain.Begin();
            Chain.Do(Syscall.Call(271, 0, 0, (nint)time, (nint)mask, 8));                          // ppoll
            Chain.Do(Syscall.Call(270, 0, 0, 0, 0, (nint)time, (nint)pair));                       // pselect6
            Chain.Do(Syscall.Call(127, (nint)(Data + 256), 8));
            Chain.DoUnless(Errno.TryAgain, Syscall.Call(128, (nint)mask, (nint)(Data + 256), (nint)time, 8));
            nint file = Syscall.Call(291, 0);
            Chain.Do(file);
            if (file >= 0)
            {
                Chain.Do(Syscall.Call(281, file, (nint)(Data + 512), 4, 1, (nint)mask, 8));
                Chain.Do(Syscall.Call(441, file, (nint)(Data + 512), 4, (nint)time, (nint)mask, 8));
                Close((int)file);
            }

            int child = Fork();
            if (child == 0)
                Exit(0);
            Chain.Do(child);
            if (child > 0)
            {
                Chain.Do(Syscall.Call(247, 1, child, (nint)(Data + 1024), 4 | 0x01000000, (nint)(Data + 2048)));     // WEXITED | WNOWAIT
                Wait(child, out _);
            }

            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing);
    }

    /// <summary>What one process does to another by descriptor; signals with data.</summary>
    public static void Processes()
    {
        static nint Act()
        {
            nint file = Syscall.Call(434, GetPid(), 0);
            if (file < 0)
                return file;
            Chain.Begin();
            nint copy = Syscall.Call(438, file, file, 0);
            Chain.Do(copy);
            if (copy >= 0)
                Close((int)copy);
            new Span<byte>(Data, 128).Clear();
            *(int*)Data = Signal.Child;
            *(int*)(Data + 8) = -2;                                         // SI_TIMER and below are anybody's to send to himself
            Chain.Do(Syscall.Call(424, file, Signal.Child, (nint)Data, 0));
            Chain.Do(Syscall.Call(297, GetPid(), Syscall.Call(186), Signal.Child, (nint)Data));
            Close((int)file);
            return Chain.First;
        }

        Walk(&Act, &Undo.Nothing, May.Again);
    }

    public static void Controls()
    {
        static nint Act()
        {
            Chain.Begin();
            Chain.Do(Syscall.Call(157, 16, (nint)Data));                    // PR_GET_NAME
            Chain.Do(Syscall.Call(157, 37, (nint)Data));                    // PR_GET_CHILD_SUBREAPER
            Chain.Do(Syscall.Call(158, 0x1003, (nint)Data));                // ARCH_GET_FS
            Chain.Do(Syscall.Call(103, 3, (nint)Data, 2 * Page));           // syslog: read all
            Chain.Do(Syscall.Call(324, 0, 0, 0));
            ulong* pair = (ulong*)(Data + 3 * Page);
            Chain.Do(Syscall.Call(97, 7, (nint)pair));
            Chain.Do(Syscall.Call(302, 0, 7, (nint)pair, (nint)(pair + 2)));
            byte* area = Data + 4 * Page;                                   // 32 bytes, aligned to 32
            new Span<byte>(area, 32).Clear();
            Chain.Do(Syscall.Call(334, (nint)area, 32, 0, 0x53053053));
            Chain.Do(Syscall.Call(334, (nint)area, 32, 1, 0x53053053));
            return Chain.First;
        }

        WalkInChild(&Act, signals: 1UL << Signal.Segmentation);
    }
}
