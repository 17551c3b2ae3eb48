using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;
using static NanoVm.User.Suites.Policy.Calls;

namespace NanoVm.User.Suites.Policy;

/// <summary>Memory policies and nodes: the calls, what they refuse, how areas are cut and joined by them, who inherits them, and what files show.</summary>
/// <remarks>Of a machine with one node. The pictures are explained at <see cref="Pages.Look"/>.</remarks>
internal static unsafe class Program
{
    private const int NotSupported = -95, NoProgram = -38;

    public static int Main() => Run(
        new("A task begins without a policy", &Begins),
        new("get_mempolicy answers what set_mempolicy set", &SetAndGet),
        new("PREFERRED without nodes is LOCAL", &PreferredNowhere),
        new("set_mempolicy refuses modes, flags and nodes that do not go together", &SetRefuses),
        new("set_mempolicy refuses nodes without memory", &NodesWithout),
        new("Nodes beyond those there are: kept when static, counted round when relative", &StaticAndRelative),
        new("A set of nodes ends one bit before it says", &LastBit),
        new("Sets of nodes: too long, in no memory, with bits no node can have", &NodeSets),
        new("get_mempolicy refuses unknown flags and addresses without need", &GetRefuses),
        new("get_mempolicy clears as many bits as it was given", &GetClears),
        new("get_mempolicy tells which nodes are allowed", &AllowedNodes),
        new("get_mempolicy tells the node of a page, and brings it in", &NodeOfPage),
        new("get_mempolicy tells the next node only of an interleaving task", &NextNode),
        new("fork hands the policy on, and then each has its own", &AfterFork),
        new("A thread's policy is its own", &OfThread),
        new("mbind cuts an area, the same policy joins it", &Cuts),
        new("mbind joins by what a policy says, not by which call made it", &JoinsAlike),
        new("Policies differ by flags and by static nodes", &DifferByFlags),
        new("mbind DEFAULT makes one area again", &DefaultJoins),
        new("mprotect and madvise keep the policy and join by it", &OtherCalls),
        new("mremap takes the policy along", &Moved),
        new("An area grows in place with its policy", &Grown),
        new("munmap forgets a policy", &Unmapped),
        new("fork copies the policies of areas", &AreasAfterFork),
        new("mbind refuses what is not aligned, known or allowed", &BindRefuses),
        new("mbind of nothing is checked and does nothing", &BindNothing),
        new("mbind of a range with holes is EFAULT, and nothing has changed", &Holes),
        new("mbind DEFAULT passes over holes, but not if nothing is there", &DefaultHoles),
        new("mbind STRICT with no nodes named refuses pages that are there", &StrictLocal),
        new("mbind MOVE needs no right, MOVE_ALL does", &MoveRights),
        new("The policy of shared memory is the memory's: every mapping of it has it", &SharedPolicy),
        new("A part of shared memory gets another policy", &SharedParts),
        new("Shared memory's policy outlives the mapping", &SharedOutlives),
        new("The policy of a memory file reaches who maps it later", &MemoryFile),
        new("A file's pages have the task's policy, an area of them may have its own", &FileArea),
        new("set_mempolicy_home_node wants a policy that can have one", &HomeNode),
        new("set_mempolicy_home_node refuses what it does not know", &HomeRefuses),
        new("A home node keeps areas apart", &HomeApart),
        new("move_pages tells where pages are", &WherePages),
        new("move_pages tells of files, shared memory and pages without rights", &WhereOthers),
        new("move_pages to the node where they are", &MoveThere),
        new("move_pages refuses nodes, flags and pointers", &MoveRefuses),
        new("move_pages of another process", &MoveOther),
        new("migrate_pages checks and has nothing to do", &Migrate),
        new("Other people's processes are not asked nor moved", &OtherPeople),
        new("getcpu tells the node", &GetCpu),
        new("numa_maps shows policies", &MapsPolicies),
        new("numa_maps shows pages", &MapsPages),
        new("status and /sys tell the nodes", &Nodes));

    private static void Begins()
    {
        Equal(Answer(Default), OfTask());
        nint a = Alone(1);
        Equal(Answer(Default), PolicyAt(a));
        Drop(a, 1);
    }

    private static void SetAndGet()
    {
        ReadOnlySpan<int> modes = [Preferred, Bind, Interleave, PreferredMany, Bind | Static, Interleave | Relative, Bind | Balancing, Bind | Balancing | Static];
        foreach (int mode in modes)
        {
            Equal(0, SetMempolicy(mode, 1));
            Equal(Answer(mode, 1), OfTask());
        }
        Equal(0, SetMempolicy(Local));
        Equal(Answer(Local), OfTask());
        Equal(0, SetMempolicy(Default));
        Equal(Answer(Default), OfTask());
    }

    private static void PreferredNowhere()
    {
        Equal(0, SetMempolicy(Preferred));
        Equal(Answer(Local), OfTask());
        Equal(Errno.Invalid, SetMempolicy(Preferred | Static));
        Equal(Errno.Invalid, SetMempolicy(Preferred | Relative));
        Equal(Answer(Local), OfTask());
        SetMempolicy(Default);
    }

