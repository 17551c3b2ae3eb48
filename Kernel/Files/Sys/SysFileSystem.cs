using System;
using NanoVm.Files.Proc;

namespace NanoVm.Files.Sys;

/// <summary>The file system <c>sysfs</c>: settings and figures of parts of the kernel, one value a file.</summary>
/// <remarks>Linux: <c>fs/sysfs</c>. It is made of the same nodes as <c>/proc</c>; what has files here adds its directory at boot.</remarks>
internal sealed class SysFileSystem : ProcFileSystem
{
    /// <summary>Makes it with an empty <c>kernel/mm</c>.</summary>
    public SysFileSystem(IoSystem io)
        : base(io, new ProcDirectory(default))
    {
        var kernel = new ProcDirectory("kernel"u8);
        Root.Add(this, kernel);
        MemoryDirectory = new ProcDirectory("mm"u8);
        kernel.Add(this, MemoryDirectory);
        NodeDirectory = MachineTopology.Add(this);
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Name => "sysfs"u8;

    /// <inheritdoc/>
    public override ulong Magic => 0x62656572;

    /// <summary><c>/sys/kernel/mm</c>.</summary>
    public ProcDirectory MemoryDirectory { get; }

    /// <summary><c>/sys/devices/system/node/node0</c>.</summary>
    public ProcDirectory NodeDirectory { get; }
}
