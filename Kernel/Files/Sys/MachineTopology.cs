using System;
using NanoVm.Core;
using NanoVm.Files.Proc;

namespace NanoVm.Files.Sys;

/// <summary><c>/sys/devices/system/{cpu,node}</c>: one processor, and all memory on one node. What <c>nproc</c>, <c>lscpu</c> and libnuma look for.</summary>
/// <remarks>Linux: <c>drivers/base/cpu.c</c>, <c>drivers/base/node.c</c>.</remarks>
internal static class MachineTopology
{
    /// <summary>Adds the directories. At boot.</summary>
    /// <returns>The node's.</returns>
    public static ProcDirectory Add(SysFileSystem sys)
    {
        ProcDirectory system = Below(sys, Below(sys, sys.Root, "devices"u8), "system"u8);
        ProcDirectory cpu = Below(sys, system, "cpu"u8);
        Texts(sys, cpu, "0"u8, "online"u8, "possible"u8, "present"u8);
        Text(sys, cpu, "offline"u8, default);
        Text(sys, cpu, "isolated"u8, default);
        Text(sys, cpu, "kernel_max"u8, "0"u8);
        ProcDirectory processor = Below(sys, cpu, "cpu0"u8);
        processor.Add(sys, new FixedLink("node0"u8, "../../node/node0"u8));
        ProcDirectory topology = Below(sys, processor, "topology"u8);
        Texts(sys, topology, "0"u8, "core_id"u8, "die_id"u8, "physical_package_id"u8);
        Texts(sys, topology, "0"u8, "core_cpus_list"u8, "core_siblings_list"u8, "die_cpus_list"u8);
        Texts(sys, topology, "0"u8, "package_cpus_list"u8, "thread_siblings_list"u8);
        Texts(sys, topology, "1"u8, "core_cpus"u8, "core_siblings"u8, "die_cpus"u8);
        Texts(sys, topology, "1"u8, "package_cpus"u8, "thread_siblings"u8);

        ProcDirectory node = Below(sys, system, "node"u8);
        Texts(sys, node, "0"u8, "online"u8, "possible"u8, "has_cpu"u8);
        Texts(sys, node, "0"u8, "has_memory"u8, "has_normal_memory"u8);
        Text(sys, node, "has_generic_initiator"u8, default);
        ProcDirectory first = Below(sys, node, "node0"u8);
        Text(sys, first, "cpulist"u8, "0"u8);
        Text(sys, first, "cpumap"u8, "1"u8);
        Text(sys, first, "distance"u8, "10"u8);
        first.Add(sys, new FixedLink("cpu0"u8, "../../cpu/cpu0"u8));
        return first;
    }

    private static ProcDirectory Below(SysFileSystem sys, ProcDirectory parent, ReadOnlySpan<byte> name)
    {
        var directory = new ProcDirectory(name);
        parent.Add(sys, directory);
        return directory;
    }

    private static void Texts(
        SysFileSystem sys, ProcDirectory parent, ReadOnlySpan<byte> text, ReadOnlySpan<byte> one, ReadOnlySpan<byte> two, ReadOnlySpan<byte> three = default)
    {
        Text(sys, parent, one, text);
        Text(sys, parent, two, text);
        if (!three.IsEmpty)
            Text(sys, parent, three, text);
    }

    private static void Text(SysFileSystem sys, ProcDirectory parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
        => parent.Add(sys, new FixedText(name, text));
}

/// <summary>A file with one line that never changes.</summary>
internal sealed class FixedText : ProcPage
{
    private readonly byte[] _text;

    /// <summary>Makes one.</summary>
    public FixedText(ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
        : base(name) => _text = BootBytes.Copy(text);

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text(_text);
        w.Byte((byte)'\n');
        return Errno.None;
    }
}
