using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Where a task stands in the tree: root, working directory, creation mask. Shared by <c>CLONE_FS</c>.</summary>
/// <remarks>Linux: <c>fs_struct</c>. Changed and read in code that does not sleep between.</remarks>
internal sealed class FsContext
{
    private int references;
    private PathRef root;
    private PathRef working;

    public Vfs Vfs { get; private set; } = null!;

    /// <summary>Permission bits that creating calls leave out.</summary>
    public uint Umask { get; set; }

    /// <summary>The root directory; a holder across a sleep takes references.</summary>
    public PathRef Root => root;

    /// <summary>The working directory.</summary>
    public PathRef Working => working;

    /// <summary>A context that stands at the root of everything; the first task's.</summary>
    public static FsContext? Allocate(Vfs vfs)
    {
        FsContext? context = vfs.FsContexts.Allocate();
        if (context is null)
            return null;
        context.Vfs = vfs;
        context.references = 1;
        context.Umask = 0x12;                                // 022
        var start = new PathRef(vfs.Mounts.Root, vfs.Mounts.Root.Root);
        context.root = start.Get();
        context.working = start.Get();
        return context;
    }

    /// <summary>Linux: <c>copy_fs_struct</c>.</summary>
    public FsContext? Clone()
    {
        FsContext? copy = Vfs.FsContexts.Allocate();
        if (copy is null)
            return null;
        copy.Vfs = Vfs;
        copy.references = 1;
        copy.Umask = Umask;
        copy.root = root.Get();
        copy.working = working.Get();
        return copy;
    }

    public FsContext Get()
    {
        references++;
        return this;
    }

    public void Put()
    {
        if (--references > 0)
            return;
        PathRef oldRoot = root;
        PathRef oldWorking = working;
        root = default;
        working = default;
        oldRoot.Put();
        oldWorking.Put();
        Vfs.FsContexts.Free(this);
    }

    /// <summary>Sets the working directory; takes over the caller's references.</summary>
    internal void SetWorking(in PathRef path)
    {
        PathRef old = working;
        working = path;
        old.Put();
    }

    /// <summary>Sets the root directory; takes over the caller's references.</summary>
    internal void SetRoot(in PathRef path)
    {
        PathRef old = root;
        root = path;
        old.Put();
    }
}
