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
}
