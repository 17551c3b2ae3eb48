using System;
using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>The stack that a program starts with: strings, pointers to them, the auxiliary vector.</summary>
/// <remarks>
/// Linux: <c>setup_arg_pages</c>, <c>create_elf_tables</c>; System V ABI for x86-64, 3.4.1.
/// <code>
///   top      8 zero bytes
///            the file's name
///            environment strings          EnvironmentStart … EnvironmentEnd
///            argument strings             ArgumentStart … ArgumentEnd
///            (up to 8 KiB random)
///            "x86_64", 16 random bytes
///            (to 16 bytes)
///            auxiliary vector: pairs, the last is AT_NULL
///            environment pointers, null
///            argument pointers, null
///   RSP →    argument count
/// </code>
/// </remarks>
internal static class UserStack
{
    private const int VectorPairs = 21;

    /// <summary>Makes the stack area and writes the strings at its top.</summary>
    public static Errno Prepare(MmStruct mm, bool executable, scoped ref ExecPlan plan)
    {
        Errno error = mm.SetupStack(executable, out VirtAddr top);
        if (error != Errno.None)
            return error;
        plan.StackTop = top;
        ulong bytes = (ulong)plan.FileName.Length + (ulong)plan.Environment.Bytes + (ulong)(plan.Arguments.Bytes - plan.FirstArgument)
            + (ulong)plan.Prefix.Length;
        VirtAddr strings = top - 8 - bytes;                     // from the lowest on: the stack grows once
        var writer = new RemoteWriter(mm, strings, stackalloc byte[RemoteWriter.BufferBytes]);
        writer.Bytes(plan.Prefix);
        Store(ref writer, plan.Arguments, plan.FirstArgument);
        mm.ArgumentStart = strings;
        mm.ArgumentEnd = writer.Position;
        mm.EnvironmentStart = writer.Position;
        Store(ref writer, plan.Environment, 0);
        mm.EnvironmentEnd = writer.Position;
        writer.Bytes(plan.FileName);
        error = writer.Flush();
        return error == Errno.None ? mm.FinishStack() : error;
    }

    /// <summary>Writes the rest and keeps the auxiliary vector for <c>/proc</c>.</summary>
    public static Errno Fill(
        Task task, MmStruct mm, in ElfFile program, in ElfImage image, VirtAddr interpreterBase, VirtAddr vdso, scoped ref ExecPlan plan)
    {
        ulong place = mm.AlignStack(mm.ArgumentStart).Value;
        place -= 7;
        var platform = new VirtAddr(place);
        place -= 16;
        var random = new VirtAddr(place);
        Span<byte> seed = stackalloc byte[16];
        Core.Random.Fill(seed);
        var writer = new RemoteWriter(mm, random, stackalloc byte[RemoteWriter.BufferBytes]);
        writer.Bytes(seed);
        writer.Bytes("x86_64\0"u8);
        Errno error = writer.Flush();
        if (error != Errno.None)
            return error;

        Span<ulong> vector = stackalloc ulong[2 * VectorPairs];
        int used = BuildVector(task, program, image, interpreterBase, vdso, mm.EnvironmentEnd, platform, random, vector);
        vector = vector[..used];
        ulong words = 1 + (ulong)plan.ArgumentCount + 1 + (ulong)plan.Environment.Count + 1 + (ulong)used;
        place = (place - (words * sizeof(ulong))) & ~15ul;
        plan.StackPointer = new VirtAddr(place);
        mm.StartStack = plan.StackPointer;

        writer.MoveTo(plan.StackPointer);
        writer.Word((ulong)plan.ArgumentCount);
        VirtAddr at = mm.ArgumentStart;
        PrefixPointers(ref writer, plan.Prefix, at);
        StorePointers(ref writer, plan.Arguments, plan.FirstArgument, at + (ulong)plan.Prefix.Length);
        writer.Word(0);
        StorePointers(ref writer, plan.Environment, 0, mm.EnvironmentStart);
        writer.Word(0);
        writer.Bytes(MemoryMarshal.AsBytes(vector));
        error = writer.Flush();
        if (error != Errno.None)
            return error;
        for (int i = 0; i < used; i++)
            mm.SavedAuxv[i] = vector[i];
        return Errno.None;
    }

