using System;
using NanoVm.Core;
using NanoVm.Core.Boot;
using NanoVm.Files.Terminal;
using NanoVm.Files.Tmpfs;
using NanoVm.Hal;

namespace NanoVm.Files.Devices;

/// <summary>What the kernel mounts by itself: /dev with its nodes, /dev/pts, /dev/shm, /proc.</summary>
/// <remarks>Linux: <c>devtmpfs</c>, <c>devpts</c>. The file systems are kinds of tmpfs with one instance each.</remarks>
internal sealed class DeviceFileSystem
{
    private readonly IoSystem _io;
    private readonly TmpfsSuperblock _devices;
    private readonly TmpfsSuperblock _ptys;

    /// <summary>Registers devices, fills the file systems and mounts them. At boot, after the initramfs has been unpacked.</summary>
    /// <param name="console">The terminal that is <c>/dev/console</c>.</param>
    public DeviceFileSystem(IoSystem io, TmpfsCaches caches, SerialTty console)
    {
        _io = io;
        Vfs vfs = io.Vfs;
        var deviceType = new TmpfsType(caches, "devtmpfs"u8, isShared: true);
        var ptyType = new TmpfsType(caches, "devpts"u8, isShared: true);
        vfs.Register(deviceType);
        vfs.Register(ptyType);
        _devices = MakeInstance(vfs, deviceType);
        _ptys = MakeInstance(vfs, ptyType);

        DeviceTable table = io.Devices;
        table.Register(new MemoryDevice(io, "null"u8, 3, MemoryDeviceKind.Null));
        table.Register(new MemoryDevice(io, "zero"u8, 5, MemoryDeviceKind.Zero));
        table.Register(new MemoryDevice(io, "full"u8, 7, MemoryDeviceKind.Full));
        table.Register(new MemoryDevice(io, "random"u8, 8, MemoryDeviceKind.Random));
        table.Register(new MemoryDevice(io, "urandom"u8, 9, MemoryDeviceKind.Random));
        table.Register(new KernelLogDevice(io));
        table.Register(new CurrentTtyDevice(io));
        table.Register(new TtyDevice(io, "console"u8, 5, 1, 0x180, console, isConsole: true));
        table.Register(new TtyDevice(io, "ttyS0"u8, 4, 64, 0x190, console, isConsole: false));
        table.Register(new PtmxDevice(io));
        table.Register(new Userfault.UserfaultDevice(io));
        Dentry root = _devices.Root;
        for (CharDevice? device = table.First; device is not null; device = device.Next)
            AddNode(_devices, root, device.Name, FileMode.CharacterDevice | device.Permissions, 0, 0, device.Number, default).Put();
        AddNode(_devices, root, "fd"u8, FileMode.SymbolicLink | 0x1FF, 0, 0, 0, "/proc/self/fd"u8).Put();
        AddNode(_devices, root, "stdin"u8, FileMode.SymbolicLink | 0x1FF, 0, 0, 0, "/proc/self/fd/0"u8).Put();
        AddNode(_devices, root, "stdout"u8, FileMode.SymbolicLink | 0x1FF, 0, 0, 0, "/proc/self/fd/1"u8).Put();
        AddNode(_devices, root, "stderr"u8, FileMode.SymbolicLink | 0x1FF, 0, 0, 0, "/proc/self/fd/2"u8).Put();
        AddNode(_ptys, _ptys.Root, "ptmx"u8, FileMode.CharacterDevice, 0, 0, DeviceNumber.Make(5, 2), default).Put();
        io.Ptys.Names = new PtyNodes(this);
    }

    /// <summary>The root of /dev.</summary>
    public Dentry Root => _devices.Root;

    /// <summary>Adds the node of a device that was registered later (a disk, the screen).</summary>
    public void AddDevice(CharDevice device)
    {
        _io.Devices.Register(device);
        AddNode(_devices, _devices.Root, device.Name, FileMode.CharacterDevice | device.Permissions, 0, 0, device.Number, default).Put();
    }

    /// <summary>Mounts /dev, /dev/pts, /dev/shm, /proc and /sys, making the folders where they are missing.</summary>
    public void Mount()
    {
        Vfs vfs = _io.Vfs;
        var root = new PathRef(vfs.Mounts.Root, vfs.Mounts.Root.Root);
        MountAt(vfs, root, "dev"u8, _devices, "devtmpfs"u8);
        var dev = new PathRef(MountTree.MountedOn(root.Mount, FindOrMakeDirectory(root.Dentry, "dev"u8))!, _devices.Root);
        MountAt(vfs, dev, "pts"u8, _ptys, "devpts"u8);
        FindOrMakeDirectory(_devices.Root, "shm"u8).Inode!.Mode = FileMode.Directory | 0x3FF;
        if (vfs.FindType("tmpfs"u8) is { } tmpfs
            && tmpfs.Create(vfs, null, "tmpfs"u8, MountFlags.None, "mode=1777"u8).TryGet(out Superblock shm, out Errno _))
        {
            MountAt(vfs, dev, "shm"u8, shm, "tmpfs"u8);
            shm.Put();
        }
        if (_io.Proc.Create(vfs, null, "proc"u8, MountFlags.None, default).TryGet(out Superblock proc, out Errno _))
        {
            MountAt(vfs, root, "proc"u8, proc, "proc"u8);
            proc.Put();
        }
        if (_io.Sys.Create(vfs, null, "sysfs"u8, MountFlags.None, default).TryGet(out Superblock sys, out Errno _))
        {
            MountAt(vfs, root, "sys"u8, sys, "sysfs"u8);
            sys.Put();
        }
    }

