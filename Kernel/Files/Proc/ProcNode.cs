using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc;

/// <summary>A kind of file, directory or link in <c>/proc</c>: built at boot, shared by all that are alike.</summary>
/// <remarks>Linux: <c>proc_dir_entry</c> and <c>pid_entry</c>.</remarks>
internal abstract class ProcNode
{
    private readonly byte[] _name;

    /// <summary>Makes a node.</summary>
    /// <param name="name">Its name; empty when the directory makes names up (numbers).</param>
    /// <param name="mode">Kind and rights.</param>
    protected ProcNode(ReadOnlySpan<byte> name, uint mode)
    {
        _name = BootBytes.Copy(name);
        Mode = mode;
    }

    /// <summary>The name in its directory.</summary>
    public ReadOnlySpan<byte> Name => _name;

    /// <summary>Kind and rights.</summary>
    public uint Mode { get; }

    /// <summary>A small number, unique among nodes; given when the node is added.</summary>
    internal uint Index;

    internal ProcNode? NextInDirectory;

    /// <summary>Its rights hold for root, too: what is under <c>/proc/sys</c>. Linux: <c>sysctl_perm</c>.</summary>
    public bool BindsRoot { get; set; }

    /// <summary>The inode number that this node has for a subject.</summary>
    internal ulong NumberFor(in ProcSubject subject)
        => subject.Pid == 0
            ? 0xF000_0000 + Index
            : ((ulong)(uint)subject.Pid << 20 | (subject.IsThread ? 0x8_0000u : 0) | Index) + ((ulong)(uint)subject.Descriptor << 44) + (subject.Start << 8);

    /// <summary>The size that <c>stat</c> tells. Linux gives some links one that no path has.</summary>
    public virtual ulong ShownSize => 0;

    /// <summary>Does the subject still exist? Linux: <c>pid_revalidate</c>.</summary>
    public virtual bool IsValid(in ProcSubject subject) => true;

    /// <summary>Owner and rights for a subject; by default root and <see cref="Mode"/>.</summary>
    public virtual void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
    {
    }
}
