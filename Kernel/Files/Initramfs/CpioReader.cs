using System;

namespace NanoVm.Files.Initramfs;

/// <summary>One member of a cpio archive.</summary>
internal ref struct CpioEntry
{
    public ReadOnlySpan<byte> Name;
    public ReadOnlySpan<byte> Data;
    public uint Inode;
    public uint Mode;
    public uint Uid;
    public uint Gid;
    public uint Links;
    public uint ModifyTime;
    public uint DeviceMajor;
    public uint DeviceMinor;
    public uint RdevMajor;
    public uint RdevMinor;
}

/// <summary>How reading an archive goes on.</summary>
internal enum CpioStatus : byte
{
    Entry,

    /// <summary>The end of one archive; another may follow.</summary>
    Trailer,

    /// <summary>Nothing more.</summary>
    End,

    /// <summary>What follows is no archive.</summary>
    Damaged,
}

/// <summary>Reads cpio archives of the "new ASCII" format, several one after the other with zeros between them.</summary>
/// <remarks>
/// Linux: <c>init/initramfs.c</c>; Documentation/driver-api/early-userspace/buffer-format. The bytes may be hostile: every length is
/// checked against what is there before it is used.
/// <code>
///   "070701" 13 fields of 8 hex digits | name NUL | pad to 4 | data | pad to 4 | …
/// </code>
/// </remarks>
internal ref struct CpioReader
{
    private const int HeaderSize = 110;

    private readonly ReadOnlySpan<byte> archive;
    private int position;

    public CpioReader(ReadOnlySpan<byte> archive) => this.archive = archive;

    public CpioStatus Next(out CpioEntry entry)
    {
        entry = default;
        while (position < archive.Length && archive[position] == 0)
            position++;
        if (position == archive.Length)
            return CpioStatus.End;
        ReadOnlySpan<byte> rest = archive[position..];
        if (rest.Length < HeaderSize || !(rest.StartsWith("070701"u8) || rest.StartsWith("070702"u8)))
            return CpioStatus.Damaged;
        Span<uint> fields = stackalloc uint[13];
        for (int i = 0; i < fields.Length; i++)
        {
            if (!TryHex(rest.Slice(6 + i * 8, 8), out fields[i]))
                return CpioStatus.Damaged;
        }
        uint nameSize = fields[11];
        uint dataSize = fields[6];
        // Sums in 64 bits: no field can make them wrap.
        ulong nameEnd = Align((ulong)HeaderSize + nameSize);
        ulong end = nameEnd + dataSize;
        if (nameSize == 0 || nameSize > Vfs.PathMaximum || end > (ulong)rest.Length)
            return CpioStatus.Damaged;

        ReadOnlySpan<byte> name = rest.Slice(HeaderSize, (int)nameSize);
        int terminator = name.IndexOf((byte)0);
        entry.Name = terminator < 0 ? name : name[..terminator];
        entry.Data = rest.Slice((int)nameEnd, (int)dataSize);
        entry.Inode = fields[0];
        entry.Mode = fields[1];
        entry.Uid = fields[2];
        entry.Gid = fields[3];
        entry.Links = fields[4];
        entry.ModifyTime = fields[5];
        entry.DeviceMajor = fields[7];
        entry.DeviceMinor = fields[8];
        entry.RdevMajor = fields[9];
        entry.RdevMinor = fields[10];
        position += (int)Math.Min(Align(end), (ulong)rest.Length);
        return entry.Name.SequenceEqual("TRAILER!!!"u8) ? CpioStatus.Trailer : CpioStatus.Entry;
    }

    private static ulong Align(ulong value) => (value + 3) & ~3UL;

    private static bool TryHex(ReadOnlySpan<byte> digits, out uint value)
    {
        value = 0;
        foreach (byte b in digits)
        {
            uint digit = (uint)(b - '0');
            if (digit > 9)
            {
                digit = (uint)((b | 0x20) - 'a') + 10;
                if (digit is < 10 or > 15)
                    return false;
            }
            value = (value << 4) | digit;
        }
        return true;
    }
}
