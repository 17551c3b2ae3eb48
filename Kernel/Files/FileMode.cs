namespace NanoVm.Files;

/// <summary>The kind and permission bits of a file, as <c>stat.st_mode</c> shows them.</summary>
/// <remarks>Linux: <c>S_IF*</c>, <c>S_I*</c>; man 7 inode.</remarks>
internal static class FileMode
{
    public const uint TypeMask = 0xF000;
    public const uint Socket = 0xC000;
    public const uint SymbolicLink = 0xA000;
    public const uint Regular = 0x8000;
    public const uint BlockDevice = 0x6000;
    public const uint Directory = 0x4000;
    public const uint CharacterDevice = 0x2000;
    public const uint Fifo = 0x1000;

    public const uint SetUid = 0x800;
    public const uint SetGid = 0x400;
    public const uint Sticky = 0x200;

    /// <summary>What <c>chmod</c> may change: permissions and the three bits over them.</summary>
    public const uint PermissionMask = 0xFFF;

    public const uint GroupExecute = 0x8;
    public const uint AnyExecute = 0x49;

    public static bool IsDirectory(uint mode) => (mode & TypeMask) == Directory;
    public static bool IsRegular(uint mode) => (mode & TypeMask) == Regular;
    public static bool IsSymbolicLink(uint mode) => (mode & TypeMask) == SymbolicLink;
    public static bool IsDevice(uint mode) => (mode & TypeMask) is CharacterDevice or BlockDevice;

    /// <summary>The <c>d_type</c> of a directory entry for a mode. Linux: <c>DT_*</c>, which are the type bits shifted.</summary>
    public static byte ToDirectoryType(uint mode) => (byte)((mode & TypeMask) >> 12);
}
