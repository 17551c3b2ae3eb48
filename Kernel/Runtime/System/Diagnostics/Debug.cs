using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace System.Diagnostics;

/// <summary>Checks that only a debug build makes.</summary>
public static class Debug
{
    /// <summary>Stops with the text of the condition when it is false.</summary>
    [Conditional("DEBUG")]
    public static void Assert(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string? message = null)
    {
        if (!condition)
            Environment.FailFast(message);
    }

    /// <summary>Stops.</summary>
    [Conditional("DEBUG")]
    [DoesNotReturn]
    public static void Fail(string? message) => Environment.FailFast(message);
}

/// <summary>Calls are compiled only where the symbol is defined.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method, AllowMultiple = true)]
public sealed class ConditionalAttribute(string conditionString) : Attribute
{
    /// <summary>The symbol.</summary>
    public string ConditionString { get; } = conditionString;
}

/// <summary>How the compiler treats the assembly under a debugger.</summary>
public sealed class DebuggableAttribute(DebuggableAttribute.DebuggingModes modes) : Attribute
{
    /// <summary>The chosen modes.</summary>
    public DebuggingModes DebuggingFlags { get; } = modes;

    /// <summary>The modes there are.</summary>
    [Flags]
    public enum DebuggingModes
    {
        /// <summary>None.</summary>
        None = 0,
        /// <summary>As the compiler wishes.</summary>
        Default = 1,
        /// <summary>Sequence points come from the symbol file.</summary>
        IgnoreSymbolStoreSequencePoints = 2,
        /// <summary>Code may be changed under the debugger.</summary>
        EnableEditAndContinue = 4,
        /// <summary>The optimiser is off.</summary>
        DisableOptimizations = 256,
    }
}

/// <summary>How a debugger shows a type.</summary>
[AttributeUsage(AttributeTargets.All, AllowMultiple = true)]
public sealed class DebuggerDisplayAttribute(string? value) : Attribute
{
    /// <summary>The format.</summary>
    public string? Value { get; } = value;
}

/// <summary>A debugger passes over it.</summary>
public sealed class DebuggerHiddenAttribute : Attribute
{
}

/// <summary>A debugger does not step into it.</summary>
public sealed class DebuggerStepThroughAttribute : Attribute
{
}

/// <summary>Whether a debugger shows a member.</summary>
public sealed class DebuggerBrowsableAttribute(DebuggerBrowsableState state) : Attribute
{
    /// <summary>How.</summary>
    public DebuggerBrowsableState State { get; } = state;
}

/// <summary>Whether a debugger shows a member.</summary>
public enum DebuggerBrowsableState
{
    /// <summary>Not at all.</summary>
    Never = 0,
    /// <summary>Folded.</summary>
    Collapsed = 2,
    /// <summary>Its members in its place.</summary>
    RootHidden = 3,
}