    private static void SetRefuses()
    {
        Equal(Errno.Invalid, SetMempolicy(-1, 1));
        Equal(Errno.Invalid, SetMempolicy(7, 1));
        Equal(Errno.Invalid, SetMempolicy(1 << 12 | Bind, 1));
        Equal(Errno.Invalid, SetMempolicy(Bind | Static | Relative, 1));
        Equal(Errno.Invalid, SetMempolicy(Default, 1));
        Equal(Errno.Invalid, SetMempolicy(Local, 1));
        Equal(Errno.Invalid, SetMempolicy(Local | Static));
        Equal(Errno.Invalid, SetMempolicy(Bind));
        Equal(Errno.Invalid, SetMempolicy(Interleave));
        Equal(Errno.Invalid, SetMempolicy(PreferredMany));
        Equal(Errno.Invalid, SetMempolicy(Preferred | Balancing, 1));
        Equal(0, SetMempolicy(Default | Static));
        Equal(Answer(Default), OfTask());
    }

    private static void NodesWithout()
    {
        Equal(0, SetMempolicy(Bind, 1));
        Equal(Errno.Invalid, SetMempolicy(Bind, 2));
        Equal(Errno.Invalid, SetMempolicy(Preferred, 6));
        Equal(Errno.Invalid, SetMempolicy(Bind | Static, 2));
        Equal(Answer(Bind, 1), OfTask());
        Equal(0, SetMempolicy(Interleave, 7));
        Equal(Answer(Interleave, 1), OfTask());
        Equal(0, SetMempolicy(Preferred, 3));
        Equal(Answer(Preferred, 1), OfTask());
        SetMempolicy(Default);
    }

    private static void StaticAndRelative()
    {
        Equal(0, SetMempolicy(Bind | Static, 5));
        Equal(Answer(Bind | Static, 5), OfTask());
        Equal(0, SetMempolicy(Interleave | Relative, 6));
        Equal(Answer(Interleave | Relative, 6), OfTask());
        Equal(0, SetMempolicy(Preferred | Relative, 8));
        Equal(Answer(Preferred | Relative, 8), OfTask());
        SetMempolicy(Default);
    }

    private static void LastBit()
    {
        ulong nodes = 3;
        Equal(0, SetMempolicy(Bind | Static, &nodes, 2));
        Equal(Answer(Bind | Static, 1), OfTask());
        Equal(0, SetMempolicy(Bind | Static, &nodes, 3));
        Equal(Answer(Bind | Static, 3), OfTask());
        Equal(Errno.Invalid, SetMempolicy(Bind, &nodes, 1));        // no bits at all
        Equal(0, SetMempolicy(Default, &nodes, 1));
        Equal(Errno.Invalid, SetMempolicy(Default, &nodes, 2));
    }

    private static void NodeSets()
    {
        nint a = Alone(2);
        ulong* set = (ulong*)a;
        set[0] = 1;
        Equal(0, SetMempolicy(Bind, set, 1025));
        Equal(0, SetMempolicy(Bind, set, 32769));
        Equal(Errno.Invalid, SetMempolicy(Bind, set, 32770));
        Equal(Errno.Invalid, SetMempolicy(Bind, set, 0));
        set[16] = 1;
        Equal(Errno.Invalid, SetMempolicy(Bind, set, 1026));
        Equal(0, SetMempolicy(Bind, set, 1025));
        set[16] = 1UL << 63;
        Equal(Errno.Invalid, SetMempolicy(Bind, set, 1026));       // words are looked at whole
        set[16] = 0;
        set[100] = 1UL << 63;
        Equal(Errno.Invalid, SetMempolicy(Bind, set, 32769));
        Equal(Errno.Invalid, SetMempolicy(Bind, set, 100 * 64 + 2));
        Equal(0, SetMempolicy(Bind, set, 100 * 64 + 1));
        Equal(Errno.BadAddress, SetMempolicy(Bind, (ulong*)(a + 2 * Page), 65));
        Equal(Errno.BadAddress, SetMempolicy(Bind, (ulong*)(a + 2 * Page - 8), 129));
        set = (ulong*)(a + 2 * Page - 8);
        *set = 1;
        Equal(0, SetMempolicy(Bind, set, 65));
        Equal(Errno.BadAddress, SetMempolicy(Bind, (ulong*)8, 65));
        Equal(Errno.Invalid, SetMempolicy(Bind, null, 65));
        Equal(Answer(Bind, 1), OfTask());
        SetMempolicy(Default);
        Drop(a, 2);
    }

    private static void GetRefuses()
    {
        int mode = -1;
        ulong nodes = 0;
        nint a = Alone(1);
        Equal(Errno.Invalid, GetMempolicy(&mode, &nodes, 65, 0, 8));
        Equal(Errno.Invalid, GetMempolicy(&mode, &nodes, 65, a, 0));
        Equal(Errno.Invalid, GetMempolicy(&mode, &nodes, 65, 0, Allowed | OfNode));
        Equal(Errno.Invalid, GetMempolicy(&mode, &nodes, 65, a, Allowed | OfAddress));
        Equal(Errno.Invalid, GetMempolicy(&mode, &nodes, 0, 0, 0));
        Equal(0, GetMempolicy(&mode, &nodes, 1, 0, 0));
        Equal(0, GetMempolicy(null, null, 0, 0, 0));
        Equal(Errno.BadAddress, GetMempolicy((int*)8, null, 0, 0, 0));
        Equal(Errno.BadAddress, GetMempolicy(&mode, (ulong*)8, 65, 0, 0));
        Equal(Errno.BadAddress, GetMempolicy(&mode, null, 0, 4096, OfAddress));
        Equal(Errno.BadAddress, GetMempolicy(&mode, null, 0, a + Page, OfAddress));
        Equal(0, GetMempolicy(&mode, null, 0, a + 17, OfAddress));
        Drop(a, 1);
    }

