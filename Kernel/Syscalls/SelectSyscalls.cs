using System;
using System.Numerics;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Physical;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Waiting for files by bit sets: <c>select pselect6</c>.</summary>
internal static unsafe class SelectSyscalls
{
    private const PollEvents ReadSet = PollEvents.RdNorm | PollEvents.RdBand | PollEvents.In | PollEvents.Hup | PollEvents.Err;
    private const PollEvents WriteSet = PollEvents.WrBand | PollEvents.WrNorm | PollEvents.Out | PollEvents.Err;
    private const PollEvents ExceptionSet = PollEvents.Pri;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(23, "select"u8, &Select);
        table.Add(270, "pselect6"u8, &Pselect6);
    }

    /// <summary>man 2 select.</summary>
    private static SysResult Select(ref SyscallArguments a)
    {
        Errno error = PollDeadline.Read(a.Address4, PollDeadline.Shape.TimeVal, out PollDeadline deadline);
        if (error != Errno.None)
            return error;
        return deadline.Finish(Wait(a.Task, a.Int0, a.Address1, a.Address2, a.Address3, deadline.Deadline));
    }

    /// <summary>man 2 pselect. The last argument points to the mask's address and size.</summary>
    private static SysResult Pselect6(ref SyscallArguments a)
    {
        VirtAddr mask = default;
        ulong maskBytes = 0;
        if (a.Arg5 != 0)
        {
            if (UserCopy.Get(a.Address5, out ulong address) != Errno.None || UserCopy.Get(a.Address5 + 8, out maskBytes) != Errno.None)
                return Errno.EFAULT;
            mask = new VirtAddr(address);
        }
        Errno error = PollDeadline.Read(a.Address4, PollDeadline.Shape.TimeSpec, out PollDeadline deadline);
        if (error == Errno.None)
            error = TemporaryMask.Set(a.Task, mask, maskBytes);
        if (error != Errno.None)
            return error;
        SysResult result = Wait(a.Task, a.Int0, a.Address1, a.Address2, a.Address3, deadline.Deadline);
        TemporaryMask.End(a.Task, result.Value == -(long)Errno.ERESTARTNOHAND);
        return deadline.Finish(result);
    }

    // Linux: core_sys_select. The six sets of Linux are here an entry for each descriptor in a set.
    private static SysResult Wait(Task task, int count, VirtAddr read, VirtAddr write, VirtAddr exception, ulong deadline)
    {
        if (count < 0)
            return Errno.EINVAL;
        if (count > task.Files.Capacity)
            count = task.Files.Capacity;
        int words = (count + 63) / 64;
        KernelArrays arrays = task.Fs.Vfs.Arrays;
        ulong[]? sets = arrays.Allocate<ulong>(Math.Max(1, words * 3));
        if (sets is null)
            return Errno.ENOMEM;
        SysResult result = WaitSets(task, count, words, sets, read, write, exception, deadline);
        arrays.Free(sets);
        return result;
    }

    private static SysResult WaitSets(
        Task task, int count, int words, ulong[] sets, VirtAddr read, VirtAddr write, VirtAddr exception, ulong deadline)
    {
        Span<ulong> readSet = new(sets, 0, words);
        Span<ulong> writeSet = new(sets, words, words);
        Span<ulong> exceptionSet = new(sets, words * 2, words);
        if (!GetSet(read, readSet, count) || !GetSet(write, writeSet, count) || !GetSet(exception, exceptionSet, count))
            return Errno.EFAULT;

        int number = 0;
        for (int i = 0; i < words; i++)
            number += BitOperations.PopCount(readSet[i] | writeSet[i] | exceptionSet[i]);
        KernelArrays arrays = task.Fs.Vfs.Arrays;
        PollEntry[]? entries = arrays.Allocate<PollEntry>(Math.Max(1, number));
        if (entries is null)
            return Errno.ENOMEM;
        Span<PollEntry> used = new(entries, 0, number);

        SysResult result = Open(task, used, readSet, writeSet, exceptionSet);
        if (!result.IsError)
        {
            if (PollLoop.Run(task, used, deadline).TryGet(out int _, out Errno error))
            {
                result = Collect(used, readSet, writeSet, exceptionSet);
                if (!PutSet(read, readSet, count) || !PutSet(write, writeSet, count) || !PutSet(exception, exceptionSet, count))
                    result = Errno.EFAULT;
            }
            else
            {
                result = error == Errno.EINTR ? Errno.ERESTARTNOHAND : error;
            }
        }
        PollLoop.PutFiles(used);
        arrays.Free(entries);
        return result;
    }

    private static SysResult Open(Task task, Span<PollEntry> entries, Span<ulong> read, Span<ulong> write, Span<ulong> exception)
    {
        int next = 0;
        for (int i = 0; i < read.Length; i++)
        {
            for (ulong all = read[i] | write[i] | exception[i]; all != 0; all &= all - 1)
            {
                ulong bit = all & (0UL - all);
                int descriptor = i * 64 + BitOperations.TrailingZeroCount(bit);
                ref PollEntry entry = ref entries[next++];
                entry.Descriptor = descriptor;
                entry.File = task.Files.GetFile(descriptor);
                if (entry.File is null)
                    return Errno.EBADF;
                entry.Wanted = ((read[i] & bit) != 0 ? ReadSet : 0) | ((write[i] & bit) != 0 ? WriteSet : 0)
                    | ((exception[i] & bit) != 0 ? ExceptionSet : 0);
            }
        }
        return SysResult.Success;
    }

    private static SysResult Collect(Span<PollEntry> entries, Span<ulong> read, Span<ulong> write, Span<ulong> exception)
    {
        int total = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            ref PollEntry entry = ref entries[i];
            int word = entry.Descriptor / 64;
            ulong bit = 1UL << (entry.Descriptor & 63);
            total += Keep(ref read[word], bit, entry.Found & ReadSet);
            total += Keep(ref write[word], bit, entry.Found & WriteSet);
            total += Keep(ref exception[word], bit, entry.Found & ExceptionSet);
        }
        return total;
    }

    private static int Keep(ref ulong set, ulong bit, PollEvents found)
    {
        if ((set & bit) == 0)
            return 0;
        if (found != PollEvents.None)
            return 1;
        set &= ~bit;
        return 0;
    }

    // Whole words are copied, as Linux does; bits beyond the count do not count.
    private static bool GetSet(VirtAddr from, Span<ulong> set, int count)
    {
        if (from.Value == 0)
            return true;
        for (int i = 0; i < set.Length; i++)
        {
            if (UserCopy.Get(from + (ulong)i * 8, out set[i]) != Errno.None)
                return false;
        }
        if ((count & 63) != 0)
            set[^1] &= (1UL << (count & 63)) - 1;
        return true;
    }

    private static bool PutSet(VirtAddr to, Span<ulong> set, int count)
    {
        if (to.Value == 0)
            return true;
        for (int i = 0; i < set.Length; i++)
        {
            if (UserCopy.Put(to + (ulong)i * 8, set[i]) != Errno.None)
                return false;
        }
        return true;
    }
}
