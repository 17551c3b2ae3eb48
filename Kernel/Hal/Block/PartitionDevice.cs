using System;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>A run of sectors of a disk.</summary>
internal sealed class PartitionDevice : BlockDevice
{
    private readonly byte[] _name;
    private readonly ulong _first;
    private readonly ulong _count;

    /// <param name="number">As in the name: from 1.</param>
    public PartitionDevice(BlockDevice whole, int number, ulong firstSector, ulong sectors)
    {
        Whole = whole;
        _first = firstSector;
        _count = sectors;
        Span<byte> name = stackalloc byte[32];
        var text = new TextWriter(name);
        text.Text(whole.Name);
        text.Decimal((ulong)number);
        _name = new byte[text.Length];
        text.Written.CopyTo(_name);
    }

    public BlockDevice Whole { get; }

    protected override BlockDevice? Container => Whole;

    public override ReadOnlySpan<byte> Name => _name;

    public override ulong SectorCount => _count;

    public override bool IsReadOnly => Whole.IsReadOnly;

    public override int MaximumSegments => Whole.MaximumSegments;

    public override Errno Transfer(BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
    {
        Errno error = Check(direction, sector, memory);
        if (error != Errno.None)
            return error;
        Count(direction, memory);
        return Whole.Transfer(direction, _first + sector, memory);
    }

    public override Errno Submit(BlockRequest request, BlockDirection direction, ulong sector, ReadOnlySpan<BlockSegment> memory)
    {
        Errno error = Check(direction, sector, memory);
        if (error != Errno.None)
            return error;
        Count(direction, memory);
        return Whole.Submit(request, direction, _first + sector, memory);
    }

    public override Errno Flush() => Whole.Flush();
}
