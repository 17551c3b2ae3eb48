using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>All attached mounts, in the order in which they came: what /proc/mounts lists.</summary>
/// <remarks>Linux: <c>mnt_namespace</c>; there is one. Mounting and unmounting hold <see cref="Vfs.MountLock"/>.</remarks>
internal sealed class MountTree
{
    private Mount? last;
    private int lastNumber;

    public MountTree(ObjectCache<Mount> objects) => Objects = objects;

    public ObjectCache<Mount> Objects { get; }

    /// <summary>The first mount; follow <see cref="Mount.Next"/>.</summary>
    public Mount? First { get; private set; }

    /// <summary>The mount at the root of the tree.</summary>
    public Mount Root { get; internal set; } = null!;

    /// <summary>Changes with every change of the tree: /proc/mounts polls it.</summary>
    public uint Generation { get; private set; }

    internal int NextNumber() => ++lastNumber;

    /// <summary>Linux: <c>__lookup_mnt</c>. The mount on top of <paramref name="path"/>, or null. Takes no reference.</summary>
    public static Mount? MountedOn(Mount mount, Dentry dentry)
    {
        for (Mount? child = dentry.Mounts; child is not null; child = child.NextOnDentry)
        {
            if (ReferenceEquals(child.Parent, mount))
                return child;
        }
        return null;
    }

    /// <summary>Attaches a mount at a place and lists it.</summary>
    internal void Attach(Mount mount, in PathRef point)
    {
        mount.Attach(point);
        mount.Previous = last;
        mount.Next = null;
        if (last is null)
            First = mount;
        else
            last.Next = mount;
        last = mount;
        Generation++;
    }

    internal void Detach(Mount mount)
    {
        if (mount.Previous is null)
            First = mount.Next;
        else
            mount.Previous.Next = mount.Next;
        if (mount.Next is null)
            last = mount.Previous;
        else
            mount.Next.Previous = mount.Previous;
        mount.Next = mount.Previous = null;
        Generation++;
        mount.Detach();
    }
}
