using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Users, groups and capabilities: <c>getuid</c>, <c>setresuid</c>, <c>setgroups</c>, <c>capset</c> and their family.</summary>
/// <remarks>Linux: <c>kernel/sys.c</c>, <c>kernel/groups.c</c>, <c>kernel/capability.c</c>; credentials(7).</remarks>
internal static unsafe class CredentialSyscalls
{
    private const uint Unchanged = uint.MaxValue;
    private const int MaximumGroups = 65536;

    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(102, "getuid"u8, &GetUid);
        table.Add(104, "getgid"u8, &GetGid);
        table.Add(105, "setuid"u8, &SetUid);
        table.Add(106, "setgid"u8, &SetGid);
        table.Add(107, "geteuid"u8, &GetEffectiveUid);
        table.Add(108, "getegid"u8, &GetEffectiveGid);
        table.Add(113, "setreuid"u8, &SetReUid);
        table.Add(114, "setregid"u8, &SetReGid);
        table.Add(115, "getgroups"u8, &GetGroups);
        table.Add(116, "setgroups"u8, &SetGroups);
        table.Add(117, "setresuid"u8, &SetResUid);
        table.Add(118, "getresuid"u8, &GetResUid);
        table.Add(119, "setresgid"u8, &SetResGid);
        table.Add(120, "getresgid"u8, &GetResGid);
        table.Add(122, "setfsuid"u8, &SetFileUid);
        table.Add(123, "setfsgid"u8, &SetFileGid);
        table.Add(125, "capget"u8, &CapGet);
        table.Add(126, "capset"u8, &CapSet);
    }

    private static SysResult GetUid(ref SyscallArguments a) => a.Task.Credentials.Uid;

    private static SysResult GetGid(ref SyscallArguments a) => a.Task.Credentials.Gid;

    private static SysResult GetEffectiveUid(ref SyscallArguments a) => a.Task.Credentials.EffectiveUid;

    private static SysResult GetEffectiveGid(ref SyscallArguments a) => a.Task.Credentials.EffectiveGid;

    // ---- Users ----------------------------------------------------------------------------------------------------------------------

    private static SysResult SetUid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint uid = a.UInt0;
        if (uid == Unchanged)
            return Errno.EINVAL;
        if (c.Has(Capability.SetUid))
            return ChangeUids(a.Task, uid, uid, uid);
        if (uid != c.Uid && uid != c.SavedUid)
            return Errno.EPERM;
        return ChangeUids(a.Task, c.Uid, uid, c.SavedUid);
    }

    private static SysResult SetReUid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint real = a.UInt0, effective = a.UInt1;
        bool may = c.Has(Capability.SetUid);
        if (real != Unchanged && real != c.Uid && real != c.EffectiveUid && !may)
            return Errno.EPERM;
        if (effective != Unchanged && effective != c.Uid && effective != c.EffectiveUid && effective != c.SavedUid && !may)
            return Errno.EPERM;
        uint newReal = real == Unchanged ? c.Uid : real;
        uint newEffective = effective == Unchanged ? c.EffectiveUid : effective;
        bool savedFollows = real != Unchanged || (effective != Unchanged && effective != c.Uid);
        return ChangeUids(a.Task, newReal, newEffective, savedFollows ? newEffective : c.SavedUid);
    }

    private static SysResult SetResUid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint real = a.UInt0, effective = a.UInt1, saved = a.UInt2;
        if (!c.Has(Capability.SetUid) && !(IsOneOf(c, real) && IsOneOf(c, effective) && IsOneOf(c, saved)))
            return Errno.EPERM;
        return ChangeUids(a.Task, real == Unchanged ? c.Uid : real, effective == Unchanged ? c.EffectiveUid : effective,
            saved == Unchanged ? c.SavedUid : saved);
    }

    private static bool IsOneOf(Credentials c, uint uid) => uid == Unchanged || uid == c.Uid || uid == c.EffectiveUid || uid == c.SavedUid;

    private static SysResult GetResUid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        return PutThree(a, c.Uid, c.EffectiveUid, c.SavedUid);
    }

    private static SysResult SetFileUid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint uid = a.UInt0, old = c.FileUid;
        if (uid == Unchanged)
            return old;
        if (uid == c.Uid || uid == c.EffectiveUid || uid == c.SavedUid || uid == old || c.Has(Capability.SetUid))
        {
            c.FileUid = uid;
            CredentialRules.AfterSetFileUid(c, old);
        }
        return old;
    }

    private static SysResult ChangeUids(Task task, uint real, uint effective, uint saved)
    {
        Credentials c = task.Credentials;
        uint oldReal = c.Uid, oldEffective = c.EffectiveUid, oldSaved = c.SavedUid;
        if (real != oldReal)
        {
            TaskSystem system = task.System;
            using (system.TaskLock.Acquire())
            {
                system.CountUserProcess(c, -1);
                c.Uid = real;
                system.CountUserProcess(c, 1);
            }
            // Too many for the new user is told by the next exec. Linux: PF_NPROC_EXCEEDED.
            if (real != 0 && system.UserProcesses(c) > task.Limits.Soft(Memory.Virtual.Resource.Processes))
                task.Flags |= TaskFlags.NprocExceeded;
            else
                task.Flags &= ~TaskFlags.NprocExceeded;
        }
        c.EffectiveUid = c.FileUid = effective;
        c.SavedUid = saved;
        CredentialRules.AfterSetUid(c, oldReal, oldEffective, oldSaved);
        if (oldEffective != effective)
            IdentityChanged(task);
        return 0;
    }

    // ---- Groups ---------------------------------------------------------------------------------------------------------------------

    private static SysResult SetGid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint gid = a.UInt0;
        if (gid == Unchanged)
            return Errno.EINVAL;
        if (c.Has(Capability.SetGid))
            c.Gid = c.SavedGid = gid;
        else if (gid != c.Gid && gid != c.SavedGid)
            return Errno.EPERM;
        return SetEffectiveGid(a.Task, gid);
    }

    private static SysResult SetReGid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint real = a.UInt0, effective = a.UInt1;
        bool may = c.Has(Capability.SetGid);
        if (real != Unchanged && real != c.Gid && real != c.EffectiveGid && !may)
            return Errno.EPERM;
        if (effective != Unchanged && effective != c.Gid && effective != c.EffectiveGid && effective != c.SavedGid && !may)
            return Errno.EPERM;
        uint newEffective = effective == Unchanged ? c.EffectiveGid : effective;
        if (real != Unchanged || (effective != Unchanged && effective != c.Gid))
            c.SavedGid = newEffective;
        if (real != Unchanged)
            c.Gid = real;
        return SetEffectiveGid(a.Task, newEffective);
    }

    private static SysResult SetResGid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint real = a.UInt0, effective = a.UInt1, saved = a.UInt2;
        if (!c.Has(Capability.SetGid) && !(IsOneOfGroups(c, real) && IsOneOfGroups(c, effective) && IsOneOfGroups(c, saved)))
            return Errno.EPERM;
        if (real != Unchanged)
            c.Gid = real;
        if (saved != Unchanged)
            c.SavedGid = saved;
        return SetEffectiveGid(a.Task, effective == Unchanged ? c.EffectiveGid : effective);
    }

    private static bool IsOneOfGroups(Credentials c, uint gid) => gid == Unchanged || gid == c.Gid || gid == c.EffectiveGid || gid == c.SavedGid;

    private static SysResult SetEffectiveGid(Task task, uint gid)
    {
        Credentials c = task.Credentials;
        bool changed = c.EffectiveGid != gid;
        c.EffectiveGid = c.FileGid = gid;
        if (changed)
            IdentityChanged(task);
        return 0;
    }

    private static SysResult GetResGid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        return PutThree(a, c.Gid, c.EffectiveGid, c.SavedGid);
    }

    private static SysResult SetFileGid(ref SyscallArguments a)
    {
        Credentials c = a.Task.Credentials;
        uint gid = a.UInt0, old = c.FileGid;
        if (gid != Unchanged && (gid == c.Gid || gid == c.EffectiveGid || gid == c.SavedGid || gid == old || c.Has(Capability.SetGid)))
            c.FileGid = gid;
        return old;
    }

    private static SysResult GetGroups(ref SyscallArguments a)
    {
        ReadOnlySpan<uint> groups = a.Task.Credentials.Groups;
        int size = a.Int0;
        if (size < 0)
            return Errno.EINVAL;
        if (size == 0)
            return groups.Length;
        if (groups.Length > size)
            return Errno.EINVAL;
        for (int i = 0; i < groups.Length; i++)
        {
            Errno error = UserCopy.Put(a.Address1 + ((ulong)i * sizeof(uint)), groups[i]);
            if (error != Errno.None)
                return error;
        }
        return groups.Length;
    }

    private static SysResult SetGroups(ref SyscallArguments a)
    {
        Task task = a.Task;
        if (!task.Credentials.Has(Capability.SetGid))
            return Errno.EPERM;
        uint count = a.UInt0;
        if (count > MaximumGroups)
            return Errno.EINVAL;
        if (count == 0)
        {
            task.Credentials.SetGroups(task.System.Arrays, null);
            return 0;
        }
        uint[]? groups = task.System.Arrays.Allocate<uint>((int)count);
        if (groups is null)
            return Errno.ENOMEM;
        for (int i = 0; i < groups.Length; i++)
        {
            Errno error = UserCopy.Get(a.Address1 + ((ulong)i * sizeof(uint)), out groups[i]);
            if (error == Errno.None && groups[i] == Unchanged)
                error = Errno.EINVAL;
            if (error == Errno.None)
                continue;
            task.System.Arrays.Free(groups);
            return error;
        }
        HeapSort(groups);
        task.Credentials.SetGroups(task.System.Arrays, groups);
        return 0;
    }

    /// <summary>In place and n log n whatever the program passes.</summary>
    private static void HeapSort(uint[] a)
    {
        for (int i = (a.Length / 2) - 1; i >= 0; i--)
            SiftDown(a, i, a.Length);
        for (int end = a.Length - 1; end > 0; end--)
        {
            (a[0], a[end]) = (a[end], a[0]);
            SiftDown(a, 0, end);
        }
    }

    private static void SiftDown(uint[] a, int root, int length)
    {
        while ((root * 2) + 1 < length)
        {
            int child = (root * 2) + 1;
            if (child + 1 < length && a[child] < a[child + 1])
                child++;
            if (a[root] >= a[child])
                return;
            (a[root], a[child]) = (a[child], a[root]);
            root = child;
        }
    }

    // ---- Capabilities ---------------------------------------------------------------------------------------------------------------

    private const uint Version1 = 0x1998_0330, Version2 = 0x2007_1026, Version3 = 0x2008_0522;

    /// <summary>Checks the header's version; a wrong one is answered with the right one written back.</summary>
    private static Errno ReadHeader(VirtAddr header, out int words, out int pid)
    {
        words = 0;
        pid = 0;
        Errno error = UserCopy.Get(header, out uint version);
        if (error != Errno.None)
            return error;
        words = version == Version1 ? 1 : version is Version2 or Version3 ? 2 : 0;
        if (words == 0)
            return UserCopy.Put(header, Version3) == Errno.None ? Errno.EINVAL : Errno.EFAULT;
        return UserCopy.Get(header + 4, out pid);
    }

    /// <summary>man 2 capget. Without a data pointer a wrong version is no error: that is how programs ask for the right one.</summary>
    private static SysResult CapGet(ref SyscallArguments a)
    {
        Errno error = ReadHeader(a.Address0, out int words, out int pid);
        if (error != Errno.None)
            return a.Address1.IsZero && error == Errno.EINVAL ? 0 : error;
        if (a.Address1.IsZero)
            return 0;
        if (pid < 0)
            return Errno.EINVAL;
        ulong effective, permitted, inheritable;
        TaskSystem system = a.Task.System;
        using (system.TaskLock.Acquire())
        {
            Task? target = pid == 0 ? a.Task : system.Pids.FindTask(pid);
            if (target is null)
                return Errno.ESRCH;
            effective = target.Credentials.EffectiveCapabilities;
            permitted = target.Credentials.PermittedCapabilities;
            inheritable = target.Credentials.InheritableCapabilities;
        }
        uint* data = stackalloc uint[6];
        data[0] = (uint)effective;
        data[1] = (uint)permitted;
        data[2] = (uint)inheritable;
        data[3] = (uint)(effective >> 32);
        data[4] = (uint)(permitted >> 32);
        data[5] = (uint)(inheritable >> 32);
        return UserCopy.CopyToUser(a.Address1, new ReadOnlySpan<byte>(data, words * 12));
    }

    /// <summary>man 2 capset: only the caller's own.</summary>
    private static SysResult CapSet(ref SyscallArguments a)
    {
        Errno error = ReadHeader(a.Address0, out int words, out int pid);
        if (error != Errno.None)
            return error;
        if (pid != 0 && pid != a.Task.Pid)
            return Errno.EPERM;
        uint* data = stackalloc uint[6];
        new Span<uint>(data, 6).Clear();
        error = UserCopy.CopyFromUser(new Span<byte>(data, words * 12), a.Address1);
        if (error != Errno.None)
            return error;
        ulong effective = (data[0] | (ulong)data[3] << 32) & Credentials.AllCapabilities;
        ulong permitted = (data[1] | (ulong)data[4] << 32) & Credentials.AllCapabilities;
        ulong inheritable = (data[2] | (ulong)data[5] << 32) & Credentials.AllCapabilities;

        Credentials c = a.Task.Credentials;
        if (!c.Has(Capability.SetPermitted) && (inheritable & ~(c.InheritableCapabilities | c.PermittedCapabilities)) != 0)
            return Errno.EPERM;
        if ((inheritable & ~(c.InheritableCapabilities | c.BoundingCapabilities)) != 0)
            return Errno.EPERM;
        if ((permitted & ~c.PermittedCapabilities) != 0)
            return Errno.EPERM;
        if ((effective & ~permitted) != 0)
            return Errno.EPERM;
        c.EffectiveCapabilities = effective;
        c.PermittedCapabilities = permitted;
        c.InheritableCapabilities = inheritable;
        c.AmbientCapabilities &= permitted & inheritable;
        return 0;
    }

    // ---- Helpers --------------------------------------------------------------------------------------------------------------------

    private static SysResult PutThree(in SyscallArguments a, uint first, uint second, uint third)
    {
        Errno error = UserCopy.Put(a.Address0, first);
        if (error == Errno.None)
            error = UserCopy.Put(a.Address1, second);
        if (error == Errno.None)
            error = UserCopy.Put(a.Address2, third);
        return error;
    }

    /// <summary>What was agreed for the old identity no longer holds. Linux: <c>commit_creds</c>.</summary>
    private static void IdentityChanged(Task task)
    {
        if (task.Mm is { } mm)
            mm.Dumpable = 0;
        task.ParentDeathSignal = 0;
    }
}
