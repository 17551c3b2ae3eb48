using System.Runtime.InteropServices;
using NanoVm.Core;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>The commands that all System V objects know, for <c>semctl</c> and <c>msgctl</c>. Linux: <c>IPC_*</c>.</summary>
internal static class IpcCommand
{
    public const int Remove = 0, Set = 1, Stat = 2, Info = 3;
}

/// <summary>Owner and rights of a System V object, as user space sees them. Linux: <c>struct ipc64_perm</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UserIpcRights
{
    public int Key;
    public uint Uid;
    public uint Gid;
    public uint CreatorUid;
    public uint CreatorGid;
    public uint Mode;
    public ushort Sequence;
    public ushort Pad;
    public ulong Unused1;
    public ulong Unused2;

    public static UserIpcRights Of(IpcObject item) => new()
    {
        Key = item.Key,
        Uid = item.Uid,
        Gid = item.Gid,
        CreatorUid = item.CreatorUid,
        CreatorGid = item.CreatorGid,
        Mode = item.Mode,
        Sequence = (ushort)(item.Identifier >> 15),
    };

    /// <summary>What IPC_SET may change. Linux: <c>ipc_update_perm</c>.</summary>
    public readonly Errno ApplyTo(IpcObject item)
    {
        if (Uid == uint.MaxValue || Gid == uint.MaxValue)
            return Errno.EINVAL;
        item.Uid = Uid;
        item.Gid = Gid;
        item.Mode = Mode & 0x1FF;
        return Errno.None;
    }
}
