using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Numa;
using NanoVm.Memory.Virtual;
using NanoVm.Tasks;

namespace NanoVm.Syscalls;

/// <summary>Memory by node: <c>set_mempolicy get_mempolicy mbind set_mempolicy_home_node migrate_pages move_pages</c>.</summary>
/// <remarks>Linux: the calls of <c>mm/mempolicy.c</c> and <c>move_pages</c>. Sets of nodes come as a bitmap and "one more than its bits".</remarks>
internal static unsafe class MemoryPolicySyscalls
{
    public static void Register(ref SyscallTableBuilder table)
    {
        table.Add(237, "mbind"u8, &Mbind);
        table.Add(238, "set_mempolicy"u8, &SetMempolicy);
        table.Add(239, "get_mempolicy"u8, &GetMempolicy);
        table.Add(256, "migrate_pages"u8, &MigratePages);
        table.Add(279, "move_pages"u8, &MovePages);
        table.Add(450, "set_mempolicy_home_node"u8, &SetMempolicyHomeNode);
    }

    /// <summary>man 2 set_mempolicy.</summary>
    private static SysResult SetMempolicy(ref SyscallArguments a)
    {
        Errno error = MemoryPolicy.Decode(a.Int0, out PolicyMode mode, out PolicyFlags flags);
        if (error != Errno.None)
            return error;
        error = GetNodes(a.Address1, a.Arg2, out NodeMask nodes);
        if (error != Errno.None)
            return error;
        error = MemoryPolicy.Create(a.Task.System.Memory, mode, flags, nodes, out MemoryPolicy? policy);
        if (error != Errno.None)
            return error;
        MemoryPolicy? old = a.Task.MemoryPolicy;
        a.Task.MemoryPolicy = policy;
        old?.Put();
        return SysResult.Success;
    }

    /// <summary>man 2 mbind.</summary>
    private static SysResult Mbind(ref SyscallArguments a)
    {
        Errno error = MemoryPolicy.Decode(a.Int2, out PolicyMode mode, out PolicyFlags modeFlags);
        if (error != Errno.None)
            return error;
        error = GetNodes(a.Address3, a.Arg4, out NodeMask nodes);
        if (error != Errno.None)
            return error;
        error = CheckMoveFlags(a.Task, (BindFlags)a.UInt5, BindFlags.All);
        return error != Errno.None ? error : a.Task.Mm!.Mbind(a.Address0, a.Arg1, mode, modeFlags, nodes, (BindFlags)a.UInt5);
    }

    /// <summary>Only the privileged move what others map, too.</summary>
    private static Errno CheckMoveFlags(Task task, BindFlags flags, BindFlags known)
    {
        if ((flags & ~known) != 0)
            return Errno.EINVAL;
        return (flags & BindFlags.MoveAll) != 0 && !task.Credentials.Has(Capability.SysNice) ? Errno.EPERM : Errno.None;
    }

    /// <summary>man 2 set_mempolicy_home_node.</summary>
    private static SysResult SetMempolicyHomeNode(ref SyscallArguments a)
    {
        if (!a.Address0.IsPageAligned || a.Arg3 != 0 || a.Arg2 >= NodeMask.PossibleNodes)
            return Errno.EINVAL;
        return a.Task.Mm!.SetHomeNode(a.Address0, a.Arg1, (int)a.Arg2);
    }

    [Flags]
    private enum Question : uint
    {
        /// <summary>A node's number instead of the mode.</summary>
        Node = 1,
        /// <summary>About the page at an address, not about the task.</summary>
        Address = 2,
        /// <summary>Which nodes the task may use at all.</summary>
        Allowed = 4,
        All = Node | Address | Allowed,
    }

    /// <summary>man 2 get_mempolicy.</summary>
    private static SysResult GetMempolicy(ref SyscallArguments a)
    {
        var flags = (Question)a.Arg4;
        if (!a.Address1.IsZero && a.Arg2 < NodeMask.PossibleNodes)
            return Errno.EINVAL;
        if ((a.Arg4 & ~(ulong)Question.All) != 0)
            return Errno.EINVAL;

        NodeMask nodes = default;
        Result<int> answer;
        if ((flags & Question.Allowed) != 0)
        {
            if (flags != Question.Allowed)
                return Errno.EINVAL;
            nodes = NodeMask.WithMemory;
            answer = 0;
        }
        else
        {
            answer = Ask(a.Task, flags, a.Address3, ref nodes);
        }

        if (!answer.TryGet(out int mode, out Errno error))
            return error;
        if (!a.Address0.IsZero && UserCopy.Put(a.Address0, mode) != Errno.None)
            return Errno.EFAULT;
        return a.Address1.IsZero ? SysResult.Success : PutNodes(a.Address1, a.Arg2, nodes);
    }

