using System;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Files;

/// <summary>Writes where a place is, as <c>getcwd</c>, <c>/proc/PID/maps</c> and <c>/proc/PID/fd</c> show it.</summary>
/// <remarks>Linux: <c>d_path</c>, <c>prepend_path</c>.</remarks>
internal static class PathText
{
    /// <summary>Writes the path from <paramref name="root"/> to <paramref name="path"/>; " (deleted)" after a name that is gone.</summary>
    public static void Write(ref TextWriter writer, in PathRef path, in PathRef root)
    {
        Span<byte> small = stackalloc byte[512];
        if (TryWrite(ref writer, path, root, small))
            return;
        KernelArrays arrays = path.Mount.Superblock.Vfs.Arrays;
        byte[]? large = arrays.Allocate<byte>(Vfs.PathMaximum);
        if (large is null || !TryWrite(ref writer, path, root, large))
            writer.Text("..."u8);                            // longer than any path that a call accepts
        if (large is not null)
            arrays.Free(large);
    }

    private static bool TryWrite(ref TextWriter writer, in PathRef path, in PathRef root, scoped Span<byte> buffer)
    {
        int at = buffer.Length;
        Prepend(buffer, ref at, path, root);
        if (at < 0)
            return false;
        if (at == buffer.Length)
            buffer[--at] = (byte)'/';
        writer.Text(buffer[at..]);
        if (!path.Dentry.IsHashed && !path.Dentry.IsRoot)
            writer.Text(" (deleted)"u8);
        return true;
    }

    /// <summary>The working directory for <c>getcwd</c>, at the end of <paramref name="buffer"/>.</summary>
    /// <returns>Where it starts; ENOENT when the directory was removed, ERANGE when the buffer is too small.</returns>
    public static Result<int> WorkingDirectory(in PathRef path, in PathRef root, Span<byte> buffer)
    {
        if (!path.Dentry.IsHashed && !path.Dentry.IsRoot)
            return Errno.ENOENT;
        int at = buffer.Length;
        bool reached = Prepend(buffer, ref at, path, root);
        if (at < 0)
            return Errno.ERANGE;
        if (at == buffer.Length && at > 0)
            buffer[--at] = (byte)'/';
        ReadOnlySpan<byte> unreachable = "(unreachable)"u8;
        if (!reached)
        {
            if (at < unreachable.Length)
                return Errno.ERANGE;
            at -= unreachable.Length;
            unreachable.CopyTo(buffer[at..]);
        }
        return at == buffer.Length ? Errno.ERANGE : at;
    }

    // Writes "/name" from the end towards the front. "at" becomes negative when it does not fit. Answers whether the root was met.
    private static bool Prepend(Span<byte> buffer, ref int at, in PathRef path, in PathRef root)
    {
        Mount mount = path.Mount;
        Dentry dentry = path.Dentry;
        for (; ; )
        {
            if (ReferenceEquals(dentry, root.Dentry) && ReferenceEquals(mount, root.Mount))
                return true;
            if (ReferenceEquals(dentry, mount.Root) || dentry.IsRoot)
            {
                if (mount.Parent is not { } parent)
                    return false;
                dentry = mount.Point!;
                mount = parent;
                continue;
            }
            ReadOnlySpan<byte> name = dentry.Name;
            if (at < name.Length + 1)
            {
                at = -1;
                return false;
            }
            at -= name.Length;
            name.CopyTo(buffer[at..]);
            buffer[--at] = (byte)'/';
            dentry = dentry.Parent;
        }
    }
}
