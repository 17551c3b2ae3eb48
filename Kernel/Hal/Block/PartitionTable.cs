using System;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>Finds the partitions of a disk: GPT, or the MBR's four with the logical ones inside an extended one.</summary>
/// <remarks>UEFI 2.10, 5.3; Linux: <c>block/partitions</c>. The disk's content is not trusted: what lies outside the disk is left out.</remarks>
internal static unsafe class PartitionTable
{
    private const int MbrTable = 446;
    private const int MbrEntryBytes = 16;
    private const int MbrEntries = 4;
    private const int MbrSignature = 510;
    private const byte TypeExtended = 0x05, TypeExtendedLba = 0x0f, TypeExtendedLinux = 0x85, TypeProtective = 0xee;
    private const int FirstLogical = 5;
    private const int MostLogical = 256;

    private const ulong GptMagic = 0x5452_4150_2049_4645;    // "EFI PART"
    private const int GptFirstEntryOffset = 72, GptCountOffset = 80, GptEntryBytesOffset = 84;
    private const uint MostGptEntries = 256;

    /// <summary>Reads the table and appends a device for each partition.</summary>
    /// <param name="page">A page of memory to read sectors to.</param>
    /// <returns>The first of the new devices, linked by <see cref="BlockDevice.Next"/>; null when the disk has none.</returns>
    public static BlockDevice? Scan(BlockDevice disk, PhysAddr page)
    {
        var list = new List();
        byte* sector = DirectMap.Pointer(page);
        if (!Read(disk, 0, page) || *(ushort*)(sector + MbrSignature) != 0xaa55)
            return null;
        if (sector[MbrTable + 4] == TypeProtective)
        {
            ScanGpt(disk, page, ref list);
            return list.First;
        }

        // The sector is read over by the extended table: take all four entries first.
        byte* entries = stackalloc byte[MbrEntryBytes * MbrEntries];
        new ReadOnlySpan<byte>(sector + MbrTable, MbrEntryBytes * MbrEntries).CopyTo(new Span<byte>(entries, MbrEntryBytes * MbrEntries));
        for (int i = 0; i < MbrEntries; i++)
        {
            byte* entry = entries + i * MbrEntryBytes;
            // A boot sector of a file system may look like a table: the first byte of an entry is 0 or 0x80.
            if ((entry[0] & 0x7f) != 0)
                return null;
        }
        for (int i = 0; i < MbrEntries; i++)
        {
            byte* entry = entries + i * MbrEntryBytes;
            ulong start = *(uint*)(entry + 8);
            ulong count = *(uint*)(entry + 12);
            if (entry[4] == 0 || count == 0)
                continue;
            if (entry[4] is TypeExtended or TypeExtendedLba or TypeExtendedLinux)
                ScanExtended(disk, page, start, ref list);
            else
                list.Add(disk, i + 1, start, count);
        }
        return list.First;
    }

    /// <summary>A chain of tables, each with one logical partition and the place of the next table.</summary>
    private static void ScanExtended(BlockDevice disk, PhysAddr page, ulong extended, ref List list)
    {
        byte* sector = DirectMap.Pointer(page);
        ulong table = extended;
        for (int number = FirstLogical; number < FirstLogical + MostLogical; number++)
        {
            if (!Read(disk, table, page) || *(ushort*)(sector + MbrSignature) != 0xaa55)
                return;
            byte* entry = sector + MbrTable;
            ulong start = table + *(uint*)(entry + 8);
            ulong count = *(uint*)(entry + 12);
            byte type = entry[4];
            uint next = *(uint*)(entry + MbrEntryBytes + 8);
            if (type != 0 && count != 0)
                list.Add(disk, number, start, count);
            if (next == 0)
                return;
            table = extended + next;
        }
    }

    private static void ScanGpt(BlockDevice disk, PhysAddr page, ref List list)
    {
        byte* sector = DirectMap.Pointer(page);
        if (!Read(disk, 1, page) || *(ulong*)sector != GptMagic)
            return;
        ulong first = *(ulong*)(sector + GptFirstEntryOffset);
        uint count = Math.Min(*(uint*)(sector + GptCountOffset), MostGptEntries);
        uint bytes = *(uint*)(sector + GptEntryBytesOffset);
        if (bytes < 128 || BlockDevice.SectorBytes % bytes != 0)
            return;
        uint inSector = BlockDevice.SectorBytes / bytes;
        for (uint i = 0; i < count; i++)
        {
            if (i % inSector == 0 && !Read(disk, first + i / inSector, page))
                return;
            byte* entry = sector + i % inSector * bytes;
            if (*(ulong*)entry == 0 && *(ulong*)(entry + 8) == 0)
                continue;                                    // no type: unused
            ulong start = *(ulong*)(entry + 32);
            ulong last = *(ulong*)(entry + 40);
            if (last >= start)
                list.Add(disk, (int)i + 1, start, last - start + 1);
        }
    }

    private static bool Read(BlockDevice disk, ulong sector, PhysAddr page)
    {
        var segment = new BlockSegment(page, BlockDevice.SectorBytes);
        return disk.Transfer(BlockDirection.Read, sector, new ReadOnlySpan<BlockSegment>(in segment)) == Errno.None;
    }

    private struct List
    {
        public BlockDevice? First;
        private BlockDevice? _last;

        public void Add(BlockDevice disk, int number, ulong start, ulong count)
        {
            if (start >= disk.SectorCount || count > disk.SectorCount - start)
                return;
            var partition = new PartitionDevice(disk, number, start, count);
            if (_last is null)
                First = partition;
            else
                _last.Next = partition;
            _last = partition;
        }
    }
}
