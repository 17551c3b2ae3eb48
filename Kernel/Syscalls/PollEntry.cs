using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>One descriptor that a polling call looks at.</summary>
internal struct PollEntry
{
    /// <summary>The file, with a reference; null when the descriptor is not open.</summary>
    public OpenFile? File;

    /// <summary>The descriptor.</summary>
    public int Descriptor;

    /// <summary>What counts. For <c>poll</c> errors and hang-ups are always in it.</summary>
    public PollEvents Wanted;

    /// <summary>What was found.</summary>
    public PollEvents Found;
}

/// <summary>Waits until one of several files is ready. Linux: <c>do_poll</c>, <c>do_select</c>.</summary>
internal static class PollLoop
{
    /// <summary>Looks at all entries, and again whenever one of their queues wakes.</summary>
    /// <param name="deadline">Monotonic nanoseconds; 0: only one look; <see cref="ulong.MaxValue"/>: for ever.</param>
    /// <returns>How many entries found something; EINTR, ENOMEM.</returns>
    /// <remarks>O(entries) a round; joins each queue once.</remarks>
    public static Result<int> Run(Task task, Span<PollEntry> entries, ulong deadline)
    {
        IoSystem io = task.Fs.Vfs.Io;
        PollWait? table = null;
        if (deadline != 0)
        {
            table = PollWait.Begin(io);
            if (table is null)
                return Errno.ENOMEM;
        }

        PollWait? joining = table;
        Errno error = Errno.None;
        int ready;
        bool timedOut = deadline == 0;
        for (; ; )
        {
            ready = 0;
            for (int i = 0; i < entries.Length; i++)
            {
                ref PollEntry entry = ref entries[i];
                if (entry.File is not null)
                    entry.Found = entry.File.Poll(ready == 0 ? joining : null) & entry.Wanted;
                if (entry.Found != PollEvents.None)
                    ready++;
            }
            joining = null;
            if (ready != 0 || timedOut)
                break;
            if (table!.OutOfMemory)
            {
                error = Errno.ENOMEM;
                break;
            }
            if (task.SignalPending)
            {
                error = Errno.EINTR;
                break;
            }
            timedOut = !table.Sleep(deadline);
        }
        table?.End();
        return error == Errno.None ? ready : error;
    }

    /// <summary>Gives back the files that the entries hold.</summary>
    public static void PutFiles(Span<PollEntry> entries)
    {
        for (int i = 0; i < entries.Length; i++)
            entries[i].File?.Put();
    }
}
