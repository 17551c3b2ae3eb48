using NanoVm.Core;

namespace NanoVm.Memory.Mapping;

/// <summary>A page that is written whole: what the file has there need not be read first.</summary>
/// <remarks>
/// Linux: <c>write_begin</c> with a length of a whole page. Whoever else wants the page meanwhile waits for its lock, as if it were being read: so
/// the content must be at hand before, for getting it from user memory could need this very page.
/// </remarks>
internal abstract partial class AddressSpace
{
    /// <summary>The page, with a reference: as it is in memory, or a fresh one, all zeros and locked, which <see cref="FinishOverwrite"/> must end.</summary>
    /// <returns>As <see cref="FindOrCreatePage(ulong)"/>.</returns>
    public Result<Pfn> BeginOverwrite(ulong index, out bool isFresh)
    {
        isFresh = false;
        if (IsResident(index))
            return FindOrCreatePage(index);
        Errno error = InsertPage(index, out Pfn page);
        if (error == Errno.EEXIST)
            return FindOrCreatePage(index);                  // another was faster
        isFresh = error == Errno.None;
        return isFresh ? page : error;
    }

    /// <summary>A fresh page has its content and is dirty; or there is no room for it on the disk, then it leaves the cache.</summary>
    public void FinishOverwrite(Pfn page, ulong index, Errno error)
    {
        if (error == Errno.None)
            MarkDirty(page);
        FinishPage(page, index, error);
    }
}
