using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>The addresses that operations work on, counted in pages, the same on every kernel.</summary>
/// <remarks>
/// <code>
///            -Pages            0        Border       Pages      Heap .. Heap + HeapPages
///   ── free ── | shown, too    | the arena  :        | wall     the heap, wherever it lies
/// </code>
/// At <see cref="Border"/> one last-level page table ends and the next begins. Above the arena nothing is free: what is mapped "anywhere"
/// comes to lie at the highest free place in or below it, whatever the kernel has mapped elsewhere.
/// </remarks>
internal static unsafe class Arena
{
    public const int Pages = 128, Border = 64, Heap = 1000, HeapPages = 16;

    private const nint TableBytes = 2 << 20, Room = 16 << 20;

    private static nint s_base, s_break;

    /// <summary>Looks for the place. Nothing else may be mapped without an address afterwards.</summary>
    public static void Prepare()
    {
        nint room = Linux.Mmap(0, Room, Protection.None, Map.PrivateAnonymous | Map.NoReserve);
        // Every smaller gap above is filled. Shared, so that no area of ours is ever joined with it.
        while (true)
        {
            nint filler = Linux.Mmap(0, Linux.Page, Protection.None, Map.SharedAnonymous);
            if (filler < room)
                break;
        }
        nint border = (room + Room / 2) & -TableBytes;
        s_base = border - Border * Linux.Page;
        nint wall = s_base + Pages * Linux.Page;
        Linux.Mmap(wall, room + Room - wall, Protection.None, Map.SharedAnonymous | Map.Fixed);
        Linux.Munmap(room - Linux.Page, wall - room + Linux.Page);
        s_break = (Linux.Brk(0) + Linux.Page - 1) & -Linux.Page;
        Linux.Brk(s_break);
    }

    /// <summary>Where the heap's end was at first.</summary>
    public static nint BreakStart => s_break;

    /// <summary>The address of a page.</summary>
    public static nint Address(int page) => page >= Heap ? s_break + (nint)(page - Heap) * Linux.Page : s_base + (nint)page * Linux.Page;

    /// <summary>Makes an address or a length odd in one of a few ways.</summary>
    /// <param name="odd">Which way; 0 for none.</param>
    /// <param name="refused">The call refuses what reaches beyond user space. Others would do as they are told, to this program's own memory too.</param>
    public static void Bend(int odd, bool refused, ref nint address, ref nint bytes)
    {
        switch (odd)
        {
            case 1:
                address += 1;
                break;
            case 2:
                bytes -= 1;
                break;
            case 3:
                bytes += 1;
                break;
            case 4:
                bytes = refused ? (nint)1 << 46 : -1;
                break;
            case 5:
                bytes = -Linux.Page;
                break;
            case 6:
                address += 0x800;
                bytes -= 0x7ff;
                break;
        }
    }

    /// <summary>Is the address in what is shown: the arena, as much below it, the heap?</summary>
    public static bool IsShown(nint address) =>
        address >= Address(-Pages) && address < Address(Pages) || address >= s_break && address < Address(Heap + HeapPages);
}
