// Attributes of layout and calling. They mean what they mean in .NET.
#pragma warning disable CS1591
namespace System.Runtime.InteropServices;

/// <summary>How the fields of a structure are laid out.</summary>
public enum LayoutKind
{
    /// <summary>In the order of the source.</summary>
    Sequential = 0,
    /// <summary>Where each field says.</summary>
    Explicit = 2,
    /// <summary>As the compiler likes.</summary>
    Auto = 3,
}

/// <summary>The encoding of text in calls to C.</summary>
public enum CharSet
{
    None = 1,
    Ansi = 2,
    Unicode = 3,
    Auto = 4,
}

public sealed class StructLayoutAttribute(LayoutKind layoutKind) : Attribute
{
    public int Pack;
    public int Size;
    public CharSet CharSet;

    public LayoutKind Value { get; } = layoutKind;
}

public sealed class FieldOffsetAttribute(int offset) : Attribute
{
    public int Value { get; } = offset;
}

public sealed class InAttribute : Attribute;

public sealed class OutAttribute : Attribute;

public sealed class UnmanagedCallersOnlyAttribute : Attribute
{
    public Type[]? CallConvs;
    public string? EntryPoint;
}

public sealed class SuppressGCTransitionAttribute : Attribute;

/// <summary>The kind of a value in a call to C.</summary>
public enum UnmanagedType
{
    /// <summary>As it lies in memory.</summary>
    LPArray = 42,
}

/// <summary>Lets an object say at run time which interfaces it has. The compiler asks for it; nothing implements it.</summary>
public interface IDynamicInterfaceCastable
{
    bool IsInterfaceImplemented(RuntimeTypeHandle interfaceType, bool throwIfNotImplemented);

    RuntimeTypeHandle GetInterfaceImplementation(RuntimeTypeHandle interfaceType);

    internal static unsafe nint GetDynamicInterfaceImplementation(
        IDynamicInterfaceCastable instance, Internal.Runtime.MethodTable* interfaceType, ushort slot)
    {
        ThrowHelper.Panic("interfaces decided at run time do not exist");
        return 0;
    }
}