    private static TmpfsSuperblock MakeInstance(Vfs vfs, TmpfsType type)
    {
        if (!type.Create(vfs, null, type.Name, MountFlags.None, default).TryGet(out Superblock superblock, out Errno _))
            Panic.Now("no memory for /dev at boot"u8);
        return (TmpfsSuperblock)superblock;
    }

    private static void MountAt(Vfs vfs, in PathRef parent, ReadOnlySpan<byte> name, Superblock superblock, ReadOnlySpan<byte> source)
    {
        var point = new PathRef(parent.Mount, FindOrMakeDirectory(parent.Dentry, name));
        if (MountOperations.MountSuperblock(vfs, superblock, superblock.Root, point, MountFlags.None, source) != Errno.None)
            Log.Warn($"could not mount {source}");
    }

    // Boot code: the folders are tmpfs's, whose entries all stay in memory.
    private static Dentry FindOrMakeDirectory(Dentry parent, ReadOnlySpan<byte> name)
    {
        Dentry? found = parent.Children.Find(name, Dentry.HashName(name));
        if (found is not null)
            return found;
        Dentry made = AddNode((TmpfsSuperblock)parent.Superblock, parent, name, FileMode.Directory | 0x1ED, 0, 0, 0, default);
        parent.Inode!.Links++;
        made.Put();
        return made;
    }

    private static Dentry AddNode(
        TmpfsSuperblock superblock, Dentry parent, ReadOnlySpan<byte> name, uint mode, uint uid, uint gid, ulong device, ReadOnlySpan<byte> text)
    {
        Dentry? entry = TryAddNode(superblock, parent, name, mode, uid, gid, device, text, out Errno _);
        if (entry is null)
            Panic.Now("no memory for a device node at boot"u8);
        return entry;
    }

    // The entry comes with a reference for the caller beside the directory's own.
    private static Dentry? TryAddNode(
        TmpfsSuperblock superblock, Dentry parent, ReadOnlySpan<byte> name, uint mode, uint uid, uint gid, ulong device,
        ReadOnlySpan<byte> text, out Errno error)
    {
        Dentry? entry = Dentry.Allocate(superblock.Vfs, superblock, parent, name);
        if (entry is null)
        {
            error = Errno.ENOMEM;
            return null;
        }
        if (!superblock.MakeInode(mode, uid, gid, device).TryGet(out TmpfsInode inode, out error))
        {
            entry.Put();
            return null;
        }
        if (!text.IsEmpty)
            error = inode.SetLinkText(text);
        if (error != Errno.None)
        {
            inode.Links = 0;
            inode.Put();
            entry.Put();
            return null;
        }
        ((TmpfsInode)parent.Inode!).EntryAdded();
        entry.Attach(inode);
        entry.Hash();
        return entry;
    }

    /// <summary>Names of slaves below /dev/pts.</summary>
    private sealed class PtyNodes(DeviceFileSystem system) : PtyNames
    {
        private const uint TtyGroup = 5;
        private readonly DeviceFileSystem _system = system;

        public override Errno Add(TaskFiles who, PtyPair pair)
        {
            Span<byte> text = stackalloc byte[12];
            var name = new TextWriter(text);
            name.Decimal((ulong)pair.Number);
            TmpfsSuperblock ptys = _system._ptys;
            pair.Entry = TryAddNode(ptys, ptys.Root, name.Written, FileMode.CharacterDevice | 0x190, who.Credentials.FileUid, TtyGroup,
                pair.Device, default, out Errno error);
            return error;
        }

        public override void Remove(PtyPair pair)
        {
            if (pair.Entry is not { } entry)
                return;
            pair.Entry = null;
            if (entry.IsHashed)
            {
                entry.Inode!.Links--;
                ((TmpfsInode)_system._ptys.Root.Inode!).EntryRemoved();
                entry.Delete();
            }
            entry.Put();
        }

        public override Result<PathRef> PlaceOf(PtyPair pair)
        {
            if (pair.Entry is not { } entry)
                return Errno.EIO;
            Vfs vfs = _system._io.Vfs;
            for (Mount? mount = vfs.Mounts.First; mount is not null; mount = mount.Next)
            {
                if (ReferenceEquals(mount.Superblock, _system._ptys))
                    return new PathRef(mount, entry).Get();
            }
            return Errno.EIO;
        }
    }
}
