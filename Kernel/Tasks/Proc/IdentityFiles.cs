using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary>A per-process text that is the same for all: what there is one of, for every process.</summary>
internal sealed class SameForAll : TaskPage
{
    private readonly byte[] _text;
    private readonly bool _isPrivate;

    /// <summary>Makes it.</summary>
    /// <param name="text">Without the end of line.</param>
    public SameForAll(TaskSystem system, ReadOnlySpan<byte> name, ReadOnlySpan<byte> text, uint permissions = 0x124)
        : base(system, name, permissions)
    {
        _text = BootBytes.Copy(text);
        _isPrivate = permissions == 0x100;
    }

    /// <inheritdoc/>
    protected override bool IsPrivate => _isPrivate;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Text(_text);
        if (_text.Length != 0)
            w.Byte((byte)'\n');
        return Errno.None;
    }
}

/// <summary><c>uid_map gid_map projid_map</c>: which numbers of the user namespace stand for which outside; of the only one each for itself.</summary>
/// <remarks>Linux: <c>proc_uid_map_write</c>; man 7 user_namespaces. The first namespace's map cannot be written.</remarks>
internal sealed class IdMapFile(TaskSystem system, ReadOnlySpan<byte> name) : TaskPage(system, name, 0x1A4)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Text("         0          0 4294967295\n"u8);
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position) => Errno.EPERM;
}

/// <summary><c>setgroups</c>: whether the call is allowed in the user namespace, which once the map of groups is set stays so.</summary>
/// <remarks>Linux: <c>proc_setgroups_write</c>.</remarks>
internal sealed class SetgroupsFile(TaskSystem system) : TaskPage(system, "setgroups"u8, 0x1A4)
{
    private const int Longest = 7;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Text("allow\n"u8);
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        if (from.Remaining > Longest || position != 0)
            return Errno.EINVAL;
        Span<byte> text = stackalloc byte[Longest];
        Errno error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return error;
        ReadOnlySpan<byte> word = text[..count];
        while (!word.IsEmpty && word[^1] is (byte)'\n' or (byte)' ' or (byte)'\t')
            word = word[..^1];
        if (word.SequenceEqual("allow"u8))
            return count;
        return word.SequenceEqual("deny"u8) ? Errno.EPERM : Errno.EINVAL;
    }
}

/// <summary><c>loginuid</c>: as whom the user of the task has logged in, told by the login program and inherited for ever. Linux: <c>audit_set_loginuid</c>.</summary>
internal sealed class LoginUidFile(TaskSystem system) : TaskPage(system, "loginuid"u8, 0x1A4)
{
    private const int LongestNumber = 11;

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Decimal(task.Login.Uid);
        return Errno.None;
    }

    /// <summary>Only the task itself may; to change what is set takes CAP_AUDIT_CONTROL. A new login is a new session.</summary>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        Task? task = ProcessSource.TaskOf(System, file.Subject);
        if (task is null)
            return Errno.EPERM;
        bool isOwn = ReferenceEquals(task, who);
        task.Put();
        if (!isOwn)
            return Errno.EPERM;
        if (position != 0)
            return Errno.EINVAL;

        long total = (long)from.Remaining;
        Span<byte> text = stackalloc byte[LongestNumber + 1];
        Errno error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return error;
        ReadOnlySpan<byte> digits = text[..count];
        if (!digits.IsEmpty && digits[^1] == (byte)'\n')
            digits = digits[..^1];
        error = Parse(digits, out uint uid);
        if (error != Errno.None)
            return error;

        var self = (Task)who;
        if (self.Login.IsSet && !who.Credentials.Has(Capability.AuditControl))
            return Errno.EPERM;
        self.Login = uid == LoginIdentity.Nobody ? default : new LoginIdentity(uid, ++System.LoginSessions);
        return total;
    }

    private static Errno Parse(ReadOnlySpan<byte> digits, out uint value)
    {
        value = 0;
        ulong sum = 0;
        for (int i = 0; i < digits.Length; i++)
        {
            if (digits[i] is < (byte)'0' or > (byte)'9')
                return Errno.EINVAL;
            sum = sum * 10 + (ulong)(digits[i] - '0');
            if (sum > uint.MaxValue)
                return Errno.ERANGE;
        }

        value = (uint)sum;
        return digits.IsEmpty ? Errno.EINVAL : Errno.None;
    }
}

/// <summary><c>sessionid</c>: the number of the login.</summary>
internal sealed class SessionIdFile(TaskSystem system) : TaskPage(system, "sessionid"u8)
{
    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        w.Decimal(task.Login.Session);
        return Errno.None;
    }
}

/// <summary>A file of <c>attr/</c>: what a security module says of the task. There is none, so nobody is confined and nothing can be asked for.</summary>
internal sealed class SecurityFile(TaskSystem system, ReadOnlySpan<byte> name, bool isCurrent, uint permissions) : TaskPage(system, name, permissions)
{
    private readonly bool _isCurrent = isCurrent;

    /// <summary>Adds the directory.</summary>
    public static void AddDirectory(TaskSystem system, ProcFileSystem proc, ProcDirectory parent)
    {
        const uint readWrite = 0x1B6, read = 0x124;
        var directory = new TaskDirectory(system, "attr"u8);
        parent.Add(proc, directory);
        directory.Add(proc, new SecurityFile(system, "current"u8, isCurrent: true, readWrite));
        directory.Add(proc, new SecurityFile(system, "prev"u8, isCurrent: false, read));
        directory.Add(proc, new SecurityFile(system, "exec"u8, isCurrent: false, readWrite));
        directory.Add(proc, new SecurityFile(system, "fscreate"u8, isCurrent: false, readWrite));
        directory.Add(proc, new SecurityFile(system, "keycreate"u8, isCurrent: false, readWrite));
        directory.Add(proc, new SecurityFile(system, "sockcreate"u8, isCurrent: false, readWrite));
    }

    /// <inheritdoc/>
    protected override Errno Show(Task task, ProcOpenFile file, ref TextWriter w)
    {
        if (!_isCurrent)
            return Errno.EINVAL;
        w.Text("unconfined\n"u8);
        return Errno.None;
    }
}
