using System;
using System.Runtime.InteropServices;

namespace NanoVm.User.Init;

/// <summary>The names in a folder, sorted by their bytes, in memory of the caller's. What does not fit is left out.</summary>
internal ref struct Names
{
    private const int EntryLengthAt = 16, EntryTypeAt = 18, EntryNameAt = 19;     // Linux: struct linux_dirent64, d_reclen, d_type and d_name
    private const int TypeFolder = 4;

    private readonly Span<byte> _space;
    private readonly int _width;

    /// <param name="width">Bytes for each name, one of them for its length.</param>
    public Names(Span<byte> space, int width)
    {
        _space = space;
        _width = width;
        Count = 0;
    }

    public int Count { get; private set; }

    public readonly ReadOnlySpan<byte> this[int index] => _space.Slice(index * _width + 1, _space[index * _width]);

    /// <summary>Forgets what there was and takes the files of the folder, hidden names left out.</summary>
    public void ReadFolder(ReadOnlySpan<byte> path)
    {
        Count = 0;
        int folder = Sys.Open(path, 0);
        if (folder < 0)
            return;
        Span<byte> entries = stackalloc byte[4096];
        while (Sys.ReadFolder(folder, entries) is > 0 and int length)
        {
            for (int at = 0; at < length; at += MemoryMarshal.Read<ushort>(entries.Slice(at + EntryLengthAt)))
            {
                ReadOnlySpan<byte> name = entries.Slice(at + EntryNameAt);
                name = name.Slice(0, name.IndexOf((byte)0));
                bool isFolder = entries[at + EntryTypeAt] == TypeFolder;
                if (!isFolder && name[0] != (byte)'.' && name.Length < _width && (Count + 1) * _width <= _space.Length)
                    Insert(name);
            }
        }
        Sys.Close(folder);
    }

    private void Insert(scoped ReadOnlySpan<byte> name)
    {
        int at = Count;
        while (at > 0 && this[at - 1].SequenceCompareTo(name) > 0)
            at--;
        _space.Slice(at * _width, (Count - at) * _width).CopyTo(_space.Slice((at + 1) * _width));
        _space[at * _width] = (byte)name.Length;
        name.CopyTo(_space.Slice(at * _width + 1));
        Count++;
    }
}
