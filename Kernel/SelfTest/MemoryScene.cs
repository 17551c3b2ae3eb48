using System;
using NanoVm.Core;
using NanoVm.Hal;
using NanoVm.Memory.Faults;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Swap;
using NanoVm.Memory.Virtual;

namespace NanoVm.SelfTest;

/// <summary>A small family of address spaces with memory of every kind in it: something for a check to look at before there is a program.</summary>
/// <remarks>
/// <code>
///   Base   [ anonymous: 8 pages, written; after the fork both have 0…3, the parent has copies of 4…7 ]
///   Shared [ anonymous shared: 8 pages, written; a file of shared memory ]
///   Out    [ anonymous: 8 pages, in swap ]
///   Zeros  [ anonymous: 1 page, only read: the zero page ]
///   Huge   [ one page of 2 MiB ]
/// </code>
/// </remarks>
internal sealed class MemoryScene
{
    public const int Pages = 8;

    public static VirtAddr Base => new(0x1000_0000);
    public static VirtAddr Shared => new(0x2000_0000);
    public static VirtAddr Out => new(0x2800_0000);
    public static VirtAddr Zeros => new(0x3000_0000);
    public static VirtAddr Huge => new(0x4000_0000);

    private const int DiskPages = 64;

    private readonly MemorySystem _memory;
    private readonly MemoryDisk _disk = new();
    private readonly SwapFile _file;

    public MemoryScene(MemorySystem memory)
    {
        _memory = memory;
        _file = new SwapFile(_disk);
    }

    /// <summary>The first address space, and its child of a fork.</summary>
    public MmStruct Mm = null!;
    public MmStruct Child = null!;

    /// <summary>Builds it.</summary>
    /// <returns>False when something did not work; then <see cref="Leave"/> still cleans up.</returns>
    public bool Enter()
    {
        if (!_disk.Make(_memory.Physical.Arrays, DiskPages) || _memory.Swap!.Start(_file, -1) != Errno.None)
            return false;
        if (MmStruct.Allocate(_memory) is not { } mm)
            return false;
        Mm = mm;
        const MapFlags isPrivate = MapFlags.Private | MapFlags.Anonymous;
        if (!Map(Base, Pages * PageSize.Bytes, isPrivate) || !Map(Shared, Pages * PageSize.Bytes, MapFlags.Shared | MapFlags.Anonymous)
            || !Map(Out, Pages * PageSize.Bytes, isPrivate) || !Map(Huge, PageSize.LargeBytes, isPrivate)
            || !Map(Zeros, PageSize.Bytes, isPrivate) || !Touch(Zeros, FaultFlags.None))
        {
            return false;
        }

        if (Mm.Madvise(Huge, PageSize.LargeBytes, MemoryAdvice.HugePage) != Errno.None)
            return false;
        for (ulong i = 0; i < Pages; i++)
        {
            if (!Write(Base + (i << PageSize.Shift)) || !Write(Shared + (i << PageSize.Shift)) || !Write(Out + (i << PageSize.Shift)))
                return false;
        }

        if (!Write(Huge) || Mm.Madvise(Out, Pages * PageSize.Bytes, MemoryAdvice.PageOut) != Errno.None)
            return false;
        if (!Mm.DupMmap().TryGet(out Child, out _))
            return false;
        for (ulong i = Pages / 2; i < Pages; i++)
        {
            if (!Write(Base + (i << PageSize.Shift)))
                return false;
        }

        return true;
    }

    /// <summary>Ends it; nothing is left.</summary>
    public void Leave()
    {
        Child?.Put();
        Mm?.Put();
        Child = Mm = null!;
        if (_disk.IsMade)
            _memory.Swap!.Stop(_file);
        _disk.Forget(_memory.Physical.Arrays);
    }

    public VmArea AreaAt(VirtAddr address) => Mm.FindVma(address)!;

    /// <summary>The entry of a small page.</summary>
    public ref Pte EntryAt(VirtAddr address)
    {
        Panic.Unless(Mm.TryFindPte(address, out PageTable<Pte> table), "a page of the scene has no table"u8);
        return ref table[Pte.IndexOf(address)];
    }

