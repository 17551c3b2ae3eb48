// Attributes and marker types that the language compiler writes or asks for. They mean what they mean in .NET.
#pragma warning disable CS1591
namespace System.Runtime.CompilerServices;

/// <summary>The compiler replaces calls of this method.</summary>
public sealed class IntrinsicAttribute : Attribute;

/// <summary>How a method is to be compiled.</summary>
public sealed class MethodImplAttribute(MethodImplOptions options) : Attribute
{
    public MethodImplOptions Value { get; } = options;
}

/// <summary>How a method is to be compiled.</summary>
[Flags]
public enum MethodImplOptions
{
    /// <summary>Not written in IL.</summary>
    Unmanaged = 4,
    /// <summary>Never copied into its callers.</summary>
    NoInlining = 8,
    /// <summary>Not optimised.</summary>
    NoOptimization = 64,
    /// <summary>Copied into its callers wherever that is possible.</summary>
    AggressiveInlining = 256,
    /// <summary>Optimised even where that costs time.</summary>
    AggressiveOptimization = 512,
    /// <summary>A call to a symbol outside of the IL.</summary>
    InternalCall = 4096,
}

public sealed class InlineArrayAttribute(int length) : Attribute
{
    public int Length { get; } = length;
}

public sealed class ExtensionAttribute : Attribute;

public sealed class IsReadOnlyAttribute : Attribute;

public sealed class IsByRefLikeAttribute : Attribute;

public sealed class IsUnmanagedAttribute : Attribute;

public sealed class RequiresLocationAttribute : Attribute;

public sealed class ScopedRefAttribute : Attribute;

public sealed class RefSafetyRulesAttribute(int version) : Attribute
{
    public int Version { get; } = version;
}

public sealed class CompilerGeneratedAttribute : Attribute;

public sealed class RequiredMemberAttribute : Attribute;

[AttributeUsage(AttributeTargets.All, AllowMultiple = true)]
public sealed class CompilerFeatureRequiredAttribute(string featureName) : Attribute
{
    public string FeatureName { get; } = featureName;

    public bool IsOptional { get; set; }
}

public sealed class SkipLocalsInitAttribute : Attribute;

public sealed class ModuleInitializerAttribute : Attribute;

public sealed class CallerMemberNameAttribute : Attribute;

public sealed class CallerFilePathAttribute : Attribute;

public sealed class CallerLineNumberAttribute : Attribute;

public sealed class CallerArgumentExpressionAttribute(string parameterName) : Attribute
{
    public string ParameterName { get; } = parameterName;
}

public sealed class OverloadResolutionPriorityAttribute(int priority) : Attribute
{
    public int Priority { get; } = priority;
}

public sealed class CollectionBuilderAttribute(Type builderType, string methodName) : Attribute
{
    public Type BuilderType { get; } = builderType;

    public string MethodName { get; } = methodName;
}

public sealed class ParamCollectionAttribute : Attribute;

public sealed class InterpolatedStringHandlerAttribute : Attribute;

public sealed class InterpolatedStringHandlerArgumentAttribute : Attribute
{
    public InterpolatedStringHandlerArgumentAttribute(string argument) => Arguments = argument;

    public InterpolatedStringHandlerArgumentAttribute(params string[] arguments) => ArgumentList = arguments;

    public string? Arguments { get; }

    public string[]? ArgumentList { get; }
}

public sealed class FixedBufferAttribute(Type elementType, int length) : Attribute
{
    public Type ElementType { get; } = elementType;

    public int Length { get; } = length;
}

public sealed class UnsafeValueTypeAttribute : Attribute;

[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class InternalsVisibleToAttribute(string assemblyName) : Attribute
{
    public string AssemblyName { get; } = assemblyName;
}

public sealed class CompilationRelaxationsAttribute(int relaxations) : Attribute
{
    public int CompilationRelaxations { get; } = relaxations;
}

public sealed class RuntimeCompatibilityAttribute : Attribute
{
    public bool WrapNonExceptionThrows { get; set; }
}

public sealed class EagerStaticClassConstructionAttribute : Attribute;

public sealed class NullableAttribute : Attribute
{
    public NullableAttribute(byte flag) => Flag = flag;

    public NullableAttribute(byte[] flags) => Flags = flags;

    public byte Flag { get; }

    public byte[]? Flags { get; }
}

public sealed class NullableContextAttribute(byte flag) : Attribute
{
    public byte Flag { get; } = flag;
}

public sealed class NullablePublicOnlyAttribute(bool includesInternals) : Attribute
{
    public bool IncludesInternals { get; } = includesInternals;
}

/// <summary>Marks a setter that only runs during initialization.</summary>
public static class IsExternalInit;

/// <summary>Marks a volatile field.</summary>
public static class IsVolatile;

/// <summary>Marks a constant of the <c>volatile</c> kind.</summary>
public static class IsConst;

/// <summary>Marks the constraint <c>unmanaged</c>.</summary>
public static class UnmanagedType;

/// <summary>The calling convention of C, for function pointers.</summary>
public class CallConvCdecl;

/// <summary>The calling convention that skips the transition, for function pointers.</summary>
public class CallConvSuppressGCTransition;

/// <summary>Thrown by generated code when no arm of a switch expression matches.</summary>
public sealed class SwitchExpressionException : InvalidOperationException
{
    public SwitchExpressionException()
    {
    }

    public SwitchExpressionException(object? unmatchedValue)
    {
    }
}

/// <summary>Gives access to tuple element names.</summary>
public sealed class TupleElementNamesAttribute(string?[] names) : Attribute
{
    public string?[] TransformNames { get; } = names;
}

/// <summary>A tuple, for list patterns and deconstruction.</summary>
public interface ITuple
{
    int Length { get; }
}