    private static Result<int> Ask(Task task, Question flags, VirtAddr address, ref NodeMask nodes)
    {
        MmStruct mm = task.Mm!;
        MemoryPolicy? policy;
        if ((flags & Question.Address) != 0)
        {
            mm.MmapLock.ReadLock();
            VmArea? area = mm.LookupVma(address);
            policy = area is null ? null : MmStruct.PolicyAt(area, address);
            mm.MmapLock.ReadUnlock();
            if (area is null)
                return Errno.EFAULT;
        }
        else
        {
            if (!address.IsZero)
                return Errno.EINVAL;
            policy = task.MemoryPolicy?.Get();
        }

        Result<int> answer = (int)(policy?.Mode ?? PolicyMode.Default) | (int)(policy?.Flags ?? PolicyFlags.None);
        if ((flags & (Question.Node | Question.Address)) == (Question.Node | Question.Address))
            answer = mm.NodeOfTouched(address);
        else if ((flags & Question.Node) != 0)
            answer = policy is { Mode: PolicyMode.Interleave } ? 0 : Errno.EINVAL;      // where the next page comes from
        if (policy is not null)
        {
            nodes = policy.ShownNodes;
            policy.Put();
        }

        return answer;
    }

    /// <summary>man 2 migrate_pages. A page that is to leave the only node has nowhere to go, and one that is to stay stays.</summary>
    private static SysResult MigratePages(ref SyscallArguments a)
    {
        Errno error = GetNodes(a.Address2, a.Arg1, out _);
        if (error != Errno.None)
            return error;
        error = GetNodes(a.Address3, a.Arg1, out NodeMask to);
        if (error != Errno.None)
            return error;

        Task task = a.Task;
        using (task.System.TaskLock.Acquire())
        {
            Task? target = a.Int0 == 0 ? task : task.System.Pids.FindTask(a.Int0);
            if (target is null)
                return Errno.ESRCH;
            if (!TaskAccess.MayInspect(task, target))
                return Errno.EPERM;
            if (!to.IsSubsetOf(NodeMask.WithMemory) && !task.Credentials.Has(Capability.SysNice))
                return Errno.EPERM;
            bool anyNode = !to.And(NodeMask.WithMemory).IsEmpty;
            return anyNode && target.Mm is not null ? SysResult.Success : Errno.EINVAL;
        }
    }

    /// <summary>man 2 move_pages.</summary>
    private static SysResult MovePages(ref SyscallArguments a)
    {
        Errno error = CheckMoveFlags(a.Task, (BindFlags)a.UInt5, BindFlags.Move | BindFlags.MoveAll);
        if (error != Errno.None)
            return error;
        if (!FindMm(a.Task, a.Int0).TryGet(out MmStruct mm, out error))
            return error;
        error = a.Address3.IsZero ? TellPlaces(mm, a.Arg1, a.Address2, a.Address4) : MovePages(mm, a.Arg1, a.Address2, a.Address3, a.Address4);
        mm.Put();
        return error;
    }

    /// <summary>The address space of a process that lets itself be inspected, with a user reference. Linux: <c>find_mm_struct</c>.</summary>
    private static Result<MmStruct> FindMm(Task task, int pid)
    {
        if (pid == 0)
            return task.Mm!.Get();
        using (task.System.TaskLock.Acquire())
        {
            Task? target = task.System.Pids.FindTask(pid);
            if (target is null)
                return Errno.ESRCH;
            if (!TaskAccess.MayInspect(task, target))
                return Errno.EPERM;
            return target.Mm is { } mm && mm.TryGet() ? mm : Errno.EINVAL;
        }
    }

