namespace NanoVm.Files;

/// <summary>What <c>open(O_PATH)</c> yields: holds a place, and does nothing with the file.</summary>
internal sealed class PathOnlyFile : OpenFile
{
    /// <summary>Null when memory is out.</summary>
    public static PathOnlyFile? Allocate(Vfs vfs, in PathRef path, OpenFlags flags)
    {
        PathOnlyFile? file = vfs.PathFiles.Allocate();
        file?.Initialize(path, flags);
        return file;
    }

    protected override void FreeObject() => Vfs.PathFiles.Free(this);
}
