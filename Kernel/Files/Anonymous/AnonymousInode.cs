using NanoVm.Core;

namespace NanoVm.Files.Anonymous;

/// <summary>The inode of a file without a name. Linux: what <c>alloc_anon_inode</c> makes.</summary>
internal sealed class AnonymousInode : Inode
{
    private AnonymousFileSystem _type = null!;

    /// <summary>Sets up a zeroed object with one reference.</summary>
    internal void Initialize(AnonymousFileSystem type, uint mode, uint uid, uint gid)
    {
        _type = type;
        Initialize(type.Mount.Superblock, ++type.LastNumber, mode, uid, gid);
    }

    /// <summary>Writes what links in <c>/proc/PID/fd</c> show.</summary>
    /// <param name="label">The name of the directory entry.</param>
    public void WriteName(ref TextWriter w, System.ReadOnlySpan<byte> label)
    {
        if (!label.IsEmpty)
        {
            w.Text("anon_inode:"u8);
            w.Text(label);
            return;
        }
        w.Text(FileMode.Socket == (Mode & FileMode.TypeMask) ? "socket:["u8 : "pipe:["u8);
        w.Decimal(Number);
        w.Byte((byte)']');
    }

    /// <inheritdoc/>
    protected override void FreeObject() => _type.Io.AnonymousInodes.Free(this);
}