    /// <summary>The entry of the second level: to a table, or of a page of 2 MiB.</summary>
    public ref Pmd UpperEntryAt(VirtAddr address)
    {
        Panic.Unless(Mm.TryFindPmd(address, out PmdPlace place), "a page of the scene has no table"u8);
        return ref place.Entry;
    }

    /// <summary>The frame of a page, a small or a huge one.</summary>
    public ref PageFrame FrameAt(VirtAddr address) => ref _memory.Frames[Mm.ReadPte(address).Pfn];

    private bool Map(VirtAddr at, ulong bytes, MapFlags flags)
    {
        var request = new MmapRequest
        {
            Address = at,
            Length = bytes,
            Protection = Protection.Read | Protection.Write,
            Flags = flags | MapFlags.Fixed,
        };
        Mm.MmapLock.WriteLock();
        Result<VirtAddr> result = Mm.DoMmap(request);
        Mm.MmapLock.WriteUnlock();
        return result.IsOk;
    }

    private bool Write(VirtAddr address) => Touch(address, FaultFlags.Write);

    private bool Touch(VirtAddr address, FaultFlags access)
    {
        Mm.MmapLock.ReadLock();
        PageFaultResult result = Mm.HandleMmFault(AreaAt(address), address, access | FaultFlags.User | FaultFlags.Remote);
        Mm.MmapLock.ReadUnlock();
        return result <= PageFaultResult.Installed;
    }

    /// <summary>A disk that is an array, with the header that <c>mkswap</c> writes.</summary>
    private sealed class MemoryDisk : BlockDevice
    {
        private byte[]? _bytes;

        public bool IsMade => _bytes is not null;

        public bool Make(KernelArrays arrays, int pages)
        {
            _bytes = arrays.Allocate<byte>(pages << PageSize.Shift);
            if (_bytes is null)
                return false;
            _bytes[1024] = 1;
            _bytes[1028] = (byte)(pages - 1);
            "SWAPSPACE2"u8.CopyTo(_bytes.AsSpan(4086, 10));
            return true;
        }

        public void Forget(KernelArrays arrays)
        {
            arrays.Free(_bytes);
            _bytes = null;
        }

        public override ReadOnlySpan<byte> Name => "selftest"u8;

        public override ulong SectorCount => (ulong)_bytes!.Length >> SectorShift;

        public override int MaximumSegments => 64;

        public override Errno Transfer(BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
        {
            int at = (int)(sector << SectorShift);
            foreach (ref readonly BlockSegment segment in memory)
            {
                Span<byte> page = DirectMap.Page(segment.Address.Pfn);
                Span<byte> disk = _bytes.AsSpan(at, (int)segment.Bytes);
                if (direction == BlockDirection.Read)
                    disk.CopyTo(page);
                else
                    page.CopyTo(disk);
                at += (int)segment.Bytes;
            }

            return Errno.None;
        }

        public override Errno Submit(BlockRequest request, BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
        {
            request.Completed(Transfer(direction, sector, memory));
            return Errno.None;
        }
    }

    /// <summary>The disk, opened, as <c>swapon</c> opens it.</summary>
    private sealed class SwapFile(MemoryDisk disk) : MappableFile
    {
        private readonly MemoryDisk _disk = disk;

        public override AddressSpace? Mapping => null;
        public override Access Allowed => Access.Read | Access.Write;
        public override ulong Device => 0;
        public override ulong InodeNumber => 0;
        public override BlockDevice Disk => _disk;
        public override bool IsDisk => true;
        public override ulong DiskPages => _disk.SectorCount >> (PageSize.Shift - BlockDevice.SectorShift);

        public override void Get()
        {
        }

        public override void Put()
        {
        }

        public override Errno Mmap(VmArea area) => Errno.ENODEV;

        public override void WritePath(ref Core.TextWriter to) => to.Text("/dev/selftest"u8);

        public override Errno BeginSwap() => Errno.None;

        public override void EndSwap()
        {
        }
    }
}
