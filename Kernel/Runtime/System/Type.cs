using System.Runtime.CompilerServices;

namespace System;

/// <summary>A type, as far as <c>typeof(A) == typeof(B)</c> needs it: the compiler decides such comparisons itself.</summary>
public abstract class Type
{
    /// <summary>The type of a handle. The compiler replaces the call.</summary>
    [Intrinsic]
    public static Type GetTypeFromHandle(RuntimeTypeHandle handle)
    {
        ThrowHelper.Panic("typeof outside of a comparison");
        return null!;
    }

    /// <summary>True when both are one type.</summary>
    [Intrinsic]
    public static bool operator ==(Type? left, Type? right) => ReferenceEquals(left, right);

    /// <summary>True when the types differ.</summary>
    [Intrinsic]
    public static bool operator !=(Type? left, Type? right) => !ReferenceEquals(left, right);
}

/// <summary>The class of type objects that a full runtime would make. The compiler looks it up by name.</summary>
internal sealed class RuntimeType : Type
{
}

/// <summary>A type in metadata.</summary>
public struct RuntimeTypeHandle
{
    private nint _value;
}

/// <summary>A method in metadata.</summary>
public struct RuntimeMethodHandle
{
    private nint _value;
}

/// <summary>A field in metadata.</summary>
public struct RuntimeFieldHandle
{
    private nint _value;
}
