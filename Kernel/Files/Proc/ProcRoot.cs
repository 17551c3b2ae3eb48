using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>The root of <c>/proc</c>: fixed files, then a directory for each process.</summary>
internal sealed class ProcRoot : ProcDirectory
{
    private readonly IoSystem _io;

    /// <summary>Makes it.</summary>
    public ProcRoot(IoSystem io)
        : base(default) => _io = io;

    /// <inheritdoc/>
    public override Errno Find(TaskFiles who, in ProcSubject subject, ReadOnlySpan<byte> name, out ProcNode? child, out ProcSubject childSubject)
    {
        if (!ProcNumber.TryParse(name, out int pid))
            return base.Find(who, subject, name, out child, out childSubject);
        child = null;
        childSubject = default;
        ProcessDirectorySource? processes = _io.Processes;
        if (processes is not null && processes.Find(pid, out childSubject))
            child = processes.Directory;
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Errno ListMore(TaskFiles who, in ProcSubject subject, ulong cursor, ref ProcLister to)
    {
        ProcessDirectorySource? processes = _io.Processes;
        if (processes is null)
            return Errno.None;
        int pid = (int)Math.Min(cursor, int.MaxValue);
        while (processes.NextProcess(pid, out ProcSubject process))
        {
            if (!to.Add((ulong)process.Pid, processes.Directory, process, (ulong)process.Pid + 1))
                break;
            pid = process.Pid + 1;
        }
        return Errno.None;
    }
}

/// <summary>Names that are numbers. Linux: <c>name_to_int</c>: no sign, no leading zero.</summary>
internal static class ProcNumber
{
    /// <summary>Reads a name.</summary>
    public static bool TryParse(ReadOnlySpan<byte> name, out int number)
    {
        number = 0;
        if (name.IsEmpty || name.Length > 10 || (name.Length > 1 && name[0] == '0'))
            return false;
        long value = 0;
        for (int i = 0; i < name.Length; i++)
        {
            if (name[i] < '0' || name[i] > '9')
                return false;
            value = value * 10 + (name[i] - '0');
        }
        if (value >= int.MaxValue)
            return false;
        number = (int)value;
        return true;
    }
}
