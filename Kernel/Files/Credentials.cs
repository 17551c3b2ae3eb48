using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>Who a task is: user and group numbers, supplementary groups, capabilities.</summary>
/// <remarks>
/// Linux: <c>cred</c>. Each task has its own and only the task itself changes it, so it needs no lock. New processes copy it.
/// </remarks>
internal sealed class Credentials
{
    /// <summary>All capabilities of Linux 6.1, 0…40.</summary>
    public const ulong AllCapabilities = (1UL << 41) - 1;

    public uint Uid;
    public uint EffectiveUid;
    public uint SavedUid;

    /// <summary>The user number that file access is checked with. Linux: <c>fsuid</c>.</summary>
    public uint FileUid;
    public uint Gid;
    public uint EffectiveGid;
    public uint SavedGid;
    public uint FileGid;

    public ulong EffectiveCapabilities;
    public ulong PermittedCapabilities;
    public ulong InheritableCapabilities;
    public ulong BoundingCapabilities;
    public ulong AmbientCapabilities;

    /// <summary>Linux: <c>SECBIT_*</c> of <c>prctl(PR_SET_SECUREBITS)</c>.</summary>
    public uint SecureBits;
    public bool NoNewPrivileges;

    private uint[]? groups;

    /// <summary>Supplementary groups, sorted.</summary>
    public ReadOnlySpan<uint> Groups => groups;

    /// <summary>Root with everything: the first process.</summary>
    public void InitializeAsRoot()
    {
        EffectiveCapabilities = PermittedCapabilities = BoundingCapabilities = AllCapabilities;
    }

    public bool Has(Capability capability) => (EffectiveCapabilities & (1UL << (int)capability)) != 0;

    /// <summary>Is <paramref name="gid"/> the file group or a supplementary group? Linux: <c>in_group_p</c>.</summary>
    public bool IsInGroup(uint gid)
    {
        if (gid == FileGid)
            return true;
        return ContainsGroup(gid);
    }

    /// <summary>Is <paramref name="gid"/> the effective group or a supplementary group? Linux: <c>in_egroup_p</c>.</summary>
    public bool IsInEffectiveGroup(uint gid) => gid == EffectiveGid || ContainsGroup(gid);

    /// <summary>Replaces the supplementary groups; takes ownership of <paramref name="sorted"/>, an array of <see cref="KernelArrays"/>.</summary>
    public void SetGroups(KernelArrays arrays, uint[]? sorted)
    {
        if (groups is not null)
            arrays.Free(groups);
        groups = sorted;
    }

    /// <summary>Makes this a copy of <paramref name="other"/>. Linux: <c>copy_creds</c>.</summary>
    /// <returns><see cref="Errno.ENOMEM"/>: nothing has changed.</returns>
    public Errno CopyFrom(Credentials other, KernelArrays arrays)
    {
        uint[]? copy = null;
        if (other.groups is not null)
        {
            copy = arrays.Allocate<uint>(other.groups.Length);
            if (copy is null)
                return Errno.ENOMEM;
            other.Groups.CopyTo(copy);
        }
        SetGroups(arrays, copy);
        Uid = other.Uid;
        EffectiveUid = other.EffectiveUid;
        SavedUid = other.SavedUid;
        FileUid = other.FileUid;
        Gid = other.Gid;
        EffectiveGid = other.EffectiveGid;
        SavedGid = other.SavedGid;
        FileGid = other.FileGid;
        EffectiveCapabilities = other.EffectiveCapabilities;
        PermittedCapabilities = other.PermittedCapabilities;
        InheritableCapabilities = other.InheritableCapabilities;
        BoundingCapabilities = other.BoundingCapabilities;
        AmbientCapabilities = other.AmbientCapabilities;
        SecureBits = other.SecureBits;
        NoNewPrivileges = other.NoNewPrivileges;
        return Errno.None;
    }

    /// <summary>Gives up what it holds before the object is freed.</summary>
    public void Clear(KernelArrays arrays) => SetGroups(arrays, null);

    // Groups are few or sorted: a search by halves finds one among the 65,536 that setgroups allows.
    private bool ContainsGroup(uint gid)
    {
        if (groups is null)
            return false;
        int low = 0;
        int high = groups.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            uint value = groups[middle];
            if (value == gid)
                return true;
            if (value < gid)
                low = middle + 1;
            else
                high = middle - 1;
        }
        return false;
    }
}

/// <summary>Privileges that root is made of. Linux: <c>CAP_*</c>; man 7 capabilities.</summary>
internal enum Capability
{
    Chown = 0,
    DacOverride = 1,
    DacReadSearch = 2,
    FileOwner = 3,
    FileSetId = 4,
    Kill = 5,
    SetGid = 6,
    SetUid = 7,
    SetPermitted = 8,
    LinuxImmutable = 9,
    NetBindService = 10,
    NetBroadcast = 11,
    NetAdmin = 12,
    NetRaw = 13,
    IpcLock = 14,
    IpcOwner = 15,
    SysModule = 16,
    SysRawIo = 17,
    SysChroot = 18,
    SysPtrace = 19,
    SysPacct = 20,
    SysAdmin = 21,
    SysBoot = 22,
    SysNice = 23,
    SysResource = 24,
    SysTime = 25,
    SysTtyConfig = 26,
    MakeNode = 27,
    Lease = 28,
    AuditWrite = 29,
    AuditControl = 30,
    SetFileCapabilities = 31,
    MacOverride = 32,
    MacAdmin = 33,
    Syslog = 34,
    WakeAlarm = 35,
    BlockSuspend = 36,
    AuditRead = 37,
    Perfmon = 38,
    Bpf = 39,
    CheckpointRestore = 40,
}
