using System.Threading;
using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Numa;

/// <summary>How the nodes of a policy are used. Linux: <c>MPOL_*</c>; man 2 set_mempolicy.</summary>
internal enum PolicyMode
{
    /// <summary>No policy: that of the level above (an area's task, a task's machine).</summary>
    Default = 0,
    /// <summary>From this node if it has memory free, else from the next.</summary>
    Preferred = 1,
    /// <summary>From these nodes and no other.</summary>
    Bind = 2,
    /// <summary>From these nodes in turn.</summary>
    Interleave = 3,
    /// <summary>From the node of the processor that touches the page.</summary>
    Local = 4,
    /// <summary>From these nodes if they have memory free, else from others.</summary>
    PreferredMany = 5,
}

/// <summary>What comes with the mode, in the same argument. Linux: <c>MPOL_F_STATIC_NODES</c> and so on.</summary>
[System.Flags]
internal enum PolicyFlags
{
    None = 0,
    /// <summary>Pages may move to the nodes of the policy that use them.</summary>
    NumaBalancing = 1 << 13,
    /// <summary>The numbers count the nodes that the task may use, whichever those are.</summary>
    RelativeNodes = 1 << 14,
    /// <summary>The numbers are nodes of the machine, whatever the task may use.</summary>
    StaticNodes = 1 << 15,
    All = NumaBalancing | RelativeNodes | StaticNodes,
}

/// <summary>From which nodes memory is to come: a task's wish for all of its memory, or one for an area. Never changed once it is in use.</summary>
/// <remarks>
/// Linux: <c>mempolicy</c>; man 7 numa. On a machine with one node every policy ends in the same frames, and so the fault path never asks
/// one. What remains is the contract: policies are checked, kept, inherited, told apart (areas with different ones do not merge) and shown.
/// <code>
///   page of ...              looks for a policy in this order
///   private memory           VmArea.Policy ──► TaskMemory.MemoryPolicy ──► the machine's: local
///   shared memory, tmpfs     the file's SharedPolicy at that page ──► the task's ──► local
/// </code>
/// Object of <see cref="MemorySystem.Policies"/>, counted: areas, tasks and shared files may hold one together.
/// </remarks>
internal sealed class MemoryPolicy
{
    /// <summary>No node is to be tried first. Linux: <c>NUMA_NO_NODE</c>.</summary>
    public const int NoNode = -1;

    private MemorySystem _system = null!;
    private int _references;

    /// <summary>Never <see cref="PolicyMode.Default"/>: that is the absence of a policy.</summary>
    public PolicyMode Mode;
    public PolicyFlags Flags;

    /// <summary>Nodes with memory that it may use; empty for <see cref="PolicyMode.Local"/>.</summary>
    public NodeMask Nodes;

    /// <summary>What the program asked for, kept where flags are set: the answer of <c>get_mempolicy</c>. Linux: <c>w.user_nodemask</c>.</summary>
    public NodeMask UserNodes;

    /// <summary>Of <see cref="Nodes"/>, the one to try first: <c>set_mempolicy_home_node</c>.</summary>
    public int HomeNode;

    /// <summary>The nodes that <c>get_mempolicy</c> tells.</summary>
    public NodeMask ShownNodes => Flags != PolicyFlags.None ? UserNodes : Nodes;

    /// <summary>Takes the mode argument of the calls apart. Linux: <c>sanitize_mpol_flags</c>.</summary>
    /// <returns><see cref="Errno.EINVAL"/>.</returns>
    public static Errno Decode(int argument, out PolicyMode mode, out PolicyFlags flags)
    {
        const PolicyFlags bothKinds = PolicyFlags.StaticNodes | PolicyFlags.RelativeNodes;
        flags = (PolicyFlags)argument & PolicyFlags.All;
        mode = (PolicyMode)(argument & ~(int)PolicyFlags.All);
        if (mode is < PolicyMode.Default or > PolicyMode.PreferredMany || (flags & bothKinds) == bothKinds)
            return Errno.EINVAL;
        return (flags & PolicyFlags.NumaBalancing) != 0 && mode != PolicyMode.Bind ? Errno.EINVAL : Errno.None;
    }

