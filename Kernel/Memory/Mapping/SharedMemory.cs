using NanoVm.Core;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

/// <summary>The nameless file behind memory that processes share without one: <c>MAP_SHARED | MAP_ANONYMOUS</c>, System V segments.</summary>
/// <remarks>Linux: <c>shmem_zero_setup</c>, <c>shmem_kernel_file_setup</c>. A file and its page cache, nothing more: no inode, no directory.</remarks>
internal sealed class SharedMemoryFile : MappableFile
{
    private SharedMemory _owner = null!;
    private SharedMemorySpace _space = null!;
    private int _references;
    private ulong _number;

    internal void Initialize(SharedMemory owner, SharedMemorySpace space, ulong number)
    {
        _owner = owner;
        _space = space;
        _number = number;
        _references = 1;
    }

    public override AddressSpace? Mapping => _space;

    internal SharedMemorySpace Space => _space;

    public override Core.Access Allowed => Core.Access.Read | Core.Access.Write | Core.Access.Execute;

    /// <summary>Linux shows the number of its internal tmpfs here.</summary>
    public override ulong Device => 1;

    public override ulong InodeNumber => _number;

    public override void Get() => System.Threading.Interlocked.Increment(ref _references);

    public override void Put()
    {
        if (System.Threading.Interlocked.Decrement(ref _references) == 0)
            _owner.Free(this);
    }

    public override Errno Mmap(VmArea area)
    {
        area.Operations = _owner.Operations;
        return Errno.None;
    }

    public override Errno RemoveRange(ulong startByte, ulong endByte)
    {
        _space.PunchHole(startByte, endByte);
        return Errno.None;
    }

    public override void WillNeed(ulong firstPage, ulong pages) => _space.SwapInRange(firstPage, firstPage + pages - 1);

    public override void WritePath(ref Core.TextWriter to) => to.Text("/dev/zero (deleted)"u8);
}

/// <summary>The pages of a <see cref="SharedMemoryFile"/>: zero until written, with no home but memory.</summary>
internal sealed class SharedMemorySpace : AddressSpace
{
    private ulong _bytes;
    private ulong _committed;

    internal void Initialize(PageCache cache, ulong bytes, ulong committed)
    {
        Initialize(cache);
        _bytes = bytes;
        _committed = committed;
    }

    /// <summary>All that the file may have counts in <c>Committed_AS</c> for as long as it lives.</summary>
    internal override ulong CommittedPages => _committed;

    public override ulong SizeBytes => _bytes;

    public override bool IsShmem => true;

    public override Errno ReadPage(Pfn page, ulong index) => Errno.None;
}

/// <summary>Makes them.</summary>
internal sealed class SharedMemory : SharedMemorySource
{
    private readonly PageCache _cache;
    private readonly MemorySystem _system;
    private readonly ObjectCache<SharedMemoryFile> _files;
    private readonly ObjectCache<SharedMemorySpace> _spaces;
    private ulong _lastNumber;

    /// <summary>For the areas that map such a file.</summary>
    internal readonly FileMapOperations Operations;

    public SharedMemory(MemorySystem system, PageCache cache, FileMapOperations operations)
    {
        _system = system;
        _cache = cache;
        Operations = operations;
        _files = new ObjectCache<SharedMemoryFile>(cache.Memory, "shmem_file"u8);
        _spaces = new ObjectCache<SharedMemorySpace>(cache.Memory, "shmem_inode_cache"u8);
    }

    public override Result<MappableFile> Create(ulong bytes, bool noReserve)
    {
        ulong pages = PageCount.FromBytesRoundedUp(bytes).Value;
        SharedMemoryFile? file = _files.Allocate();
        SharedMemorySpace? space = file is null ? null : _spaces.Allocate();
        // From the promise on nothing sleeps: who adds up all promises finds this one with its file.
        Errno error = space is null ? Errno.ENOMEM : noReserve ? Errno.None : _system.CommitShared(pages);
        if (error != Errno.None)
        {
            if (space is not null)
                _spaces.Free(space);
            if (file is not null)
                _files.Free(file);
            return error;
        }

        space!.Initialize(_cache, pages << PageSize.Shift, noReserve ? 0 : pages);
        file!.Initialize(this, space, System.Threading.Interlocked.Increment(ref _lastNumber));
        return Result<MappableFile>.Ok(file);
    }

    internal void Free(SharedMemoryFile file)
    {
        SharedMemorySpace space = file.Space;
        space.Evict();
        _system.Uncommit(space.CommittedPages);
        _spaces.Free(space);
        _files.Free(file);
    }
}
