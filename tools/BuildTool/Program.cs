using System;
using System.IO;

namespace NanoVm.BuildTool;

/// <summary>The build's steps that are neither a compiler nor a linker. Messages have the form that MSBuild shows as errors.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal static class Program
{
    private const string Usage = """
        usage: BuildTool registers OBJECT REGISTERS.INC
               BuildTool symbols KERNEL.ELF OUT ASSEMBLY.dll...
               BuildTool inline-stores IN.o OUT.o
               BuildTool strip IN OUT
               BuildTool coverage KERNEL.ELF ASSEMBLY.dll FOLDER LOG...
        registers      fails when the object's code uses a register that the kernel's entries do not save
        symbols        writes the table from addresses to names and lines that the kernel's panic prints
        inline-stores  replaces calls of the helper that stores a reference by the store itself
        strip          leaves out what is not loaded
        coverage       tells which methods of a folder of sources QEMU's logs (-d in_asm) show executed
        """;

    private static int Main(string[] arguments)
    {
        try
        {
            switch (arguments)
            {
                case ["registers", string objectFile, string includeFile]:
                    return RegisterCheck.Run(objectFile, includeFile);
                case ["symbols", string kernel, string output, .. string[] assemblies]:
                    SymbolTableWriter.Run(kernel, output, assemblies);
                    return 0;
                case ["inline-stores", string input, string output]:
                    InlineStores.Run(input, output);
                    return 0;
                case ["strip", string input, string output]:
                    Strip.Run(input, output);
                    return 0;
                case ["coverage", string kernel, string assembly, string folder, .. string[] logs]:
                    Coverage.Run(kernel, assembly, folder, logs);
                    return 0;
                default:
                    Console.Error.WriteLine(Usage);
                    return 2;
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"BuildTool : error NANOVM0001: {exception.Message}");
            return 1;
        }
    }
}
