using System;

namespace NanoVm.User.Fuzz;

/// <summary>What an operation does.</summary>
/// <remarks>
/// The letters are the operation's numbers. "page" is a place in the arena (see <see cref="Arena"/>), "odd" bends an address or a length
/// (see <see cref="Arena.Bend"/>). Names and order are the language of stream files: add at the end, never change.
/// </remarks>
internal enum Kind
{
    /// <summary>mmap: A page, B pages, C protection, D flags, E file, F offset in pages, G odd.</summary>
    Map,
    /// <summary>munmap: A page, B pages, G odd.</summary>
    Unmap,
    /// <summary>mprotect: A page, B pages, C protection, G odd.</summary>
    Protect,
    /// <summary>mremap: A page, B old pages, C new pages, D flags, E new page, G odd.</summary>
    Remap,
    /// <summary>brk: A bytes above the first end of the heap; negative: below it.</summary>
    Break,
    /// <summary>madvise: A page, B pages, C advice, G odd.</summary>
    Advise,
    /// <summary>mincore: A page, B pages, G odd.</summary>
    Resident,
    /// <summary>msync: A page, B pages, C flags, G odd.</summary>
    Sync,
    /// <summary>mlock2 (mlock when C is -1): A page, B pages, C flags, G odd.</summary>
    Lock,
    /// <summary>munlock: A page, B pages, G odd.</summary>
    Unlock,
    /// <summary>mlockall: A flags; munlockall when it is -1.</summary>
    LockAll,
    /// <summary>pkey_alloc: A rights.</summary>
    KeyAllocate,
    /// <summary>pkey_free: A key.</summary>
    KeyFree,
    /// <summary>pkey_mprotect: A page, B pages, C protection, D key, G odd.</summary>
    KeyProtect,
    /// <summary>wrpkru: A key, B rights.</summary>
    KeyRights,
    /// <summary>shmat: A page, -1 for anywhere; B segment, C flags, G odd.</summary>
    Attach,
    /// <summary>shmdt: A page.</summary>
    Detach,
    /// <summary>ftruncate: A file, B bytes.</summary>
    Truncate,
    /// <summary>fallocate: A file, B mode, C offset, D bytes.</summary>
    Reserve,
    /// <summary>pread into the arena: A page, B bytes, C file, D offset, E offset in the page.</summary>
    FileRead,
    /// <summary>pwrite from the arena: A page, B bytes, C file, D offset, E offset in the page.</summary>
    FileWrite,
    /// <summary>process_vm_readv: A page here, B page there, C bytes, D other actor, E offset in the pages.</summary>
    ProcessRead,
    /// <summary>process_vm_writev: as <see cref="ProcessRead"/>.</summary>
    ProcessWrite,
    /// <summary>remap_file_pages: A page, B pages, C page offset, D flags.</summary>
    RemapPages,
    /// <summary>Read of /proc/self/mem: A page, B bytes.</summary>
    MemoryRead,
    /// <summary>Write of /proc/self/mem, which forces: A page, B bytes, C value.</summary>
    MemoryWrite,
    /// <summary>A load: A page, B offset.</summary>
    Load,
    /// <summary>A store: A page, B offset, C value.</summary>
    Store,
    /// <summary>A jump to where a return instruction is: A page.</summary>
    Jump,
    /// <summary>A child touches a page without handlers: A page, B write.</summary>
    Die,
    /// <summary>fork; the child is an actor from now on.</summary>
    Fork,
    /// <summary>A child that borrows the address space (CLONE_VM, CLONE_VFORK) stores a byte: A page, B value.</summary>
    Borrow,
    /// <summary>A thread is made; it is an actor from now on.</summary>
    Thread,
    /// <summary>The actor ends; of a process that has threads, all do.</summary>
    Exit,
    /// <summary>fcntl F_ADD_SEALS: A file, B seals.</summary>
    Seal,
    /// <summary>The arena's lines of /proc/self/smaps (A is 1: of maps), its page map and a digest of what is present (A is 2: of all that can be read).</summary>
    Look,
    Count,
}

/// <summary>One operation of a stream.</summary>
internal struct Operation
{
    public const int Numbers = 7;

    public Kind Kind;
    /// <summary>Who does it: this one of the actors that live, counted round.</summary>
    public int Who;
    public int A, B, C, D, E, F, G;

