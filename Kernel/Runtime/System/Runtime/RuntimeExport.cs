namespace System.Runtime;

/// <summary>Gives a method a symbol that assembly can call, with no code in between.</summary>
public sealed class RuntimeExportAttribute(string entry) : Attribute
{
    /// <summary>The symbol.</summary>
    public string EntryPoint { get; } = entry;
}

/// <summary>A method whose body is a symbol of the link, mostly assembly. Write <c>"*"</c> for the library.</summary>
public sealed class RuntimeImportAttribute : Attribute
{
    /// <summary>The body is the symbol <paramref name="entry"/>.</summary>
    public RuntimeImportAttribute(string dllName, string entry)
    {
        DllName = dllName;
        EntryPoint = entry;
    }

    /// <summary>The library: always "*".</summary>
    public string DllName { get; }

    /// <summary>The symbol.</summary>
    public string EntryPoint { get; }
}
