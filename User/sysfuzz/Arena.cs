using NanoVm.User.Suites;

namespace NanoVm.User.SysFuzz;

/// <summary>Where a task's arguments point to: buffers, and pages of each kind next to holes.</summary>
/// <remarks>
/// <code>
///   [ 16 buffers of 4 pages ][ hole ][ read-only ][ none ][ shared ][ file ][ hole ][ 64 pages that calls map, unmap and protect ]
/// </code>
/// The buffers are at the same place in every thread of a task; each lane has half of them.
/// </remarks>
internal static unsafe class Arena
{
    public const int Buffers = 16, BufferPages = 4, PlayPages = 64;
    public const int BufferBytes = BufferPages * Linux.Page;

    public static nint Start { get; private set; }
    public static nint Hole => Start + Buffers * BufferBytes;
    public static nint ReadOnly => Hole + Linux.Page;
    public static nint None => ReadOnly + Linux.Page;
    public static nint Shared => None + Linux.Page;
    public static nint File => Shared + 4 * Linux.Page;
    public static nint Play => File + 5 * Linux.Page;

    public static void Prepare(int file)
    {
        nint bytes = (Buffers * BufferPages + 12 + PlayPages) * Linux.Page;
        Start = Linux.Mmap(0, bytes, Protection.None, Map.PrivateAnonymous | Map.NoReserve);
        Put(Start, Buffers * BufferPages, Protection.ReadWrite, Map.PrivateAnonymous);
        Linux.Munmap(Hole, Linux.Page);
        Put(ReadOnly, 1, Protection.Read, Map.PrivateAnonymous);
        Put(Shared, 4, Protection.ReadWrite, Map.SharedAnonymous);
        Linux.Mmap(File, 4 * Linux.Page, Protection.ReadWrite, Map.Shared | Map.Fixed, file);
        Linux.Munmap(File + 4 * Linux.Page, Linux.Page);
        Put(Play, PlayPages / 2, Protection.ReadWrite, Map.PrivateAnonymous);
    }

    public static byte* Buffer(int lane, int number) => (byte*)(Start + (lane * (Buffers / 2) + number % (Buffers / 2)) * BufferBytes);

    /// <summary>Whether an address lies in a buffer; then which.</summary>
    public static bool IsBuffer(long address, out byte* buffer)
    {
        nint offset = (nint)address - Start;
        buffer = (byte*)(Start + offset / BufferBytes * BufferBytes);
        return offset >= 0 && offset < Buffers * BufferBytes;
    }

    private static void Put(nint at, int pages, int protection, int flags) => Linux.Mmap(at, (nint)pages * Linux.Page, protection, flags | Map.Fixed);
}
