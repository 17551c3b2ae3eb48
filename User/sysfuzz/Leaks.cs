using System;
using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>Looks for bytes that nobody has given to this task: the victim's, and addresses of the kernel.</summary>
internal static unsafe class Leaks
{
    private const int Pages = 4;

    // Where the other thread's calls do not write.
    private const long FarAway = 0x50_0000_0000;

    /// <summary>What is wrong with a buffer, and where.</summary>
    public static int Find(Stage* stage, byte* memory, int bytes, out ulong* place)
    {
        ulong secret = stage->MaskedSecret;
        for (int i = 0; i < bytes / 8; i++)
        {
            place = (ulong*)memory + i;
            ulong word = *place;
            if (word == 0)
                continue;
            ulong masked = word ^ Stage.Mask;
            if (masked == secret || (uint)masked == (uint)secret || (uint)(masked >> 32) == (uint)(secret >> 32))
                return Wrong.Secret;
            if ((uint)(word >> 32) >= 0xffff_8880 && IsOfKernel(word))
                return Wrong.KernelAddress;
        }
        place = null;
        return Wrong.Nothing;
    }

    /// <summary>An address in the kernel's direct map, vmalloc area, frame descriptors or image that was no argument.</summary>
    private static bool IsOfKernel(ulong word)
    {
        uint high = (uint)(word >> 32);
        if (high is not (0xffff_8880 or 0xffff_c900 or 0xffff_ea00) && (word < 0xffff_ffff_8000_0000 || word >= 0xffff_ffff_8200_0000))
            return false;
        foreach (ulong known in Values.KernelAddresses)
            if (word == known)
                return false;
        return true;
    }

    /// <summary>Fresh pages are zero, also those that other tasks have just given back.</summary>
    public static int FindInFreshMemory(Lane* lane, int number)
    {
        nint memory = Linux.Mmap((nint)(number * FarAway), Pages * Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous | Map.FixedNoReplace);
        if (Linux.IsError(memory))
            return Wrong.Nothing;
        int wrong = Wrong.Nothing;
        for (int i = 0; i < Pages * Linux.Page / 8; i++)
        {
            if (((ulong*)memory)[i] != 0)
            {
                Note(lane, (ulong*)memory + i);
                wrong = Wrong.NotZero;
                break;
            }
        }
        new Span<byte>((void*)memory, Pages * Linux.Page).Fill(0x11);
        Linux.Munmap(memory, Pages * Linux.Page);
        return wrong;
    }

    /// <summary>Keeps what stands at a place and beside it, for the report.</summary>
    public static void Note(Lane* lane, ulong* place)
    {
        lane->WrongPlace = (nint)place;
        for (int i = 0; i < 8 && place != null; i++)
            lane->WrongWords[i] = place[i - 2];
    }
}
