using NanoVm.Core;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Tmpfs;

/// <summary>One System V shared memory segment: a memory file with a key, an owner and a count of attachments.</summary>
/// <remarks>Linux: <c>shmid_kernel</c>; man 2 shmget. Guarded by <see cref="SharedSegments.Lock"/> but for the count, which areas change.</remarks>
internal sealed class SharedSegment
{
    public SharedSegments Table = null!;
    public OpenFile File = null!;
    public int Key;

    /// <summary>What user space calls it: slot and sequence number.</summary>
    public int Identifier;
    public uint Uid;
    public uint Gid;
    public uint CreatorUid;
    public uint CreatorGid;
    public uint Mode;
    public ulong Bytes;
    public long AttachTime;
    public long DetachTime;
    public long ChangeTime;
    public int CreatorProcess;
    public int LastProcess;

    /// <summary>Areas that map it. Linux: <c>shm_nattch</c>.</summary>
    public int Attachments;

    /// <summary>Removed by IPC_RMID: goes with its last attachment.</summary>
    public bool IsRemoved;

    /// <summary>Who locked it into memory (<c>SHM_LOCK</c>), when <see cref="IsLocked"/>: it counts against his limit.</summary>
    public uint LockedBy;
    public bool IsLocked;

    /// <summary>The mode with what has become of the segment. Linux: <c>SHM_DEST</c>, <c>SHM_LOCKED</c>.</summary>
    public uint ShownMode => Mode | (IsRemoved ? 0x200u : 0) | (IsLocked ? 0x400u : 0);

    public ulong Pages => PageCount.FromBytesRoundedUp(Bytes).Value;

    /// <summary>Callers that hold the object over a sleep.</summary>
    internal int Holders;

    internal void Attached()
    {
        Attachments++;
        AttachTime = File.Vfs.Now.Seconds;
        LastProcess = TaskFiles.CurrentFiles.ProcessNumber;
    }

    internal void Detached()
    {
        Attachments--;
        DetachTime = File.Vfs.Now.Seconds;
        LastProcess = TaskFiles.CurrentFiles.ProcessNumber;
        Table.FreeIfUnused(this);
    }
}

/// <summary>How areas of System V segments behave: as shared memory, and they are counted.</summary>
/// <remarks>Linux: <c>shm_vm_ops</c>.</remarks>
internal sealed class SegmentMapOperations(PageCache cache) : FileMapOperations(cache)
{
    public override bool NeedsClose => true;

    /// <summary>A touch brings in its own page alone: Linux 6.1's segments have no <c>map_pages</c>.</summary>
    public override bool HasMapPages => false;

    public override void Open(VmArea area) => SegmentOf(area)?.Attached();

    public override void Close(VmArea area) => SegmentOf(area)?.Detached();

    internal static SharedSegment? SegmentOf(VmArea area) => area.File is OpenFile { Inode: TmpfsInode inode } ? inode.Segment : null;
}
