using System;

namespace NanoVm.Files;

/// <summary>How a path is to be walked. Linux: <c>LOOKUP_*</c>.</summary>
[Flags]
internal enum WalkFlags : uint
{
    None = 0,

    /// <summary>A symbolic link at the end is followed too.</summary>
    FollowLast = 1,

    /// <summary>The place must be a directory.</summary>
    Directory = 2,

    /// <summary>An empty path means the descriptor itself. Linux: <c>AT_EMPTY_PATH</c>.</summary>
    EmptyPath = 4,

    /// <summary>No link at all is followed. Linux: <c>RESOLVE_NO_SYMLINKS</c>.</summary>
    NoLinks = 8,

    /// <summary>Linux: <c>RESOLVE_NO_MAGICLINKS</c>.</summary>
    NoMagicLinks = 16,

    /// <summary>The walk must not leave the starting directory. Linux: <c>RESOLVE_BENEATH</c>.</summary>
    Beneath = 32,

    /// <summary>The starting directory is the root. Linux: <c>RESOLVE_IN_ROOT</c>.</summary>
    InRoot = 64,

    /// <summary>No mount point is crossed. Linux: <c>RESOLVE_NO_XDEV</c>.</summary>
    NoCrossing = 128,
}