    private static void GetClears()
    {
        ulong* nodes = stackalloc ulong[4];
        nodes[0] = nodes[1] = nodes[2] = nodes[3] = ulong.MaxValue;
        Equal(0, GetMempolicy(null, nodes, 1, 0, Allowed));
        Equal(-1, (long)nodes[0]);
        Equal(0, GetMempolicy(null, nodes, 2, 0, Allowed));
        Equal(1, (long)nodes[0]);
        Equal(-1, (long)nodes[1]);
        Equal(0, GetMempolicy(null, nodes, 130, 0, Allowed));
        Equal(0, (long)nodes[1]);
        Equal(0, (long)nodes[2]);
        Equal(-1, (long)nodes[3]);
        Equal(Errno.Invalid, GetMempolicy(null, nodes, 32770, 0, Allowed));
        nint a = Alone(1);
        Equal(Errno.BadAddress, GetMempolicy(null, (ulong*)(a + Page - 8), 130, 0, Allowed));
        Drop(a, 1);
    }

    private static void AllowedNodes()
    {
        int mode = 9;
        ulong nodes = 9;
        Equal(0, SetMempolicy(Interleave, 1));
        Equal(0, GetMempolicy(&mode, &nodes, 65, 0, Allowed));
        Equal(0, mode);
        Equal(1, (long)nodes);
        Equal(0, GetMempolicy(&mode, &nodes, 65, 4096, Allowed));
        SetMempolicy(Default);
    }

    private static void NodeOfPage()
    {
        nint a = Alone(3);
        Touch(a, 1);
        int node = -1;
        Equal(0, GetMempolicy(&node, null, 0, a, OfNode | OfAddress));
        Equal(0, node);
        node = -1;
        Equal(0, GetMempolicy(&node, null, 0, a + Page + 5, OfNode | OfAddress));
        Equal(0, node);
        Equal(2, Resident(a, 3));
        Equal(0, Mprotect(a + 2 * Page, Page, Protection.None));
        Equal(Errno.BadAddress, GetMempolicy(&node, null, 0, a + 2 * Page, OfNode | OfAddress));
        Equal(Errno.BadAddress, GetMempolicy(&node, null, 0, a + 3 * Page, OfNode | OfAddress));
        Drop(a, 3);
    }

    private static void NextNode()
    {
        int node = -1;
        Equal(Errno.Invalid, GetMempolicy(&node, null, 0, 0, OfNode));
        SetMempolicy(Bind, 1);
        Equal(Errno.Invalid, GetMempolicy(&node, null, 0, 0, OfNode));
        SetMempolicy(Interleave, 1);
        Equal(0, GetMempolicy(&node, null, 0, 0, OfNode));
        Equal(0, node);
        SetMempolicy(Default);
    }

    private static void AfterFork()
    {
        SetMempolicy(Interleave, 1);
        Equal(0, Child.Run(&InChild));
        Equal(Answer(Interleave, 1), OfTask());
        SetMempolicy(Default);
    }

    private static int InChild()
    {
        bool inherited = OfTask() == Answer(Interleave, 1);
        return inherited && SetMempolicy(Bind, 1) == 0 && OfTask() == Answer(Bind, 1) ? 0 : 1;
    }

