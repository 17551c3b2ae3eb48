namespace NanoVm.User.Hello;

/// <summary>The smallest program: says what it was called with. Shows how a user program of ours looks.</summary>
internal static class Program
{
    public static int Main()
    {
        Output output = Output.Standard;
        output.Write("Hello from C# without a runtime.\n"u8);
        for (int i = 0; i < Arguments.Count; i++)
            output.Write($"argument {i}: {Arguments.At(i)}\n");
        output.Flush();
        return 0;
    }
}