    /// <summary>Linux 6.1's order.</summary>
    private static int BuildVector(
        Task task, in ElfFile program, in ElfImage image, VirtAddr interpreterBase, VirtAddr vdso, VirtAddr fileName, VirtAddr platform, VirtAddr random,
        Span<ulong> vector)
    {
        int n = 0;
        if (!vdso.IsZero)
            Add(vector, ref n, AuxiliaryKey.SysinfoHeader, vdso.Value);
        Add(vector, ref n, AuxiliaryKey.MinimumSignalStack, Signals.FrameBytes);
        Add(vector, ref n, AuxiliaryKey.HardwareCapabilities, CpuidEdx());
        Add(vector, ref n, AuxiliaryKey.PageBytes, PageSize.Bytes);
        Add(vector, ref n, AuxiliaryKey.ClockTick, TaskTimes.TicksPerSecond);
        Add(vector, ref n, AuxiliaryKey.ProgramHeaders, image.ProgramHeaders.Value);
        Add(vector, ref n, AuxiliaryKey.ProgramHeaderBytes, ElfProgramHeader.Bytes);
        Add(vector, ref n, AuxiliaryKey.ProgramHeaderCount, program.Header.ProgramHeaderCount);
        Add(vector, ref n, AuxiliaryKey.Base, interpreterBase.Value);
        Add(vector, ref n, AuxiliaryKey.Flags, 0);
        Add(vector, ref n, AuxiliaryKey.Entry, image.Entry.Value);
        Add(vector, ref n, AuxiliaryKey.Uid, task.Credentials.Uid);
        Add(vector, ref n, AuxiliaryKey.EffectiveUid, task.Credentials.EffectiveUid);
        Add(vector, ref n, AuxiliaryKey.Gid, task.Credentials.Gid);
        Add(vector, ref n, AuxiliaryKey.EffectiveGid, task.Credentials.EffectiveGid);
        Add(vector, ref n, AuxiliaryKey.Secure,
            task.Credentials.Uid != task.Credentials.EffectiveUid || task.Credentials.Gid != task.Credentials.EffectiveGid ? 1ul : 0);
        Add(vector, ref n, AuxiliaryKey.Random, random.Value);
        Add(vector, ref n, AuxiliaryKey.HardwareCapabilities2, HasFsGsBase() ? 2ul : 0);
        Add(vector, ref n, AuxiliaryKey.ExecFileName, fileName.Value);
        Add(vector, ref n, AuxiliaryKey.Platform, platform.Value);
        Add(vector, ref n, AuxiliaryKey.Null, 0);
        return n;
    }

    private static unsafe ulong CpuidEdx()
    {
        uint* registers = stackalloc uint[4];
        Cpu.CpuId(1, 0, registers);
        return registers[3];
    }

    /// <summary>Programs may use RDFSBASE and its family. Linux: <c>HWCAP2_FSGSBASE</c>.</summary>
    private static bool HasFsGsBase() => (Cpu.ReadCr4() & (1ul << 16)) != 0;

    private static void Add(Span<ulong> vector, ref int n, ulong key, ulong value)
    {
        vector[n++] = key;
        vector[n++] = value;
    }

    private static void Store(ref RemoteWriter writer, in StringStore store, int from)
    {
        while (from < store.Bytes)
        {
            ReadOnlySpan<byte> chunk = store.ChunkAt(from);
            writer.Bytes(chunk);
            from += chunk.Length;
        }
    }

    private static void StorePointers(ref RemoteWriter writer, in StringStore store, int from, VirtAddr at)
    {
        while (from < store.Bytes)
        {
            writer.Word(at.Value);
            int next = store.NextString(from);
            at += (ulong)(next - from);
            from = next;
        }
    }

    private static void PrefixPointers(ref RemoteWriter writer, ReadOnlySpan<byte> prefix, VirtAddr at)
    {
        while (!prefix.IsEmpty)
        {
            writer.Word(at.Value);
            int bytes = prefix.IndexOf((byte)0) + 1;
            at += (ulong)bytes;
            prefix = prefix[bytes..];
        }
    }
}
