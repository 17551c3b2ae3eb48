using System;
using NanoVm.Core;
using NanoVm.Files.Terminal;

namespace NanoVm.Files.Devices;

/// <summary>Character devices by number, and what opening a device node does.</summary>
/// <remarks>Linux: <c>chrdevs</c>, <c>chrdev_open</c>. A list: there are a dozen, registered at boot, and slaves of pseudo terminals are
/// found by their own table.</remarks>
internal sealed class DeviceTable
{
    private CharDevice? _first;
    private CharDevice? _last;

    /// <summary>The first device; follow <see cref="CharDevice.Next"/>.</summary>
    public CharDevice? First => _first;

    /// <summary>Adds a device at boot.</summary>
    public void Register(CharDevice device)
    {
        if (_last is null)
            _first = device;
        else
            _last.Next = device;
        _last = device;
    }

    /// <summary>The device of this number, or null.</summary>
    public CharDevice? Find(ulong number)
    {
        CharDevice? device = _first;
        while (device is not null && device.Number != number)
            device = device.Next;
        return device;
    }

    /// <summary>Opens a device node.</summary>
    /// <returns>ENXIO when there is no such device.</returns>
    public static Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
    {
        Inode inode = path.Dentry.Inode!;
        IoSystem io = inode.Vfs.Io;
        if ((inode.Mode & FileMode.TypeMask) != FileMode.CharacterDevice)
            return Errno.ENXIO;
        if (DeviceNumber.Major(inode.Rdev) == PtyPair.SlaveMajor)
            return io.Ptys.OpenSlave(who, DeviceNumber.Minor(inode.Rdev), path, flags);
        CharDevice? device = io.Devices.Find(inode.Rdev);
        return device is null ? Errno.ENXIO : device.Open(who, path, flags);
    }
}
