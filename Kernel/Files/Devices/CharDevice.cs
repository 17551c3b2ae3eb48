using System;
using NanoVm.Core;

namespace NanoVm.Files.Devices;

/// <summary>A character device that can be opened by its number. Built at boot.</summary>
/// <remarks>Linux: <c>cdev</c>.</remarks>
internal abstract class CharDevice
{
    private readonly byte[] _name;

    internal CharDevice? Next;

    /// <summary>Makes a device.</summary>
    /// <param name="name">Its name below /dev.</param>
    /// <param name="permissions">Rights of its node.</param>
    protected CharDevice(ReadOnlySpan<byte> name, uint major, uint minor, uint permissions)
    {
        _name = BootBytes.Copy(name);
        Number = DeviceNumber.Make(major, minor);
        Permissions = permissions;
    }

    /// <summary>The name below /dev.</summary>
    public ReadOnlySpan<byte> Name => _name;

    /// <summary>Major and minor number, packed.</summary>
    public ulong Number { get; }

    /// <summary>Rights of the node.</summary>
    public uint Permissions { get; }

    /// <summary>Opens it. The node's rights have been checked.</summary>
    public abstract Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags);
}
