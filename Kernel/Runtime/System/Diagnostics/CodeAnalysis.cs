// Attributes by which the compiler follows null and assignment through calls. They mean what they mean in .NET.
#pragma warning disable CS1591
namespace System.Diagnostics.CodeAnalysis;

public sealed class AllowNullAttribute : Attribute;

public sealed class DisallowNullAttribute : Attribute;

public sealed class MaybeNullAttribute : Attribute;

public sealed class NotNullAttribute : Attribute;

public sealed class DoesNotReturnAttribute : Attribute;

public sealed class UnscopedRefAttribute : Attribute;

public sealed class SetsRequiredMembersAttribute : Attribute;

public sealed class MaybeNullWhenAttribute(bool returnValue) : Attribute
{
    public bool ReturnValue { get; } = returnValue;
}

public sealed class NotNullWhenAttribute(bool returnValue) : Attribute
{
    public bool ReturnValue { get; } = returnValue;
}

public sealed class DoesNotReturnIfAttribute(bool parameterValue) : Attribute
{
    public bool ParameterValue { get; } = parameterValue;
}

[AttributeUsage(AttributeTargets.All, AllowMultiple = true)]
public sealed class NotNullIfNotNullAttribute(string parameterName) : Attribute
{
    public string ParameterName { get; } = parameterName;
}

[AttributeUsage(AttributeTargets.All, AllowMultiple = true)]
public sealed class MemberNotNullAttribute : Attribute
{
    public MemberNotNullAttribute(string member) => Member = member;

    public MemberNotNullAttribute(params string[] members) => Members = members;

    public string? Member { get; }

    public string[]? Members { get; }
}

[AttributeUsage(AttributeTargets.All, AllowMultiple = true)]
public sealed class MemberNotNullWhenAttribute : Attribute
{
    public MemberNotNullWhenAttribute(bool returnValue, string member)
    {
        ReturnValue = returnValue;
        Member = member;
    }

    public MemberNotNullWhenAttribute(bool returnValue, params string[] members)
    {
        ReturnValue = returnValue;
        Members = members;
    }

    public bool ReturnValue { get; }

    public string? Member { get; }

    public string[]? Members { get; }
}

[AttributeUsage(AttributeTargets.All, AllowMultiple = true)]
public sealed class SuppressMessageAttribute(string category, string checkId) : Attribute
{
    public string Category { get; } = category;

    public string CheckId { get; } = checkId;

    public string? Justification { get; set; }
}

public sealed class ExcludeFromCodeCoverageAttribute : Attribute
{
    public string? Justification { get; set; }
}

public sealed class ConstantExpectedAttribute : Attribute
{
    public object? Min { get; set; }

    public object? Max { get; set; }
}

public sealed class ExperimentalAttribute(string diagnosticId) : Attribute
{
    public string DiagnosticId { get; } = diagnosticId;
}
