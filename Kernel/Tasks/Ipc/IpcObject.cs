using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>What all System V objects have: a key, an identifier, owners, rights. Linux: <c>kern_ipc_perm</c>; man 7 sysvipc.</summary>
internal abstract class IpcObject
{
    /// <summary>The key by which others find it; 0 (<c>IPC_PRIVATE</c>) for none.</summary>
    public int Key;

    /// <summary>What user space calls it: slot and sequence number.</summary>
    public int Identifier;
    public uint Uid;
    public uint Gid;
    public uint CreatorUid;
    public uint CreatorGid;
    public uint Mode;

    /// <summary>Next in the chain of keys that hash alike.</summary>
    internal IpcObject? NextKey;

    /// <summary>The rights that "wanted" asks for, in any of its three places. Linux: <c>ipcperms</c>.</summary>
    public bool MayUse(Task task, uint wanted)
    {
        Credentials who = task.Credentials;
        uint need = ((wanted >> 6) | (wanted >> 3) | wanted) & 7;
        uint have = Mode;
        if (who.EffectiveUid == Uid || who.EffectiveUid == CreatorUid)
            have >>= 6;
        else if (who.IsInEffectiveGroup(Gid) || who.IsInEffectiveGroup(CreatorGid))
            have >>= 3;
        return (need & ~have) == 0 || who.Has(Capability.IpcOwner);
    }

    /// <summary>Whether the task may change or remove it.</summary>
    public bool IsOwner(Task task)
        => task.Credentials.EffectiveUid == Uid || task.Credentials.EffectiveUid == CreatorUid || task.Credentials.Has(Capability.SysAdmin);
}

/// <summary>How an object has been asked for (<c>semget</c>, <c>msgget</c>).</summary>
internal readonly struct IpcRequest(int key, uint flags)
{
    private const uint Create = 0x200, Exclusive = 0x400;

    public readonly int Key = key;
    public readonly uint Mode = flags & 0x1FF;

    /// <summary>IPC_PRIVATE: always a new one, which nobody finds.</summary>
    public bool IsPrivate => Key == 0;

    /// <summary>What to do when there is none with the key.</summary>
    public Errno WhenMissing => IsPrivate || (flags & Create) != 0 ? Errno.None : Errno.ENOENT;

    /// <summary>What to do when there is one.</summary>
    public Errno WhenFound => (flags & (Create | Exclusive)) == (Create | Exclusive) ? Errno.EEXIST : Errno.None;
}
