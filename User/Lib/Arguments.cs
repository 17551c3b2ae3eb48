using System;
using System.Runtime.InteropServices;

namespace NanoVm.User;

/// <summary>What the process was started with.</summary>
public static unsafe class Arguments
{
    private static nint s_stack;

    /// <summary>Number of arguments, the program's name included.</summary>
    public static int Count => (int)*(nint*)s_stack;

    /// <summary>All arguments as C wants them: addresses of texts, then zero.</summary>
    public static byte** Vector => (byte**)s_stack + 1;

    /// <summary>The environment as C wants it: addresses of <c>NAME=value</c>, then zero.</summary>
    public static byte** Environment => Vector + Count + 1;

    /// <summary>The argument at <paramref name="index"/>; 0 is the program's name. Empty when there is none.</summary>
    public static ReadOnlySpan<byte> At(int index) =>
        (uint)index < (uint)Count ? MemoryMarshal.CreateReadOnlySpanFromNullTerminated(Vector[index]) : default;

    /// <summary>The value of an environment variable; empty when there is none.</summary>
    public static ReadOnlySpan<byte> Variable(ReadOnlySpan<byte> name)
    {
        for (byte** variable = Environment; *variable != null; variable++)
        {
            ReadOnlySpan<byte> text = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(*variable);
            if (text.Length > name.Length && text[name.Length] == '=' && text.StartsWith(name))
                return text.Slice(name.Length + 1);
        }
        return default;
    }

    /// <summary>The auxiliary vector's value of a type, or zero.</summary>
    public static ulong Auxiliary(ulong type)
    {
        byte** end = Environment;
        while (*end != null)
            end++;
        for (ulong* entry = (ulong*)(end + 1); entry[0] != 0; entry += 2)
        {
            if (entry[0] == type)
                return entry[1];
        }
        return 0;
    }

    internal static void Initialize(nint* stack) => s_stack = (nint)stack;
}
