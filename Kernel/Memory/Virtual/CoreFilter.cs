using System;

namespace NanoVm.Memory.Virtual;

/// <summary>The kinds of areas that a process wants to see in its core file: <c>/proc/PID/coredump_filter</c>.</summary>
/// <remarks>Linux: <c>MMF_DUMP_*</c>; man 5 core.</remarks>
[Flags]
internal enum CoreFilter : uint
{
    None = 0,
    AnonymousPrivate = 1 << 0,
    AnonymousShared = 1 << 1,
    MappedPrivate = 1 << 2,
    MappedShared = 1 << 3,
    ElfHeaders = 1 << 4,
    HugePrivate = 1 << 5,
    HugeShared = 1 << 6,

    /// <summary>Memory of files that need no page cache (DAX): kept, though there are none here.</summary>
    DaxPrivate = 1 << 7,
    DaxShared = 1 << 8,

    All = (1 << 9) - 1,
    Usual = AnonymousPrivate | AnonymousShared | ElfHeaders | HugePrivate,
}