    /// <summary>The name in stream files.</summary>
    public static ReadOnlySpan<byte> NameOf(Kind kind) => kind switch
    {
        Kind.Map => "mmap"u8,
        Kind.Unmap => "munmap"u8,
        Kind.Protect => "mprotect"u8,
        Kind.Remap => "mremap"u8,
        Kind.Break => "brk"u8,
        Kind.Advise => "madvise"u8,
        Kind.Resident => "mincore"u8,
        Kind.Sync => "msync"u8,
        Kind.Lock => "mlock"u8,
        Kind.Unlock => "munlock"u8,
        Kind.LockAll => "mlockall"u8,
        Kind.KeyAllocate => "pkey_alloc"u8,
        Kind.KeyFree => "pkey_free"u8,
        Kind.KeyProtect => "pkey_mprotect"u8,
        Kind.KeyRights => "wrpkru"u8,
        Kind.Attach => "shmat"u8,
        Kind.Detach => "shmdt"u8,
        Kind.Truncate => "ftruncate"u8,
        Kind.Reserve => "fallocate"u8,
        Kind.FileRead => "pread"u8,
        Kind.FileWrite => "pwrite"u8,
        Kind.ProcessRead => "process_vm_readv"u8,
        Kind.ProcessWrite => "process_vm_writev"u8,
        Kind.RemapPages => "remap_file_pages"u8,
        Kind.MemoryRead => "read_mem"u8,
        Kind.MemoryWrite => "write_mem"u8,
        Kind.Load => "load"u8,
        Kind.Store => "store"u8,
        Kind.Jump => "jump"u8,
        Kind.Die => "die"u8,
        Kind.Fork => "fork"u8,
        Kind.Borrow => "vfork"u8,
        Kind.Thread => "thread"u8,
        Kind.Exit => "exit"u8,
        Kind.Seal => "seal"u8,
        Kind.Look => "look"u8,
        _ => default,
    };

    /// <summary>How many of the numbers an operation has.</summary>
    public static int NumbersOf(Kind kind) => kind switch
    {
        Kind.Fork or Kind.Thread or Kind.Exit => 0,
        Kind.Break or Kind.LockAll or Kind.KeyAllocate or Kind.KeyFree or Kind.Detach or Kind.Jump or Kind.Look => 1,
        Kind.Truncate or Kind.MemoryRead or Kind.Load or Kind.Die or Kind.Borrow or Kind.Seal or Kind.KeyRights => 2,
        Kind.Store or Kind.MemoryWrite => 3,
        Kind.Reserve or Kind.RemapPages => 4,
        Kind.FileRead or Kind.FileWrite or Kind.ProcessRead or Kind.ProcessWrite => 5,
        _ => Numbers,
    };

    /// <summary>The number at a place, A being 0.</summary>
    public unsafe ref int this[int place]
    {
        get
        {
            fixed (int* first = &A)
                return ref first[place];
        }
    }

    /// <summary>Reads a line of a stream file: who, name, numbers. False when it is none.</summary>
    public static bool TryParse(ReadOnlySpan<byte> line, out Operation operation)
    {
        operation = default;
        if (!Number(ref line, out operation.Who))
            return false;
        ReadOnlySpan<byte> name = Word(ref line);
        operation.Kind = Kind.Count;
        for (Kind kind = 0; kind < Kind.Count; kind++)
        {
            if (NameOf(kind).SequenceEqual(name))
                operation.Kind = kind;
        }
        if (operation.Kind == Kind.Count)
            return false;
        for (int i = 0; i < NumbersOf(operation.Kind); i++)
        {
            if (!Number(ref line, out operation[i]))
                return false;
        }
        return true;
    }

    /// <summary>Takes the next word off a text.</summary>
    public static ReadOnlySpan<byte> Word(ref ReadOnlySpan<byte> text)
    {
        int start = 0;
        while (start < text.Length && text[start] == ' ')
            start++;
        int end = start;
        while (end < text.Length && text[end] != ' ')
            end++;
        ReadOnlySpan<byte> word = text.Slice(start, end - start);
        text = text.Slice(end);
        return word;
    }

    /// <summary>Takes the next word off a text as a number.</summary>
    public static bool Number(ref ReadOnlySpan<byte> text, out int value)
    {
        value = 0;
        ReadOnlySpan<byte> word = Word(ref text);
        bool negative = word.Length > 1 && word[0] == '-';
        if (negative)
            word = word.Slice(1);
        foreach (byte c in word)
        {
            if (c is < (byte)'0' or > (byte)'9')
                return false;
            value = value * 10 + (c - '0');
        }
        if (negative)
            value = -value;
        return word.Length > 0;
    }
}
