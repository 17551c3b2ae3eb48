using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;
using System.Text.RegularExpressions;

namespace NanoVm.BuildTool;

/// <summary>Turns the compiler's symbols into the names that stand in the source.</summary>
/// <remarks>
/// ilc writes every character that C does not allow as an underscore:
/// <c>Kernel_NanoVm_Core_Boot_Pvh__Read</c>. That cannot be undone by rule, so the same is done to every name in the assemblies and
/// looked up. Behind the name may stand type arguments (<c>&lt;UInt8&gt;</c>) and a number that tells overloads apart.
/// </remarks>
internal sealed partial class MethodNames
{
    private readonly Dictionary<string, string> _readable = [];

    public MethodNames(IEnumerable<string> assemblies)
    {
        foreach (string assembly in assemblies)
            Read(assembly);
    }

    /// <summary>The name in the source, or the symbol itself for assembly and for what the compiler has made up.</summary>
    public string Readable(string symbol)
    {
        string plain = RemoveTypeArguments(symbol);
        return _readable.GetValueOrDefault(plain)
            ?? _readable.GetValueOrDefault(OverloadNumber().Replace(plain, ""))
            ?? symbol;
    }

    private void Read(string path)
    {
        using var file = new PEReader(File.OpenRead(path));
        MetadataReader metadata = file.GetMetadataReader();
        string assembly = metadata.GetString(metadata.GetAssemblyDefinition().Name);
        foreach (TypeDefinitionHandle handle in metadata.TypeDefinitions)
        {
            TypeDefinition type = metadata.GetTypeDefinition(handle);
            string typeName = FullName(metadata, type);
            string mangledType = Mangle($"{assembly}_{typeName}");
            string readableType = Arity().Replace(typeName, "");
            foreach (MethodDefinitionHandle method in type.GetMethods())
            {
                string name = metadata.GetString(metadata.GetMethodDefinition(method).Name);
                _readable.TryAdd($"{mangledType}__{Mangle(name)}", $"{readableType}.{ReadableMember(name)}");
            }
        }
    }

    private static string FullName(MetadataReader metadata, TypeDefinition type)
    {
        string name = metadata.GetString(type.Name);
        if (!type.GetDeclaringType().IsNil)
            return $"{FullName(metadata, metadata.GetTypeDefinition(type.GetDeclaringType()))}.{name}";
        string space = metadata.GetString(type.Namespace);
        return space.Length == 0 ? name : $"{space}.{name}";
    }

    // What the language compiler has made of a local function or lambda: <Outer>g__Name|0_1, <Outer>b__0_1.
    private static string ReadableMember(string name)
    {
        Match match = LocalFunction().Match(name);
        return match.Success ? $"{match.Groups[1].Value}.{match.Groups[2].Value}" : name;
    }

    private static string Mangle(string name)
    {
        var text = new StringBuilder(name.Length);
        foreach (char c in name)
            text.Append(char.IsAsciiLetterOrDigit(c) ? c : '_');
        return text.ToString();
    }

    private static string RemoveTypeArguments(string symbol)
    {
        if (!symbol.Contains('<'))
            return symbol;
        var text = new StringBuilder(symbol.Length);
        int depth = 0;
        foreach (char c in symbol)
        {
            if (c == '<')
                depth++;
            else if (c == '>')
                depth--;
            else if (depth == 0)
                text.Append(c);
        }
        return text.ToString();
    }

    [GeneratedRegex(@"_\d+$")]
    private static partial Regex OverloadNumber();

    [GeneratedRegex(@"`\d+")]
    private static partial Regex Arity();

    [GeneratedRegex(@"^<(\w+)>\w__(\w+)\|")]
    private static partial Regex LocalFunction();
}