    private static void OfThread()
    {
        // vfork's kind of child stands for a thread: what it sets while this task waits must not be seen here.
        const int parentWaits = 0x4000, tellParent = 17;
        SetMempolicy(Bind, 1);
        int pid = (int)Syscall.Call(56, parentWaits | tellParent);
        if (pid == 0)
        {
            SetMempolicy(Local);
            Exit(OfTask() == Answer(Local) ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Equal(Answer(Bind, 1), OfTask());
        SetMempolicy(Default);
    }

    // ---- areas ---------------------------------------------------------------------------------------------------------------------------

    private static void Cuts()
    {
        nint a = Alone(4);
        Equal(0, Mbind(a + Page, Page, Bind, 1));
        Look(a, "w|w|ww"u8);
        Equal(Answer(Default), PolicyAt(a));
        Equal(Answer(Bind, 1), PolicyAt(a + Page));
        Equal(Answer(Bind, 1), PolicyAt(a + 2 * Page - 1));
        Equal(Answer(Default), PolicyAt(a + 2 * Page));
        Equal(0, Mbind(a + 2 * Page, Page, Bind, 1));
        Look(a, "w|ww|w"u8);
        Equal(0, Mbind(a, Page, Bind, 1));
        Look(a, "www|w"u8);
        Equal(0, Mbind(a, 4 * Page, Bind, 1));
        Look(a, "wwww"u8);
        Drop(a, 4);
    }

    private static void JoinsAlike()
    {
        nint a = Alone(4);
        Touch(a, 4);
        Equal(0, Mbind(a, 2 * Page, Interleave, 1));
        Equal(0, Mbind(a + 2 * Page, 2 * Page, Preferred, 1));
        Look(a, "ww|ww"u8);
        Equal(0, Mbind(a + Page, 2 * Page, Bind, 1));
        Look(a, "w|ww|w"u8);
        Equal(0, Mbind(a + 2 * Page, 2 * Page, Interleave, 3));      // node 1 has no memory: the same policy
        Look(a, "w|w|ww"u8);
        Equal(0, Mbind(a + Page, Page, Interleave, 1));
        Look(a, "wwww"u8);
        Drop(a, 4);
    }

    private static void DifferByFlags()
    {
        nint a = Alone(5);
        Equal(0, Mbind(a, Page, Bind, 1));
        Equal(0, Mbind(a + Page, Page, Bind | Static, 1));
        Equal(0, Mbind(a + 2 * Page, Page, Bind | Static, 3));
        Equal(0, Mbind(a + 3 * Page, Page, Bind | Static, 3));
        Equal(0, Mbind(a + 4 * Page, Page, Bind | Relative, 3));
        Look(a, "w|w|ww|w"u8);
        Equal(Answer(Bind | Static, 3), PolicyAt(a + 3 * Page));
        Drop(a, 5);
    }

    private static void DefaultJoins()
    {
        nint a = Alone(4);
        Touch(a, 2);
        Equal(0, Mbind(a + Page, Page, Local));
        Equal(0, Mbind(a + 2 * Page, Page, Bind, 1));
        Look(a, "w|w|w|w"u8);
        Equal(Answer(Local), PolicyAt(a + Page));
        Equal(0, Mbind(a, 4 * Page, Default));
        Look(a, "wwww"u8);
        Equal(Answer(Default), PolicyAt(a + Page));
        Drop(a, 4);
    }

    private static void OtherCalls()
    {
        nint a = Alone(4);
        Equal(0, Mbind(a, 2 * Page, Bind, 1));
        Equal(0, Mprotect(a, 4 * Page, Protection.Read));
        Look(a, "rr|rr"u8);
        Equal(0, Mprotect(a + Page, 2 * Page, Protection.ReadWrite));
        Look(a, "r|w|w|r"u8);
        Equal(0, Mprotect(a, 4 * Page, Protection.ReadWrite));
        Look(a, "ww|ww"u8);
        Equal(0, Madvise(a + Page, Page, Advice.DontFork));
        Equal(Answer(Bind, 1), PolicyAt(a + Page));
        Equal(0, Madvise(a + Page, Page, Advice.DoFork));
        Look(a, "ww|ww"u8);
        Equal(0, Madvise(a, 4 * Page, Advice.DontNeed));
        Equal(Answer(Bind, 1), PolicyAt(a));
        Drop(a, 4);
    }

    private static void Moved()
    {
        nint a = Alone(2);
        Touch(a, 2);
        Equal(0, Mbind(a, 2 * Page, Interleave, 1));
        nint to = Room(4);
        Equal(to, Mremap(a, 2 * Page, 3 * Page, Remap.MayMove | Remap.Fixed, to));
        Equal(Answer(Interleave, 1), PolicyAt(to));
        Equal(Answer(Interleave, 1), PolicyAt(to + 2 * Page));
        Put(to + 3 * Page, 1);
        Look(to, "www|w"u8);
        Drop(to, 4);
    }

    private static void Grown()
    {
        nint a = Room(4);
        Put(a, 1);
        Equal(0, Mbind(a, Page, Bind, 1));
        Equal(a, Mremap(a, Page, 3 * Page, 0));
        Look(a, "www"u8);
        Equal(Answer(Bind, 1), PolicyAt(a + 2 * Page));
        Put(a + 3 * Page, 1);
        Look(a, "www|w"u8);
        Drop(a, 4);
    }

    private static void Unmapped()
    {
        nint a = Alone(3);
        Equal(0, Mbind(a, 3 * Page, Bind, 1));
        Put(a + Page, 1);
        Look(a, "w|w|w"u8);
        Equal(Answer(Default), PolicyAt(a + Page));
        Equal(Answer(Bind, 1), PolicyAt(a + 2 * Page));
        Drop(a, 3);
    }

    private static nint s_area;

    private static void AreasAfterFork()
    {
        s_area = Alone(3);
        Equal(0, Mbind(s_area + Page, Page, Interleave | Static, 1));
        Equal(0, Child.Run(&AreasInChild));
        Look(s_area, "w|w|w"u8);
        Drop(s_area, 3);
    }

    private static int AreasInChild()
    {
        if (PolicyAt(s_area) != Answer(Default) || PolicyAt(s_area + Page) != Answer(Interleave | Static, 1))
            return 1;
        return Mbind(s_area, 3 * Page, Default) == 0 && PolicyAt(s_area + Page) == Answer(Default) && Areas.Count(s_area, 3 * Page) == 1 ? 0 : 2;
    }

    private static void BindRefuses()
    {
        nint a = Alone(2);
        Equal(Errno.Invalid, Mbind(a + 1, Page, Bind, 1));
        Equal(Errno.Invalid, Mbind(a, Page, 7, 1));
        Equal(Errno.Invalid, Mbind(a, Page, Bind | Static | Relative, 1));
        Equal(Errno.Invalid, Mbind(a, Page, Bind));
        Equal(Errno.Invalid, Mbind(a, Page, Bind, 2));
        Equal(Errno.Invalid, Mbind(a, Page, Default, 1));
        Equal(Errno.Invalid, Mbind(a, Page, Bind, 1, 8));
        Equal(Errno.Invalid, Mbind(a, Page, Bind, 1, 16));
        Equal(Errno.Invalid, Mbind(a, -2 * Page, Bind, 1));
        Equal(0, Mbind(a, 1, Bind, 1));
        Look(a, "w|w"u8);
        Drop(a, 2);
    }

    private static void BindNothing()
    {
        Equal(0, Mbind(Page, 0, Bind, 1));
        Equal(0, Mbind(Page, 0, Bind));                  // before the nodes are looked at
        Equal(Errno.Invalid, Mbind(1, 0, Bind, 1));
        Equal(Errno.Invalid, Mbind(Page, 0, 9, 1));
        Equal(0, Mbind(Page, -1, Bind, 1));              // rounded up, nothing is left of it
    }

    private static void Holes()
    {
        nint a = Alone(5);
        Drop(a + 2 * Page, 1);
        Equal(Errno.BadAddress, Mbind(a, 5 * Page, Bind, 1));
        Equal(Errno.BadAddress, Mbind(a + 2 * Page, 2 * Page, Bind, 1));
        Equal(Errno.BadAddress, Mbind(a, 3 * Page, Bind, 1));
        Equal(Errno.BadAddress, Mbind(a + 2 * Page, Page, Bind, 1));
        Look(a, "ww.ww"u8);
        Equal(Answer(Default), PolicyAt(a));
        Equal(Answer(Default), PolicyAt(a + 3 * Page));
        Equal(0, Mbind(a + 3 * Page, 2 * Page, Bind, 1));
        Drop(a, 5);
    }

    private static void DefaultHoles()
    {
        nint a = Alone(5);
        Equal(0, Mbind(a, 5 * Page, Bind, 1));
        Drop(a + 2 * Page, 1);
        Equal(0, Mbind(a + Page, 3 * Page, Default));
        Look(a, "w|w.w|w"u8);
        Equal(Answer(Default), PolicyAt(a + 3 * Page));
        Equal(Errno.BadAddress, Mbind(a + 2 * Page, Page, Default));
        Equal(0, Mbind(a + 2 * Page, 2 * Page, Default));
        Drop(a, 5);
    }

    private static void StrictLocal()
    {
        nint a = Alone(3);
        Equal(0, Mbind(a, 3 * Page, Local, 0, Strict));
        Equal(0, Mbind(a, 3 * Page, Default));
        Touch(a + 2 * Page, 1);
        Equal(Errno.InputOutput, Mbind(a, 3 * Page, Local, 0, Strict));
        Equal(Answer(Default), PolicyAt(a));
        Equal(0, Mbind(a, 2 * Page, Local, 0, Strict));
        Equal(0, Mbind(a, 3 * Page, Bind, 1, Strict));
        Equal(0, Mbind(a, 3 * Page, Local, 0, Strict | Move));
        Equal(0, Mbind(a, 3 * Page, Default, 0, Strict));
        Drop(a, 3);
    }

    private static void MoveRights()
    {
        s_area = Alone(2);
        Touch(s_area, 2);
        Equal(0, Mbind(s_area, 2 * Page, Bind, 1, Strict | Move | MoveAll));
        Equal(0, Child.Run(&MoveWithoutRights));
        Equal(1, PolicyAt(s_area) == Answer(Bind, 1) ? 1 : 0);
        Drop(s_area, 2);
    }

    private static int MoveWithoutRights()
    {
        BecomeNobody();
        if (Mbind(s_area, 2 * Page, Bind, 1, Strict | Move) != 0)
            return 1;
        if (Mbind(s_area, 2 * Page, Bind, 1, MoveAll) != Errno.NotPermitted)
            return 2;
        nint page = s_area;
        int status = -1;
        return MovePages(0, 1, &page, null, &status, MoveAll) == Errno.NotPermitted ? 0 : 3;
    }

    private static void BecomeNobody()
    {
        Syscall.Call(119, 1000, 1000, 1000);
        Syscall.Call(117, 1000, 1000, 1000);
    }

    // ---- shared memory -------------------------------------------------------------------------------------------------------------------

    private static void SharedPolicy()
    {
        int file = MemFd("policy"u8, 0);
        Equal(0, Truncate(file, 4 * Page));
        nint a = New(4, Protection.ReadWrite, Map.SharedAnonymous);
        nint b = Mmap(0, 4 * Page, Protection.ReadWrite, Map.Shared, file);
        nint c = Mmap(0, 4 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(0, Mbind(b, 4 * Page, Interleave, 1));
        Equal(Answer(Interleave, 1), PolicyAt(b + 3 * Page));
        Equal(Answer(Interleave, 1), PolicyAt(c));
        Equal(Answer(Default), PolicyAt(a));
        Equal(0, Mbind(a, 4 * Page, Bind, 1));
        Equal(Answer(Bind, 1), PolicyAt(a));
        Drop(a, 4);
        Drop(b, 4);
        Drop(c, 4);
        Close(file);
    }

    private static void SharedParts()
    {
        int file = MemFd("policy"u8, 0);
        Equal(0, Truncate(file, 8 * Page));
        nint a = Mmap(0, 8 * Page, Protection.ReadWrite, Map.Shared, file);
        nint b = Mmap(0, 8 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(0, Mbind(a, 8 * Page, Bind, 1));
        Equal(0, Mbind(a + 2 * Page, 3 * Page, Interleave, 1));     // in the middle of one
        Equal(Answer(Bind, 1), PolicyAt(b + Page));
        Equal(Answer(Interleave, 1), PolicyAt(b + 2 * Page));
        Equal(Answer(Interleave, 1), PolicyAt(b + 4 * Page));
        Equal(Answer(Bind, 1), PolicyAt(b + 5 * Page));
        Equal(0, Mbind(a + Page, 5 * Page, Preferred, 1));          // over one whole and parts of two
        Equal(Answer(Bind, 1), PolicyAt(b));
        Equal(Answer(Preferred, 1), PolicyAt(b + Page));
        Equal(Answer(Preferred, 1), PolicyAt(b + 5 * Page));
        Equal(Answer(Bind, 1), PolicyAt(b + 6 * Page));
        Equal(0, Mbind(a + 3 * Page, Page, Default));
        Equal(Answer(Preferred, 1), PolicyAt(b + 2 * Page));
        Equal(Answer(Default), PolicyAt(b + 3 * Page));
        Equal(Answer(Preferred, 1), PolicyAt(b + 4 * Page));
        Equal(0, Mbind(a, 8 * Page, Default));
        Equal(Answer(Default), PolicyAt(b));
        Equal(Answer(Default), PolicyAt(b + 7 * Page));
        Drop(a, 8);
        Drop(b, 8);
        Close(file);
    }

    private static void SharedOutlives()
    {
        int file = MemFd("policy"u8, 0);
        Equal(0, Truncate(file, 2 * Page));
        nint a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(0, Mbind(a, Page, Bind, 1));
        Drop(a, 2);
        a = Mmap(0, 2 * Page, Protection.ReadWrite, Map.Shared, file);
        Equal(Answer(Bind, 1), PolicyAt(a));
        Equal(Answer(Default), PolicyAt(a + Page));
        Equal(1, Areas.Count(a, 2 * Page));
        Drop(a, 2);
        Close(file);
    }

    private static void MemoryFile()
    {
        s_area = New(2, Protection.ReadWrite, Map.SharedAnonymous);
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(Mbind(s_area + Page, Page, Interleave, 1) == 0 ? 0 : 1);
        Equal(0, Child.Status(pid));
        Equal(Answer(Default), PolicyAt(s_area));
        Equal(Answer(Interleave, 1), PolicyAt(s_area + Page));
        Drop(s_area, 2);
    }

    private static void FileArea()
    {
        int file = NewFile(3);
        nint a = Mmap(0, 3 * Page, Protection.Read, Map.Private, file);
        nint b = Mmap(0, 3 * Page, Protection.Read, Map.Private, file);
        Equal(0, Mbind(a + Page, Page, Bind, 1));
        Equal(3, Areas.Count(a, 3 * Page));
        Equal(Answer(Bind, 1), PolicyAt(a + Page));
        Equal(1, Areas.Count(b, 3 * Page));
        Drop(a, 3);
        Drop(b, 3);
        Close(file);
    }

    // ---- home nodes ----------------------------------------------------------------------------------------------------------------------

    private static void HomeNode()
    {
        nint a = Alone(4);
        if (SetHomeNode(a, Page, 0) == NoProgram)
        {
            Skip("this Linux is older than the call");
            return;
        }
        Equal(Errno.NoEntry, SetHomeNode(a, 4 * Page, 0));
        Equal(Errno.NoEntry, SetHomeNode(a + 4 * Page, Page, 0));
        Equal(0, Mbind(a + Page, Page, Bind, 1));
        Equal(0, SetHomeNode(a, 4 * Page, 0));
        Equal(Answer(Bind, 1), PolicyAt(a + Page));
        Equal(0, Mbind(a + 2 * Page, Page, Interleave, 1));
        Equal(NotSupported, SetHomeNode(a + Page, 2 * Page, 0));
        Equal(0, Mbind(a + 2 * Page, Page, PreferredMany, 1));
        Equal(0, SetHomeNode(a + 2 * Page, Page, 0));
        Look(a, "w|w|w|w"u8);
        Drop(a, 4);
    }

    private static void HomeRefuses()
    {
        nint a = Alone(1);
        if (SetHomeNode(a, Page, 0) == NoProgram)
        {
            Skip("this Linux is older than the call");
            return;
        }
        Equal(0, Mbind(a, Page, Bind, 1));
        Equal(Errno.Invalid, SetHomeNode(a + 1, Page, 0));
        Equal(Errno.Invalid, SetHomeNode(a, Page, 0, 1));
        Equal(Errno.Invalid, SetHomeNode(a, Page, 1));
        Equal(Errno.Invalid, SetHomeNode(a, Page, 1024));
        Equal(Errno.Invalid, SetHomeNode(a, Page, -1));
        Equal(Errno.Invalid, SetHomeNode(a, -2 * Page, 0));
        Equal(0, SetHomeNode(a, 0, 0));
        Drop(a, 1);
    }

    private static void HomeApart()
    {
        nint a = Alone(3);
        Equal(0, Mbind(a, 3 * Page, Bind, 1));
        if (SetHomeNode(a + Page, Page, 0) == NoProgram)
        {
            Skip("this Linux is older than the call");
            return;
        }
        Look(a, "w|w|w"u8);
        Equal(0, SetHomeNode(a, 3 * Page, 0));
        Look(a, "www"u8);
        Equal(0, Mbind(a, Page, Bind, 1));
        Look(a, "w|ww"u8);
        Drop(a, 3);
    }

    // ---- pages ---------------------------------------------------------------------------------------------------------------------------

    /// <summary>Linux 6.9 and later, known by a mode that came then, answer some of the questions below in another way.</summary>
    private static bool IsNewer
    {
        get
        {
            bool newer = SetMempolicy(6, 1) == 0;
            SetMempolicy(Default);
            return newer;
        }
    }

    /// <summary>What is said of private memory that nobody has touched.</summary>
    private static int Untouched => IsNewer ? Errno.NoEntry : Errno.BadAddress;

    private static void WherePages()
    {
        nint a = Alone(4);
        Touch(a, 1);
        _ = Pages.At(a + Page);
        nint* pages = stackalloc nint[5];
        int* status = stackalloc int[5];
        for (int i = 0; i < 5; i++)
        {
            pages[i] = a + i * Page + i;
            status[i] = 99;
        }
        Equal(0, MovePages(0, 5, pages, null, status));
        Equal(0, status[0]);
        Equal(Errno.BadAddress, status[1]);      // the page of zeros
        Equal(Untouched, status[2]);
        Equal(Errno.BadAddress, status[4]);      // not mapped
        Equal(1, Resident(a + 2 * Page, 2) == 0 ? 1 : 0);
        Equal(0, MovePages(GetPid(), 1, pages, null, status));
        Equal(0, MovePages(0, 0, null, null, null));
        Drop(a, 4);
    }

    private static void WhereOthers()
    {
        int file = NewFile(2);
        nint a = Mmap(0, 2 * Page, Protection.Read, Map.Private, file);
        nint b = New(2, Protection.ReadWrite, Map.SharedAnonymous);
        nint c = Alone(1);
        Touch(c, 1);
        Mprotect(c, Page, Protection.None);
        Touch(b, 1);
        Madvise(a, 2 * Page, Advice.Random);
        _ = Pages.At(a);
        nint* pages = stackalloc nint[4];
        int* status = stackalloc int[4];
        pages[0] = a;
        pages[1] = b;
        pages[2] = b + Page;
        pages[3] = c;
        Equal(0, MovePages(0, 4, pages, null, status));
        Equal(0, status[0]);
        Equal(0, status[1]);
        Equal(Errno.NoEntry, status[2]);
        Equal(IsNewer ? 0 : Errno.NoEntry, status[3]);
        Drop(a, 2);
        Drop(b, 2);
        Drop(c, 1);
        Close(file);
    }

    private static void MoveThere()
    {
        nint a = Alone(3);
        Touch(a, 2, 7);
        nint* pages = stackalloc nint[3];
        int* nodes = stackalloc int[3];
        int* status = stackalloc int[3];
        for (int i = 0; i < 3; i++)
        {
            pages[i] = a + i * Page;
            nodes[i] = 0;
            status[i] = 99;
        }
        Equal(0, MovePages(0, 3, pages, nodes, status, Move));
        Equal(0, status[0]);
        Equal(0, status[1]);
        Equal(Untouched, status[2]);
        Equal(7, *(byte*)a);
        nodes[1] = 1;
        status[0] = status[1] = status[2] = 99;
        Equal(Errno.NoDevice, MovePages(0, 3, pages, nodes, status, Move));
        Equal(0, status[0]);
        Equal(99, status[1]);
        Equal(99, status[2]);
        Drop(a, 3);
    }

    private static void MoveRefuses()
    {
        nint a = Alone(1);
        Touch(a, 1);
        nint page = a;
        int node = 0;
        int status = 99;
        Equal(Errno.Invalid, MovePages(0, 1, &page, null, &status, 1));
        Equal(Errno.Invalid, MovePages(0, 1, &page, null, &status, 8));
        Equal(Errno.NoSuchProcess, MovePages(999999, 1, &page, null, &status));
        Equal(Errno.NoSuchProcess, MovePages(-1, 1, &page, null, &status));
        Equal(Errno.BadAddress, MovePages(0, 1, null, null, &status));
        Equal(Errno.BadAddress, MovePages(0, 1, &page, null, null));
        Equal(Errno.BadAddress, MovePages(0, 1, &page, (int*)8, &status));
        Equal(Errno.BadAddress, MovePages(0, 1, &page, &node, null));
        node = -1;
        Equal(Errno.NoDevice, MovePages(0, 1, &page, &node, &status));
        node = 5000;
        Equal(Errno.NoDevice, MovePages(0, 1, &page, &node, &status));
        Equal(99, status);
        Drop(a, 1);
    }

    private static void MoveOther()
    {
        nint a = Alone(1);
        int* ends = stackalloc int[2];
        int* go = stackalloc int[2];
        Pipe(ends);
        Pipe(go);
        byte letter = 0;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Touch(a, 1);
            Write(ends[1], &letter, 1);
            Read(go[0], &letter, 1);
            Exit(0);
        }
        Read(ends[0], &letter, 1);
        nint page = a;
        int status = 99;
        Equal(0, MovePages(pid, 1, &page, null, &status));
        Equal(0, status);
        Equal(0, MovePages(0, 1, &page, null, &status));
        Equal(Untouched, status);
        ulong nodes = 1;
        Equal(0, MigratePages(pid, 65, &nodes, &nodes));
        Write(go[1], &letter, 1);
        Equal(0, Child.Status(pid));
        Close(ends[0]);
        Close(ends[1]);
        Close(go[0]);
        Close(go[1]);
        Drop(a, 1);
    }

    private static void Migrate()
    {
        ulong first = 1, second = 2, both = 3, none = 0;
        Equal(0, MigratePages(0, 65, &first, &first));
        Equal(0, MigratePages(0, 65, &second, &first));
        Equal(0, MigratePages(0, 65, &none, &first));
        Equal(0, MigratePages(0, 65, &first, &both));
        Equal(Errno.Invalid, MigratePages(0, 65, &first, &second));
        Equal(Errno.Invalid, MigratePages(0, 65, &first, &none));
        Equal(Errno.Invalid, MigratePages(0, 65, &first, null));
        Equal(Errno.BadAddress, MigratePages(0, 65, (ulong*)8, &first));
        Equal(Errno.BadAddress, MigratePages(0, 65, &first, (ulong*)8));
        Equal(Errno.NoSuchProcess, MigratePages(999999, 65, &first, &first));
        Equal(Errno.Invalid, MigratePages(2, 65, &first, &second));
    }

    private static void OtherPeople() => Equal(0, Child.Run(&AskTheParent));

    private static int AskTheParent()
    {
        int parent = GetParentPid();
        BecomeNobody();
        nint page = Page;
        int status = 0;
        ulong first = 1, both = 3;
        if (MovePages(parent, 1, &page, null, &status) != Errno.NotPermitted)
            return 1;
        if (MigratePages(parent, 65, &first, &first) != Errno.NotPermitted)
            return 2;
        if (MigratePages(0, 65, &first, &first) != 0)
            return 3;
        return MigratePages(0, 65, &first, &both) == Errno.NotPermitted ? 0 : 4;
    }

    private static void GetCpu()
    {
        uint cpu = 99, node = 99;
        Equal(0, Syscall.Call(309, (nint)(&cpu), (nint)(&node), 0));
        Equal(0, node);
    }

    // ---- files ---------------------------------------------------------------------------------------------------------------------------

    /// <summary>What numa_maps says of the area that begins at the address.</summary>
    private static ReadOnlySpan<byte> Shown(nint address)
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/numa_maps"u8);
        while (text.Length > 0)
        {
            int end = text.IndexOf((byte)'\n');
            int at = 0;
            if (Areas.Hex(text, ref at) == address)
                return text.Slice(at + 1, end - at - 1);
            text = text.Slice(end + 1);
        }
        return default;
    }

    private static void MapsPolicies()
    {
        nint a = Alone(9);
        Mbind(a + Page, Page, Bind, 1);
        Mbind(a + 2 * Page, Page, Interleave | Static, 3);
        Mbind(a + 3 * Page, Page, Preferred | Relative, 1);
        Mbind(a + 4 * Page, Page, Local);
        Mbind(a + 5 * Page, Page, PreferredMany, 1);
        Mbind(a + 6 * Page, Page, Bind | Balancing, 1);
        Same("default"u8, Shown(a), "no policy");
        Same("bind:0"u8, Shown(a + Page), "bind");
        Same("interleave=static:0"u8, Shown(a + 2 * Page), "interleave");
        Same("prefer=relative:0"u8, Shown(a + 3 * Page), "preferred");
        Same("local"u8, Shown(a + 4 * Page), "local");
        Same("prefer (many):0"u8, Shown(a + 5 * Page), "preferred many");
        Same("bind=balancing:0"u8, Shown(a + 6 * Page), "balancing");
        Mbind(a + 6 * Page, Page, Bind | Balancing | Static, 1);
        Same("bind=static|balancing:0"u8, Shown(a + 6 * Page), "static and balancing");
        SetMempolicy(Interleave, 1);
        Same("interleave:0"u8, Shown(a), "the task's");
        Same("bind:0"u8, Shown(a + Page), "before the task's");
        SetMempolicy(Default);
        Drop(a, 9);
    }

    private static void MapsPages()
    {
        Proc.Prepare();
        nint a = Alone(5);
        Touch(a, 3);
        _ = Pages.At(a + 3 * Page);
        Check(Shown(a).StartsWith("default anon=3 dirty=3 "u8));
        Check(Shown(a).EndsWith(" N0=3 kernelpagesize_kB=4"u8));
        int* ends = stackalloc int[2];
        Pipe(ends);
        byte letter = 0;
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Close(ends[1]);
            Read(ends[0], &letter, 1);
            Exit(0);
        }
        Check(Shown(a).StartsWith("default anon=3 dirty=3 mapmax=2 "u8));
        Close(ends[1]);
        Child.Status(pid);
        Close(ends[0]);
        Drop(a, 5);
        nint b = New(4, Protection.ReadWrite, Map.SharedAnonymous);
        Touch(b, 2);
        Check(Shown(b).StartsWith("default file=/dev/zero\\040(deleted) dirty=2 "u8));
        Drop(b, 4);
        int file = NewFile(1, keepName: false);
        nint c = Mmap(0, Page, Protection.Read, Map.Private, file);
        Check(Shown(c).StartsWith("default file=/"u8));
        Drop(c, 1);
        Close(file);
    }

    private static void Nodes()
    {
        Same("0"u8, Trimmed(Proc.Line(Proc.ReadAll("/proc/self/status"u8), "Mems_allowed_list"u8)), "Mems_allowed_list");
        ReadOnlySpan<byte> allowed = Trimmed(Proc.Line(Proc.ReadAll("/proc/self/status"u8), "Mems_allowed"u8));
        Equal(287, allowed.Length);
        Check(allowed.EndsWith(",00000000,00000001"u8));
        Same("0\n"u8, Proc.ReadAll("/sys/devices/system/node/online"u8), "online");
        Same("0\n"u8, Proc.ReadAll("/sys/devices/system/node/possible"u8), "possible");
        Same("0\n"u8, Proc.ReadAll("/sys/devices/system/node/has_memory"u8), "has_memory");
        Same("10\n"u8, Proc.ReadAll("/sys/devices/system/node/node0/distance"u8), "distance");
        Same("numa_hit "u8, Proc.ReadAll("/sys/devices/system/node/node0/numastat"u8)[..9], "numastat");
        long total = OfMemory("Node 0 MemTotal"u8), free = OfMemory("Node 0 MemFree"u8), used = OfMemory("Node 0 MemUsed"u8);
        Check(total > 0 && free > 0 && used > 0);
    }

    private static long OfMemory(ReadOnlySpan<byte> name) => Proc.Field("/sys/devices/system/node/node0/meminfo"u8, name);

    private static ReadOnlySpan<byte> Trimmed(ReadOnlySpan<byte> text)
    {
        int start = 0;
        while (start < text.Length && text[start] is (byte)' ' or (byte)'\t')
            start++;
        return text[start..];
    }
}
