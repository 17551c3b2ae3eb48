using System;
using System.Runtime.CompilerServices;
using NanoVm.Core;

namespace NanoVm.Files;

/// <summary>Which record a <see cref="DirectoryWriter"/> writes.</summary>
internal enum DirectoryFormat : byte
{
    /// <summary><c>struct linux_dirent64</c> of <c>getdents64</c>.</summary>
    Dirent64,

    /// <summary><c>struct linux_dirent</c> of <c>getdents</c>: the type is the record's last byte.</summary>
    Dirent,
}

/// <summary>Writes directory entries to user memory until it is full.</summary>
/// <remarks>
/// Linux: <c>dir_context</c> with <c>filldir64</c>. A record holds the offset of the <em>next</em> entry, so each is finished when its
/// successor's offset is known; the caller gives it: offset after the entry.
/// </remarks>
internal ref struct DirectoryWriter
{
    private readonly DirectoryFormat format;
    private VirtAddr at;
    private ulong left;

    public DirectoryWriter(VirtAddr buffer, ulong bytes, DirectoryFormat format)
    {
        at = buffer;
        left = bytes;
        this.format = format;
        Error = Errno.None;
        Written = 0;
    }

    /// <summary>Why writing stopped: <see cref="Errno.EFAULT"/>, or <see cref="Errno.EINVAL"/> when the buffer holds not even one entry.</summary>
    public Errno Error { get; private set; }

    /// <summary>Bytes written.</summary>
    public long Written { get; private set; }

    /// <summary>Adds one entry. Linux: <c>dir_emit</c>.</summary>
    /// <param name="next">The offset from which reading goes on after this entry.</param>
    /// <param name="type">A <c>DT_*</c> number, see <see cref="FileMode.ToDirectoryType"/>.</param>
    /// <returns>False when the entry did not fit or could not be copied: stop, the same entry comes again next time.</returns>
    public bool Add(scoped ReadOnlySpan<byte> name, ulong inodeNumber, byte type, ulong next)
    {
        // dirent64: ino 8, off 8, reclen 2, type 1, name, NUL. dirent: ino 8, off 8, reclen 2, name, NUL, type.
        int nameAt = format == DirectoryFormat.Dirent64 ? 19 : 18;
        int length = (20 + name.Length + 7) & ~7;
        if ((ulong)length > left)
        {
            if (Written == 0)
                Error = Errno.EINVAL;
            return false;
        }
        Span<byte> record = stackalloc byte[288];
        record = record[..length];
        record.Clear();
        Unsafe.WriteUnaligned(ref record[0], inodeNumber);
        Unsafe.WriteUnaligned(ref record[8], next);
        Unsafe.WriteUnaligned(ref record[16], (ushort)length);
        name.CopyTo(record[nameAt..]);
        if (format == DirectoryFormat.Dirent64)
            record[18] = type;
        else
            record[length - 1] = type;
        if (UserCopy.CopyToUser(at, record) != Errno.None)
        {
            Error = Errno.EFAULT;
            return false;
        }
        at += (ulong)length;
        left -= (ulong)length;
        Written += length;
        return true;
    }
}