    /// <summary>Makes a policy. Linux: <c>mpol_new</c>, <c>mpol_set_nodemask</c>.</summary>
    /// <param name="policy">With one reference; null for <see cref="PolicyMode.Default"/>.</param>
    /// <returns><see cref="Errno.EINVAL"/>: mode and nodes do not go together, or none of the nodes has memory; <see cref="Errno.ENOMEM"/>.</returns>
    public static Errno Create(MemorySystem system, PolicyMode mode, PolicyFlags flags, in NodeMask nodes, out MemoryPolicy? policy)
    {
        policy = null;
        bool isEmpty = nodes.IsEmpty;
        bool numbered = (flags & (PolicyFlags.StaticNodes | PolicyFlags.RelativeNodes)) != 0;
        switch (mode)
        {
            case PolicyMode.Default:
                return isEmpty ? Errno.None : Errno.EINVAL;
            case PolicyMode.Local when !isEmpty || numbered:
                return Errno.EINVAL;
            case PolicyMode.Preferred when isEmpty:
                if (numbered)
                    return Errno.EINVAL;
                mode = PolicyMode.Local;
                break;
            case PolicyMode.Local:
                break;
            default:
                if (isEmpty)
                    return Errno.EINVAL;
                break;
        }

        NodeMask usable = nodes.And(NodeMask.WithMemory);
        if ((flags & PolicyFlags.RelativeNodes) != 0)
            usable = NodeMask.WithMemory;       // counted round and round the nodes that there are, any number ends at the one
        if (mode != PolicyMode.Local && usable.IsEmpty)
            return Errno.EINVAL;

        if (system.Policies.Allocate() is not { } made)
            return Errno.ENOMEM;
        made._system = system;
        made._references = 1;
        made.Mode = mode;
        made.Flags = flags;
        made.HomeNode = NoNode;
        made.UserNodes = nodes;
        if (mode != PolicyMode.Local)
            made.Nodes = usable;
        policy = made;
        return Errno.None;
    }

    /// <summary>One like this with another home. Linux: <c>mpol_dup</c> in <c>set_mempolicy_home_node</c>.</summary>
    /// <returns>Null when there is no memory.</returns>
    public MemoryPolicy? WithHome(int node)
    {
        if (_system.Policies.Allocate() is not { } made)
            return null;
        made._system = _system;
        made._references = 1;
        made.Mode = Mode;
        made.Flags = Flags;
        made.Nodes = Nodes;
        made.UserNodes = UserNodes;
        made.HomeNode = node;
        return made;
    }

    /// <summary>Whether memory under the two is treated alike. Linux: <c>mpol_equal</c>.</summary>
    public static bool AreAlike(MemoryPolicy? left, MemoryPolicy? right)
    {
        if (ReferenceEquals(left, right))
            return true;
        if (left is null || right is null)
            return false;
        return left.Mode == right.Mode && left.Flags == right.Flags && left.HomeNode == right.HomeNode
            && (left.Flags == PolicyFlags.None || left.UserNodes.IsSame(right.UserNodes))
            && left.Nodes.IsSame(right.Nodes);
    }

    public MemoryPolicy Get()
    {
        Interlocked.Increment(ref _references);
        return this;
    }

    /// <summary>Gives a reference back; the last one frees the object. Linux: <c>mpol_put</c>.</summary>
    public void Put()
    {
        if (Interlocked.Decrement(ref _references) == 0)
            _system.Policies.Free(this);
    }

    /// <summary>Puts <paramref name="policy"/>, with a reference of its own, in the place of what was there.</summary>
    public static void Replace(ref MemoryPolicy? place, MemoryPolicy? policy)
    {
        MemoryPolicy? old = place;
        place = policy?.Get();
        old?.Put();
    }

    /// <summary>Writes "bind:0", "interleave=static:0", "default". Linux: <c>mpol_to_str</c>.</summary>
    public static void Write(ref Core.TextWriter w, MemoryPolicy? policy)
    {
        if (policy is null)
        {
            w.Text("default"u8);
            return;
        }

        w.Text(policy.Mode switch
        {
            PolicyMode.Preferred => "prefer"u8,
            PolicyMode.Bind => "bind"u8,
            PolicyMode.Interleave => "interleave"u8,
            PolicyMode.Local => "local"u8,
            _ => "prefer (many)"u8,
        });
        w.Text(policy.Flags switch
        {
            PolicyFlags.None => default,
            PolicyFlags.StaticNodes => "=static"u8,
            PolicyFlags.RelativeNodes => "=relative"u8,
            PolicyFlags.NumaBalancing => "=balancing"u8,
            PolicyFlags.NumaBalancing | PolicyFlags.StaticNodes => "=static|balancing"u8,
            _ => "=relative|balancing"u8,
        });
        if (policy.Mode == PolicyMode.Local)
            return;
        w.Byte((byte)':');
        policy.Nodes.WriteList(ref w);
    }
}
