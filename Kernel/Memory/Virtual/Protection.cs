using System;

namespace NanoVm.Memory.Virtual;

/// <summary>The <c>prot</c> argument of <c>mmap</c> and <c>mprotect</c>.</summary>
/// <remarks>Linux: <c>PROT_*</c>.</remarks>
[Flags]
internal enum Protection : uint
{
    None = 0,
    Read = 1,
    Write = 2,
    Execute = 4,
    /// <summary>May be used for atomic operations: means nothing on x86 but is a valid bit.</summary>
    Semaphore = 8,
    /// <summary><c>mprotect</c> from the start of the stack area.</summary>
    GrowsDown = 0x0100_0000,
    /// <summary>Refused on x86, where no area grows up.</summary>
    GrowsUp = 0x0200_0000,

    AccessMask = Read | Write | Execute,
}

/// <summary>The <c>flags</c> argument of <c>mmap</c>.</summary>
/// <remarks>Linux: <c>MAP_*</c>.</remarks>
[Flags]
internal enum MapFlags : uint
{
    None = 0,
    Shared = 0x01,
    Private = 0x02,
    /// <summary>As <see cref="Shared"/>, but an unknown flag is an error and not ignored.</summary>
    SharedValidate = 0x03,
    TypeMask = 0x0f,
    Fixed = 0x10,
    Anonymous = 0x20,
    /// <summary>Below 2 GiB.</summary>
    Map32Bit = 0x40,
    GrowsDown = 0x100,
    DenyWrite = 0x800,
    Executable = 0x1000,
    Locked = 0x2000,
    NoReserve = 0x4000,
    Populate = 0x8000,
    /// <summary>With <see cref="Populate"/>: do not populate after all.</summary>
    NonBlock = 0x10000,
    Stack = 0x20000,
    HugeTlb = 0x40000,
    Sync = 0x80000,
    /// <summary>At this address or not at all (EEXIST).</summary>
    FixedNoReplace = 0x100000,
    Uninitialized = 0x4000000,

    /// <summary>What <see cref="SharedValidate"/> lets pass. Linux: <c>LEGACY_MAP_MASK</c>.</summary>
    LegacyMask = Shared | Private | Fixed | Anonymous | DenyWrite | Executable | Uninitialized | GrowsDown | Locked | NoReserve
        | Populate | NonBlock | Stack | HugeTlb | Map32Bit | (0x3fU << 26),
}

/// <summary>What <c>mmap</c> is asked for, decoded but not yet checked.</summary>
/// <remarks>Linux: the arguments of <c>do_mmap</c>.</remarks>
internal ref struct MmapRequest
{
    /// <summary>The file to map; null for anonymous memory. <see cref="MmStruct.DoMmap"/> takes its own reference.</summary>
    public Mapping.MappableFile? File;

    /// <summary>The hint, or the place with <see cref="MapFlags.Fixed"/>.</summary>
    public Core.VirtAddr Address;

    /// <summary>Bytes, not rounded.</summary>
    public ulong Length;
    public Protection Protection;
    public MapFlags Flags;

    /// <summary>The first page of the file.</summary>
    public ulong PageOffset;

    /// <summary>Bits that a kernel caller adds to the area (System V memory, special mappings).</summary>
    public VmFlags ExtraFlags;

    /// <summary>What the file allows and this mapping does not: a System V segment attached for reading can never be made writable.</summary>
    public Core.Access Withheld;
}
