namespace NanoVm.Core.Boot;

/// <summary>The files that the loader has put into memory beside the kernel: parts of the initramfs, in order.</summary>
internal readonly unsafe struct BootModules
{
    private readonly BootProtocol _protocol;
    private readonly byte* _first;
    private readonly byte* _end;

    internal BootModules(BootProtocol protocol, byte* first, byte* end)
    {
        _protocol = protocol;
        _first = first;
        _end = end;
    }

    /// <summary>Walks the files.</summary>
    public Enumerator GetEnumerator() => new(_protocol, _first, _end);

    /// <summary>The walk: over tags that are modules (multiboot2) or over a table (PVH).</summary>
    public struct Enumerator
    {
        private readonly BootProtocol _protocol;
        private readonly byte* _end;
        private byte* _next;

        internal Enumerator(BootProtocol protocol, byte* first, byte* end)
        {
            _protocol = protocol;
            _next = first;
            _end = end;
        }

        /// <summary>The file it stands on.</summary>
        public BootRange Current { get; private set; }

        /// <summary>Goes to the next file.</summary>
        public bool MoveNext() =>
            _protocol == BootProtocol.Multiboot2 ? MoveNextTag() : MoveNextEntry();

        private bool MoveNextTag()
        {
            while (Multiboot2.TryReadTag(ref _next, _end, out Multiboot2.Tag tag))
            {
                if (tag.Type != Multiboot2.ModuleTag)
                    continue;
                Current = new BootRange(tag.ReadUInt32(8), tag.ReadUInt32(12));
                return true;
            }
            return false;
        }

        private bool MoveNextEntry()
        {
            if (_next >= _end)
                return false;
            ulong start = *(ulong*)_next;
            Current = new BootRange(start, start + *(ulong*)(_next + 8));
            _next += Pvh.ModuleEntrySize;
            return true;
        }
    }
}
