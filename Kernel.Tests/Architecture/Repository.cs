namespace NanoVm.Tests.Architecture;

/// <summary>Finds the checkout that the tests were built from.</summary>
internal static class Repository
{
    /// <summary>The folder that holds <c>NanoVm.sln</c>.</summary>
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "NanoVm.sln")))
                return folder.FullName;
        throw new InvalidOperationException("NanoVm.sln is in no folder above the tests");
    }
}
