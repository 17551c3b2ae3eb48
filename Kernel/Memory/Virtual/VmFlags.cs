using System;

namespace NanoVm.Memory.Virtual;

/// <summary>What a <see cref="VmArea"/> allows and how its pages are treated.</summary>
/// <remarks>
/// Linux: <c>VM_*</c>, with Linux's own bit values, so that a dump of <c>vm_flags</c> reads the same. The lectures' <c>VM_GROWSUP</c> is
/// absent on x86, there as here. Lecture 001, "VMA Flags".
/// </remarks>
[Flags]
internal enum VmFlags : ulong
{
    None = 0,

    /// <summary>Pages can be read now.</summary>
    Read = 0x1,
    /// <summary>Pages can be written now.</summary>
    Write = 0x2,
    /// <summary>Pages can be executed now.</summary>
    Execute = 0x4,
    /// <summary>Stores are seen by everybody who maps the same object.</summary>
    Shared = 0x8,

    /// <summary><c>mprotect</c> may set <see cref="Read"/>.</summary>
    MayRead = 0x10,
    /// <summary><c>mprotect</c> may set <see cref="Write"/>.</summary>
    MayWrite = 0x20,
    /// <summary><c>mprotect</c> may set <see cref="Execute"/>.</summary>
    MayExecute = 0x40,
    /// <summary>Mapped with <c>MAP_SHARED</c>, though perhaps read-only, so that <see cref="Shared"/> was taken away.</summary>
    MayShare = 0x80,

    /// <summary>A stack: a fault just below extends it.</summary>
    GrowsDown = 0x100,
    /// <summary>userfaultfd reports missing pages.</summary>
    UserfaultMissing = 0x200,
    /// <summary>Page-table entries hold raw frame numbers without a counted <c>PageFrame</c> (they say so: <c>PteFlags.Special</c>), private copies apart.</summary>
    PfnMap = 0x400,
    /// <summary>The lectures' <c>VM_DENYWRITE</c>: the mapped file must not be opened for writing.</summary>
    DenyWrite = 0x800,
    /// <summary>userfaultfd reports writes to protected pages.</summary>
    UserfaultWriteProtect = 0x1000,
    /// <summary>Pages stay in memory (<c>mlock</c>).</summary>
    Locked = 0x2000,
    /// <summary>Device registers.</summary>
    Io = 0x4000,
    /// <summary><c>MADV_SEQUENTIAL</c>.</summary>
    SequentialRead = 0x8000,
    /// <summary><c>MADV_RANDOM</c>.</summary>
    RandomRead = 0x10000,
    /// <summary>Not given to the child by <c>fork</c>.</summary>
    DontCopy = 0x20000,
    /// <summary><c>mremap</c> must not make it larger.</summary>
    DontExpand = 0x40000,
    /// <summary>With <see cref="Locked"/>: pages are locked when they are first touched (<c>MLOCK_ONFAULT</c>).</summary>
    LockOnFault = 0x80000,
    /// <summary>Its pages are counted in <c>Committed_AS</c>.</summary>
    Account = 0x100000,
    /// <summary><c>MAP_NORESERVE</c>: asked not to be counted.</summary>
    NoReserve = 0x200000,
    /// <summary>Mapped from the pool of huge pages.</summary>
    HugeTlb = 0x400000,
    /// <summary><c>MAP_SYNC</c>.</summary>
    Sync = 0x800000,
    /// <summary>The child of a <c>fork</c> finds zeros here.</summary>
    WipeOnFork = 0x2000000,
    /// <summary>Left out of core dumps.</summary>
    DontDump = 0x4000000,
    /// <summary>Created or changed since <c>clear_refs</c>; never makes areas differ.</summary>
    SoftDirty = 0x8000000,
    /// <summary>Holds both counted pages and raw frame numbers.</summary>
    MixedMap = 0x10000000,
    /// <summary><c>MADV_HUGEPAGE</c>.</summary>
    HugePage = 0x20000000,
    /// <summary><c>MADV_NOHUGEPAGE</c>.</summary>
    NoHugePage = 0x40000000,
    /// <summary><c>MADV_MERGEABLE</c>.</summary>
    Mergeable = 0x80000000,

    /// <summary>Bits 32 to 35: the protection key of the area's pages.</summary>
    ProtectionKeyMask = 0xfUL << 32,

    /// <summary>userfaultfd reports pages that are in the page cache but not mapped here.</summary>
    UserfaultMinor = 1UL << 37,

    /// <summary>Read, write and execute.</summary>
    AccessMask = Read | Write | Execute,
    /// <summary>All that <c>mprotect</c> may ever grant.</summary>
    MayAccessMask = MayRead | MayWrite | MayExecute,
    /// <summary>Areas that the kernel's own drivers manage: they neither merge, nor lock, nor grow. Linux: <c>VM_SPECIAL</c>.</summary>
    Special = Io | DontExpand | PfnMap | MixedMap,
    /// <summary>Both lock bits. Linux: <c>VM_LOCKED_MASK</c> negated.</summary>
    LockedMask = Locked | LockOnFault,
    /// <summary>Any userfaultfd mode.</summary>
    UserfaultMask = UserfaultMissing | UserfaultWriteProtect | UserfaultMinor,
    /// <summary>What the heap and an exec'ed stack start with, execution apart. Linux: <c>VM_DATA_DEFAULT_FLAGS</c>.</summary>
    DataDefault = Read | Write | MayRead | MayWrite | MayExecute,
    /// <summary>Linux: <c>VM_STACK_FLAGS</c>.</summary>
    Stack = GrowsDown | DataDefault | Account,
}

/// <summary>Conversions of <see cref="VmFlags"/>.</summary>
internal static class VmFlagsExtensions
{
    public const int ProtectionKeyShift = 32;

    /// <summary>The protection key of the area's pages, 0 to 15.</summary>
    public static int ProtectionKey(this VmFlags flags) => (int)((ulong)flags >> ProtectionKeyShift) & 15;

    /// <summary>Writable by this process alone: its pages are charged to <c>Committed_AS</c>. Linux: <c>accountable_mapping</c>'s core.</summary>
    public static bool IsPrivateWritable(this VmFlags flags)
        => (flags & (VmFlags.NoReserve | VmFlags.Shared | VmFlags.Write | VmFlags.HugeTlb)) == VmFlags.Write;

    /// <summary>A write to it may have to copy. Linux: <c>is_cow_mapping</c>.</summary>
    public static bool IsCow(this VmFlags flags) => (flags & (VmFlags.Shared | VmFlags.MayWrite)) == VmFlags.MayWrite;

    /// <summary>Counted as stack in <c>VmStk</c>. Linux: <c>is_stack_mapping</c>.</summary>
    public static bool IsStack(this VmFlags flags) => (flags & VmFlags.GrowsDown) != 0;

    /// <summary>Counted as executable in <c>VmExe</c>/<c>VmLib</c>. Linux: <c>is_exec_mapping</c>.</summary>
    public static bool IsExecutable(this VmFlags flags) => (flags & (VmFlags.Execute | VmFlags.Write | VmFlags.GrowsDown)) == VmFlags.Execute;

    /// <summary>Counted as data in <c>VmData</c> and against RLIMIT_DATA. Linux: <c>is_data_mapping</c>.</summary>
    public static bool IsData(this VmFlags flags) => (flags & (VmFlags.Write | VmFlags.Shared | VmFlags.GrowsDown)) == VmFlags.Write;
}
