namespace System.Reflection;

/// <summary>The member an indexer stands for; written by the language compiler.</summary>
public sealed class DefaultMemberAttribute(string memberName) : Attribute
{
    /// <summary>Its name.</summary>
    public string MemberName { get; } = memberName;
}

/// <summary>A fact about the assembly.</summary>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class AssemblyMetadataAttribute(string key, string? value) : Attribute
{
    /// <summary>What it is about.</summary>
    public string Key { get; } = key;

    /// <summary>The fact.</summary>
    public string? Value { get; } = value;
}