    /// <summary>Where the pages are. Linux: <c>do_pages_stat</c>, which reads and answers sixteen at a time.</summary>
    private static Errno TellPlaces(MmStruct mm, ulong count, VirtAddr pages, VirtAddr status)
    {
        const int chunk = 16;
        Span<ulong> addresses = stackalloc ulong[chunk];
        Span<int> places = stackalloc int[chunk];
        while (count > 0)
        {
            int some = (int)Math.Min(count, chunk);
            if (UserCopy.CopyFromUser(AsBytes(addresses[..some]), pages) != Errno.None)
                return Errno.EFAULT;
            for (int i = 0; i < some; i++)
                places[i] = StatusOf(mm, new VirtAddr(addresses[i]));
            if (UserCopy.CopyToUser(status, AsBytes(places[..some])) != Errno.None)
                return Errno.EFAULT;
            pages += (ulong)some * sizeof(ulong);
            status += (ulong)some * sizeof(int);
            count -= (ulong)some;
            PerCpu.Scheduler.CondResched();
        }

        return Errno.None;
    }

    /// <summary>Moves pages to nodes: all that are there are on the one already, and each is told so. Linux: <c>do_pages_move</c>.</summary>
    private static Errno MovePages(MmStruct mm, ulong count, VirtAddr pages, VirtAddr nodes, VirtAddr status)
    {
        for (ulong i = 0; i < count; i++)
        {
            if (UserCopy.Get(pages + i * sizeof(ulong), out ulong address) != Errno.None || UserCopy.Get(nodes + i * sizeof(int), out int node) != Errno.None)
                return Errno.EFAULT;
            if (!NodeMask.HasMemory(node))
                return Errno.ENODEV;
            if (UserCopy.Put(status + i * sizeof(int), StatusOf(mm, new VirtAddr(address))) != Errno.None)
                return Errno.EFAULT;
            PerCpu.Scheduler.CondResched();
        }

        return Errno.None;
    }

    private static int StatusOf(MmStruct mm, VirtAddr address) => mm.NodeOf(address).TryGet(out int node, out Errno error) ? node : -(int)error;

    private static Span<byte> AsBytes<T>(Span<T> values)
        where T : unmanaged
        => System.Runtime.InteropServices.MemoryMarshal.AsBytes(values);

    /// <summary>Reads a set of nodes. Linux: <c>get_nodes</c>.</summary>
    /// <param name="bits">One more than the bits to look at; 0 and 1, and a null address, mean no nodes.</param>
    /// <returns><see cref="Errno.EINVAL"/>: more than a page of them, or one that no machine has; <see cref="Errno.EFAULT"/>.</returns>
    private static Errno GetNodes(VirtAddr address, ulong bits, out NodeMask nodes)
    {
        nodes = default;
        bits--;
        if (bits == 0 || address.IsZero)
            return Errno.None;
        if (bits > PageSize.Bytes * 8)
            return Errno.EINVAL;

        // Bits that no node can have must be clear: whole words, from the last one down.
        while (bits > NodeMask.Capacity)
        {
            ulong word = (bits - 1) / NodeMask.BitsPerWord;
            if (UserCopy.Get(address + word * sizeof(ulong), out ulong high) != Errno.None)
                return Errno.EFAULT;
            if (high != 0)
                return Errno.EINVAL;
            bits = word * NodeMask.BitsPerWord;
        }

        int words = (int)((bits + NodeMask.BitsPerWord - 1) / NodeMask.BitsPerWord);
        if (UserCopy.CopyFromUser(AsBytes(NodeMask.AsWords(ref nodes)[..words]), address) != Errno.None)
            return Errno.EFAULT;
        int beyond = words * NodeMask.BitsPerWord - (int)bits;
        nodes[words - 1] &= ulong.MaxValue >> beyond;
        return Errno.None;
    }

    /// <summary>Writes a set of nodes: those that the machine can have, and zeros as far as the caller's bits go. Linux: <c>copy_nodes_to_user</c>.</summary>
    private static Errno PutNodes(VirtAddr address, ulong bits, in NodeMask nodes)
    {
        const ulong known = (NodeMask.PossibleNodes + NodeMask.BitsPerWord - 1) / NodeMask.BitsPerWord * sizeof(ulong);
        ulong bytes = (bits - 1 + NodeMask.BitsPerWord - 1) / NodeMask.BitsPerWord * sizeof(ulong);
        if (bytes > known)
        {
            if (bytes > PageSize.Bytes)
                return Errno.EINVAL;
            if (UserCopy.ClearUser(address + known, bytes - known) != Errno.None)
                return Errno.EFAULT;
            bytes = known;
        }

        return bytes == 0 ? Errno.None : UserCopy.Put(address, nodes[0]);
    }
}
