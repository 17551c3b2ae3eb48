using Xunit;

namespace NanoVm.Tests.Architecture;

/// <summary>The solution is what <c>dotnet build NanoVm.sln</c> and an editor know of the repository.</summary>
public sealed class SolutionTests
{
    [Fact]
    public void Every_project_is_in_the_solution_and_every_one_of_it_is_there()
    {
        var named = File.ReadLines(Path.Combine(Repository.Root, "NanoVm.sln"))
            .Where(line => line.StartsWith("Project(", StringComparison.Ordinal))
            .Select(line => line.Split('"')[5].Replace('\\', '/'))
            .Order(StringComparer.Ordinal);
        var present = Directory.EnumerateFiles(Repository.Root, "*.csproj", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Repository.Root, file))
            .Where(file => !file.Split('/').Any(folder => folder is "obj" or "artifacts"))
            .Order(StringComparer.Ordinal);
        Assert.Equal(present, named);
    }
}
