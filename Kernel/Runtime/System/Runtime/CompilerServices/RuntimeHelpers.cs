using System.Runtime.InteropServices;

namespace System.Runtime.CompilerServices;

/// <summary>Helpers that the language compiler calls.</summary>
public static unsafe class RuntimeHelpers
{
    /// <summary>Fills a new array from constant data. The compiler replaces the call where it can.</summary>
    [Intrinsic]
    public static void InitializeArray(Array array, RuntimeFieldHandle field) =>
        ThrowHelper.Panic("an array initializer was not compiled away");

    /// <summary>A span over constant data. Always replaced by the compiler.</summary>
    [Intrinsic]
    public static ReadOnlySpan<T> CreateSpan<T>(RuntimeFieldHandle field)
    {
        ThrowHelper.Panic("constant data was not compiled away");
        return default;
    }

    /// <summary>True when <typeparamref name="T"/> is or holds references.</summary>
    [Intrinsic]
    public static bool IsReferenceOrContainsReferences<T>() where T : allows ref struct =>
        IsReferenceOrContainsReferences<T>();

    /// <summary>Bytes before the characters of a string.</summary>
    public static int OffsetToStringData => 12;
}

/// <summary>What the compiler may take for granted about this core library: the language asks by the names of these fields.</summary>
public static class RuntimeFeature
{
    /// <summary>References may be fields of structures.</summary>
    public const string ByRefFields = nameof(ByRefFields);

    /// <summary>A reference structure may be a type argument.</summary>
    public const string ByRefLikeGenerics = nameof(ByRefLikeGenerics);

    /// <summary>Interfaces may have static abstract members.</summary>
    public const string VirtualStaticsInInterfaces = nameof(VirtualStaticsInInterfaces);

    /// <summary>Interfaces may have bodies.</summary>
    public const string DefaultImplementationsOfInterfaces = nameof(DefaultImplementationsOfInterfaces);

    /// <summary>Function pointers know calling conventions.</summary>
    public const string UnmanagedSignatureCallingConvention = nameof(UnmanagedSignatureCallingConvention);

    /// <summary>An override may return a derived type.</summary>
    public const string CovariantReturnsOfClasses = nameof(CovariantReturnsOfClasses);

    /// <summary>There are <c>nint</c> and <c>nuint</c>.</summary>
    public const string NumericIntPtr = nameof(NumericIntPtr);

    /// <summary>Debug data may be portable.</summary>
    public const string PortablePdb = nameof(PortablePdb);
}
