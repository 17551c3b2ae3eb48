using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Physical;

namespace NanoVm.Syscalls;

/// <summary>A path that a system call got: copied from user memory into a frame of its own.</summary>
/// <remarks>Linux: <c>getname</c>. A frame from the per-processor list costs less than a slab object of 4 KiB, and never lies on the stack.</remarks>
internal ref struct PathArgument
{
    private readonly FrameAllocator frames;
    private Pfn frame;

    private PathArgument(FrameAllocator frames, Pfn frame, int length)
    {
        this.frames = frames;
        this.frame = frame;
        Path = DirectMap.Page(frame)[..length];
    }

    /// <summary>The path without its NUL; may be empty.</summary>
    public ReadOnlySpan<byte> Path { get; private set; }

    /// <summary>Copies a path. When it succeeds, <see cref="Dispose"/> must follow.</summary>
    /// <returns>EFAULT, ENAMETOOLONG, ENOMEM.</returns>
    public static Errno Get(Vfs vfs, VirtAddr address, out PathArgument argument)
    {
        argument = default;
        FrameAllocator frames = vfs.Memory.Frames;
        Errno error = frames.Allocate(0, AllocationFlags.None, out Pfn frame);
        if (error != Errno.None)
            return error;
        if (!UserCopy.StringFromUser(DirectMap.Page(frame), address).TryGet(out int length, out error))
        {
            frames.Put(frame);
            return error;
        }
        argument = new PathArgument(frames, frame, length);
        return Errno.None;
    }

    public void Dispose()
    {
        if (frames is null)
            return;
        Path = default;
        frames.Put(frame);
    }
}
