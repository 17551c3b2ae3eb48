using System.Text.RegularExpressions;

namespace NanoVm.Tests.Qemu;

/// <summary>One result of a KTAP report: a case, or a group of cases with a report of its own.</summary>
/// <param name="Name">Names of the groups it is in and its own, with slashes between.</param>
/// <param name="Passed">Whether it says <c>ok</c>.</param>
/// <param name="Notes">The diagnostic lines before it, which say why it failed.</param>
public sealed record KtapResult(string Name, bool Passed, bool IsGroup, string Notes);

/// <summary>Reads KTAP (the Linux documentation's dev-tools/ktap): results in order, and what is wrong with the report itself.</summary>
public sealed partial class KtapReport
{
    private readonly string[] _lines;
    private int _at;

    private KtapReport(string[] lines) => _lines = lines;

    public List<KtapResult> Results { get; } = [];

    /// <summary>Missing or contradicting versions, plans and numbers: a report with any of them proves nothing.</summary>
    public List<string> Faults { get; } = [];

    public static KtapReport Parse(string text)
    {
        var report = new KtapReport(text.Split('\n').Select(line => line.TrimEnd('\r')).ToArray());
        if (report._lines[0] != "KTAP version 1")
            report.Faults.Add("the first line is not 'KTAP version 1': " + report._lines[0]);
        else
            report.ReadGroup(indent: 0, path: "");
        return report;
    }

    /// <summary>Reads one report from its version line on, to its end: where the text is indented less, or all of it has been read.</summary>
    private void ReadGroup(int indent, string path)
    {
        int? planned = null;
        int results = 0;
        bool groupBefore = false;
        int firstInGroup = 0;
        var notes = new List<string>();
        for (_at++; _at < _lines.Length; _at++)
        {
            string line = _lines[_at];
            int depth = line.Length - line.TrimStart(' ').Length;
            string rest = line[depth..];
            if (rest.Length == 0)
                continue;
            if (depth < indent && Known().IsMatch(rest))
            {
                _at--;
                break;
            }
            if (depth > indent && rest.StartsWith("KTAP version", StringComparison.Ordinal))
            {
                groupBefore = true;
                firstInGroup = Results.Count;
                // The group's name is that of the result which follows it.
                string name = _lines.Skip(_at).TakeWhile(l => !IsResultAt(l, indent)).Count() is var skip && _at + skip < _lines.Length
                    ? Result().Match(_lines[_at + skip][indent..]).Groups["name"].Value.Trim()
                    : "unfinished group";
                ReadGroup(depth, path + name + " / ");
                continue;
            }
            if (Plan().Match(rest) is { Success: true } plan)
            {
                if (planned is not null)
                    Faults.Add($"{path}: two plans");
                planned = int.Parse(plan.Groups[1].Value);
            }
            else if (Result().Match(rest) is { Success: true } result)
            {
                results++;
                if (result.Groups["number"].Value != results.ToString())
                    Faults.Add($"{path}: result {results} is numbered {result.Groups["number"].Value}: {rest}");
                Results.Add(new KtapResult(path + result.Groups["name"].Value.Trim(), result.Groups["no"].Length == 0, groupBefore, string.Join('\n', notes)));
                notes.Clear();
                groupBefore = false;
            }
            else if (rest.StartsWith("Bail out!", StringComparison.Ordinal))
            {
                Faults.Add(path + rest);
            }
            else
            {
                notes.Add(rest);
            }
        }
        if (planned is null)
            Faults.Add($"{path}: no plan");
        else if (planned != results)
            Faults.Add($"{path}: planned {planned}, saw {results}");
        if (groupBefore)
            Faults.Add($"{path}: the group that begins with result {firstInGroup} has no result of its own");
    }

    private static bool IsResultAt(string line, int indent) =>
        line.Length > indent && line[..indent].Trim().Length == 0 && line[indent] != ' ' && Result().IsMatch(line[indent..]);

    [GeneratedRegex(@"^(?<no>not )?ok (?<number>\d+)( -)?(?<name>[^#]*)")]
    private static partial Regex Result();

    [GeneratedRegex(@"^1\.\.(\d+)")]
    private static partial Regex Plan();

    [GeneratedRegex(@"^((not )?ok \d|1\.\.\d|KTAP version)")]
    private static partial Regex Known();
}
