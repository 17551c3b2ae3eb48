using System;
using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Hal;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Devices;

/// <summary><c>/dev/fb0</c>: the screen as a file, and as memory that programs map.</summary>
/// <remarks>Linux: <c>drivers/video/fbdev/core/fbmem.c</c>; Documentation/fb. The node is there only when the machine has a screen.</remarks>
internal sealed class ScreenDevice : CharDevice
{
    private const uint FramebufferMajor = 29;

    /// <summary>Held by whoever looks at or changes the mode. Linux: <c>fb_info-&gt;lock</c>.</summary>
    public Mutex Lock;

    private readonly ObjectCache<ScreenFile> _files;

    public ScreenDevice(IoSystem io, Screen screen)
        : base("fb0"u8, FramebufferMajor, 0, 0x1B0)
    {
        Screen = screen;
        Operations = new ScreenMapping(screen);
        _files = new ObjectCache<ScreenFile>(io.Memory, "filp_fb"u8);
        io.Proc.Root.Add(io.Proc, new Proc.Machine.FixedText("fb"u8, "0 NanoVM\n"u8));
    }

    public Screen Screen { get; }

    /// <summary>What mappings of it do.</summary>
    public ScreenMapping Operations { get; }

    /// <summary>The colours of <c>FBIOPUTCMAP</c>, red, green and blue one after another. A true-colour screen keeps them and shows none. Under <see cref="Lock"/>.</summary>
    public readonly ushort[] Colours = new ushort[3 * ScreenIoctl.ColourCount];

    /// <inheritdoc/>
    public override Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags)
    {
        if (_files.Allocate() is not { } file)
            return Errno.ENOMEM;
        file.Initialize(this, path, flags);
        return file;
    }

    internal void Free(ScreenFile file) => _files.Free(file);
}

/// <summary>An open <see cref="ScreenDevice"/>.</summary>
internal sealed class ScreenFile : OpenFile
{
    private ScreenDevice _device = null!;

    internal void Initialize(ScreenDevice device, in PathRef path, OpenFlags flags)
    {
        _device = device;
        Initialize(path, flags);
        device.Screen.Users++;
    }

    /// <summary>Linux: <c>fb_read</c>. Nothing is left behind the memory's end.</summary>
    public override Result<long> Read(TaskFiles who, ref IovIter to, ref long position)
    {
        if (position < 0)
            return Errno.EINVAL;
        ulong size = _device.Screen.MemoryBytes;
        ulong left = (ulong)position >= size ? 0 : Math.Min(size - (ulong)position, to.Remaining);
        long total = 0;
        while (left != 0)
        {
            int part = (int)Math.Min(left, PageSize.Bytes);
            Errno error = to.CopyToIter(Memory(position, part), out int copied);
            total += copied;
            position += copied;
            left -= (ulong)copied;
            if (error != Errno.None)
                return total != 0 ? total : error;
            if (who.FatalSignalPending)
                break;
            PerCpu.Scheduler.CondResched();
        }

        return total;
    }

    /// <summary>Linux: <c>fb_write</c>. What reaches past the end is cut; only what fits nowhere is an error.</summary>
    public override Result<long> Write(TaskFiles who, ref IovIter from, ref long position)
    {
        if (position < 0)
            return Errno.EINVAL;
        ulong size = _device.Screen.MemoryBytes;
        if ((ulong)position > size)
            return Errno.EFBIG;
        ulong left = from.Remaining;
        Errno cut = Errno.None;
        if (left > size)
        {
            cut = Errno.EFBIG;
            left = size;
        }

        if (left > size - (ulong)position)
        {
            if (cut == Errno.None)
                cut = Errno.ENOSPC;
            left = size - (ulong)position;
        }

        long total = 0;
        while (left != 0)
        {
            int part = (int)Math.Min(left, PageSize.Bytes);
            Errno error = from.CopyFromIter(Memory(position, part), out int copied);
            total += copied;
            position += copied;
            left -= (ulong)copied;
            if (error != Errno.None)
                return total != 0 ? total : error;
            if (who.FatalSignalPending)
                break;
            PerCpu.Scheduler.CondResched();
        }

        return total != 0 || cut == Errno.None ? total : cut;
    }

    /// <summary>Linux: <c>default_llseek</c>, for which a device's end is its beginning.</summary>
    public override Result<long> Seek(long offset, SeekOrigin origin)
    {
        switch (origin)
        {
            case SeekOrigin.Start:
            case SeekOrigin.End:
                break;
            case SeekOrigin.Current:
                offset += Position;
                break;
            case SeekOrigin.Data:
            case SeekOrigin.Hole:
                return Errno.ENXIO;                          // nothing lies before an end of 0
            default:
                return Errno.EINVAL;
        }

        if (offset < 0)
            return Errno.EINVAL;
        Position = offset;
        return offset;
    }

    /// <inheritdoc/>
    public override Result<long> Ioctl(TaskFiles who, uint command, VirtAddr argument) => ScreenIoctl.Do(_device, command, argument);

    /// <inheritdoc/>
    public override bool CanMap => true;

    /// <summary>Linux: <c>fb_mmap</c>, <c>vm_iomap_memory</c>.</summary>
    public override Errno Mmap(VmArea area)
    {
        ulong pages = (_device.Screen.MemoryBytes + PageSize.Mask) >> PageSize.Shift;
        if (area.PageOffset > pages || area.Pages.Value > pages - area.PageOffset)
            return Errno.EINVAL;
        area.Flags |= VmFlags.Io | VmFlags.PfnMap | VmFlags.DontExpand | VmFlags.DontDump;
        area.Operations = _device.Operations;
        return Errno.None;
    }

    /// <inheritdoc/>
    protected override void Release() => _device.Screen.Users--;

    /// <inheritdoc/>
    protected override void FreeObject() => _device.Free(this);

    private unsafe Span<byte> Memory(long position, int bytes) => new((byte*)_device.Screen.Pixels.Value + position, bytes);
}
