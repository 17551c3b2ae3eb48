using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Memory.Mapping;

internal abstract partial class MappableFile
{
    /// <summary>Sets up an area that maps the file: its <see cref="VmArea.Operations"/>, and flags where the kind of file wants other ones.</summary>
    /// <param name="area">Not linked yet; <see cref="VmArea.File"/> is this file, with a reference. Other areas may be removed between this call and its linking.</param>
    /// <returns>The reason why the file cannot be mapped so; the area is then freed without <see cref="VmOperations.Close"/>.</returns>
    /// <remarks>Linux: <c>file_operations-&gt;mmap</c>. Under the mm's lock for writing.</remarks>
    public abstract Errno Mmap(VmArea area);

    /// <summary>Whether no shared mapping may be written through, ever: refused before what such a mapping would replace goes. Linux: <c>F_SEAL_WRITE</c>.</summary>
    public virtual bool IsSealedAgainstWriting => false;

    /// <summary>Writes shared pages back to where they belong (<c>msync(MS_SYNC)</c>). Memory-backed files have nothing to do.</summary>
    public virtual Errno SyncRange(ulong startByte, ulong endByte) => Errno.None;

    /// <summary>Makes the bytes read as zeros and gives the pages back (<c>MADV_REMOVE</c>, <c>fallocate</c>).</summary>
    /// <returns><see cref="Errno.EOPNOTSUPP"/> when the file system has no holes.</returns>
    public virtual Errno RemoveRange(ulong startByte, ulong endByte) => Errno.EOPNOTSUPP;

    /// <summary>The pages will be used soon: start reading them (<c>MADV_WILLNEED</c>).</summary>
    public virtual void WillNeed(ulong firstPage, ulong pages)
    {
    }

    /// <summary>Whether the caller may learn which pages are in memory: the owner, or who may write the file. Linux: <c>can_do_mincore</c>.</summary>
    public virtual bool MayTellResidency => true;
}
