using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary>The two files by which a task lets one of its own requests fail. What they have in common: being used counts for nothing.</summary>
internal abstract class FailFile(TaskSystem system, ReadOnlySpan<byte> name) : TaskFile(system, name, 0x1A4)
{
    private const int MostBytes = 128;

    /// <summary>Writes what the file reads as.</summary>
    protected abstract void Show(ref TextWriter text, in FailNth setting);

    /// <summary>Takes what was written, without the line's end.</summary>
    protected abstract Errno Set(Task task, ReadOnlySpan<byte> text);

    /// <inheritdoc/>
    public sealed override Result<long> Read(TaskFiles who, ProcOpenFile file, ref IovIter to, ref long position)
    {
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        Span<byte> space = stackalloc byte[MostBytes];
        var text = new TextWriter(space);
        Show(ref text, task.FailNth);
        text.Byte((byte)'\n');
        task.Put();
        if (position < 0)
            return Errno.EINVAL;
        if (position >= text.Length)
            return 0;

        uint remaining = Suspend(who);
        Errno error = to.CopyToIter(text.Written[(int)position..], out int copied);
        who.FailNth.Remaining = remaining;
        position += copied;
        return copied != 0 || error == Errno.None ? copied : error;
    }

    /// <inheritdoc/>
    public sealed override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        Span<byte> space = stackalloc byte[MostBytes];
        uint remaining = Suspend(who);
        Errno error = from.CopyFromIter(space, out int count);
        who.FailNth.Remaining = remaining;
        if (error != Errno.None)
            return error;
        if (from.Remaining != 0)
            return Errno.EINVAL;
        ReadOnlySpan<byte> text = space[..count];
        if (!text.IsEmpty && text[^1] == (byte)'\n')
            text = text[..^1];
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        error = Set(task, text);
        task.Put();
        return error == Errno.None ? total : error;
    }

    /// <summary>The copy of the file's own text shall not be what fails.</summary>
    private static uint Suspend(TaskFiles who)
    {
        uint remaining = who.FailNth.Remaining;
        who.FailNth.Remaining = 0;
        return remaining;
    }
}

/// <summary>
/// <c>/proc/PID/fail-nth</c>: N lets the Nth request from now on fail, 0 lets none; it reads as what is left of N, 0 when it has failed.
/// </summary>
/// <remarks>Linux: <c>proc_fail_nth_write</c>, Documentation/fault-injection/fault-injection.rst. There is one for each thread, too.</remarks>
internal sealed class FailNthFile(TaskSystem system) : FailFile(system, "fail-nth"u8)
{
    /// <inheritdoc/>
    protected override void Show(ref TextWriter text, in FailNth setting) => text.Decimal(setting.Remaining);

    /// <inheritdoc/>
    protected override Errno Set(Task task, ReadOnlySpan<byte> text)
    {
        if (!ProcNumber.TryParse(text, out int number) || number < 0)
            return Errno.EINVAL;
        System.Physical.Failures.SetThread(task, (uint)number);
        return Errno.None;
    }
}

/// <summary><c>/proc/PID/fail-kinds</c>: which requests <c>fail-nth</c> counts, as words with commas. Linux counts all kinds.</summary>
internal sealed class FailKindsFile(TaskSystem system) : FailFile(system, "fail-kinds"u8)
{
    /// <inheritdoc/>
    protected override void Show(ref TextWriter text, in FailNth setting) => FailureWords.Write(ref text, setting.Kinds);

    /// <inheritdoc/>
    protected override Errno Set(Task task, ReadOnlySpan<byte> text)
    {
        if (!FailureWords.TryParse(text, out FailureKinds kinds))
            return Errno.EINVAL;
        task.FailNth.Kinds = kinds;
        return Errno.None;
    }
}
