namespace System;

/// <summary>The base of attributes.</summary>
public abstract class Attribute
{
}

/// <summary>What an attribute may stand on.</summary>
[Flags]
public enum AttributeTargets
{
    /// <summary>An assembly.</summary>
    Assembly = 0x0001,
    /// <summary>A module.</summary>
    Module = 0x0002,
    /// <summary>A class.</summary>
    Class = 0x0004,
    /// <summary>A structure.</summary>
    Struct = 0x0008,
    /// <summary>An enumeration.</summary>
    Enum = 0x0010,
    /// <summary>A constructor.</summary>
    Constructor = 0x0020,
    /// <summary>A method.</summary>
    Method = 0x0040,
    /// <summary>A property.</summary>
    Property = 0x0080,
    /// <summary>A field.</summary>
    Field = 0x0100,
    /// <summary>An event.</summary>
    Event = 0x0200,
    /// <summary>An interface.</summary>
    Interface = 0x0400,
    /// <summary>A parameter.</summary>
    Parameter = 0x0800,
    /// <summary>A delegate.</summary>
    Delegate = 0x1000,
    /// <summary>A return value.</summary>
    ReturnValue = 0x2000,
    /// <summary>A type parameter.</summary>
    GenericParameter = 0x4000,
    /// <summary>Everything.</summary>
    All = 0x7FFF,
}

/// <summary>Says what an attribute may stand on.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class AttributeUsageAttribute(AttributeTargets validOn) : Attribute
{
    /// <summary>What it may stand on.</summary>
    public AttributeTargets ValidOn { get; } = validOn;

    /// <summary>True when it may stand there more than once.</summary>
    public bool AllowMultiple { get; set; }

    /// <summary>True when derived members have it too.</summary>
    public bool Inherited { get; set; } = true;
}

/// <summary>The values of this enumeration are bits to be combined.</summary>
[AttributeUsage(AttributeTargets.Enum)]
public sealed class FlagsAttribute : Attribute
{
}

/// <summary>Has a better successor.</summary>
public sealed class ObsoleteAttribute(string? message, bool error) : Attribute
{
    /// <summary>Has a better successor.</summary>
    public ObsoleteAttribute(string? message) : this(message, false)
    {
    }

    /// <summary>What to use instead.</summary>
    public string? Message { get; } = message;

    /// <summary>True when using it is an error.</summary>
    public bool IsError { get; } = error;
}

/// <summary>Takes a list of arguments.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
public sealed class ParamArrayAttribute : Attribute
{
}

/// <summary>A field with one copy a thread. There are none: the kernel has per-CPU data.</summary>
[AttributeUsage(AttributeTargets.Field)]
public sealed class ThreadStaticAttribute : Attribute
{
}

/// <summary>Follows the rules common to all languages of the platform.</summary>
public sealed class CLSCompliantAttribute(bool isCompliant) : Attribute
{
    /// <summary>True when it does.</summary>
    public bool IsCompliant { get; } = isCompliant;
}
