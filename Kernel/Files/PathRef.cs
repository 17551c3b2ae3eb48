using System.Diagnostics.CodeAnalysis;

namespace NanoVm.Files;

/// <summary>A place in the tree that processes see: a dentry, and the mount through which it was reached.</summary>
/// <remarks>Linux: <c>struct path</c>. A <see cref="PathRef"/> that is stored holds a reference to both: <see cref="Get"/> and <see cref="Put"/>.</remarks>
internal readonly struct PathRef
{
    private readonly Mount? mount;
    private readonly Dentry? dentry;

    public PathRef(Mount mount, Dentry dentry)
    {
        this.mount = mount;
        this.dentry = dentry;
    }

    public Mount Mount => mount!;
    public Dentry Dentry => dentry!;

    /// <summary>True for the default value, which names no place.</summary>
    [MemberNotNullWhen(false, nameof(mount), nameof(dentry))]
    public bool IsNone => dentry is null;

    public bool IsSameAs(in PathRef other) => ReferenceEquals(mount, other.mount) && ReferenceEquals(dentry, other.dentry);

    /// <summary>Takes a reference to mount and dentry, and answers the same place.</summary>
    public PathRef Get()
    {
        mount!.Get();
        dentry!.Get();
        return this;
    }

    /// <summary>Gives the references back. A default value has none.</summary>
    public void Put()
    {
        if (IsNone)
            return;
        dentry.Put();
        mount.Put();
    }
}
