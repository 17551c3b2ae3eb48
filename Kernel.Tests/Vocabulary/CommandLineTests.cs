using System.Text;
using NanoVm.Core;
using Xunit;

namespace NanoVm.Tests.Vocabulary;

/// <summary>The kernel's command line: whatever stands there, it is read as a list of words, and a word without effect is told.</summary>
public sealed class CommandLineTests
{
    private const int Lines = 50_000, LongestLine = 60;

    [Fact]
    public void Lines_of_noise_are_read_as_their_words()
    {
        var random = new System.Random(11);
        byte[] letters = [.. "   ==,:ab019-"u8, 0, 9, 10, 0x7f, 0xc3, 0xff];
        string[] names = ["a", "b", "ab", "test", "", "=", "hugepages"];
        for (int i = 0; i < Lines; i++)
        {
            byte[] line = new byte[random.Next(LongestLine)];
            for (int j = 0; j < line.Length; j++)
                line[j] = random.Next(8) == 0 ? (byte)random.Next(256) : letters[random.Next(letters.Length)];
            string text = Encoding.Latin1.GetString(line);
            string[] words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

            ReadOnlySpan<byte> rest = line;
            foreach (string word in words)
            {
                Assert.True(CommandLine.TryNext(ref rest, out ReadOnlySpan<byte> found));
                Assert.Equal(word, Encoding.Latin1.GetString(found));
                Assert.True(CommandLine.Has(line, found));
                _ = CommandLineWords.Judge(found);
            }
            Assert.False(CommandLine.TryNext(ref rest, out _));
            foreach (string name in names)
            {
                string? last = words.LastOrDefault(w => w.Length > name.Length && w.StartsWith(name + "=", StringComparison.Ordinal));
                Assert.Equal(last?[(name.Length + 1)..] ?? "", Encoding.Latin1.GetString(CommandLine.ValueOf(line, Encoding.Latin1.GetBytes(name))));
            }
        }
    }

    [Theory]
    [InlineData("norandmaps", (int)CommandLineWord.Good)]
    [InlineData("norandmaps=1", (int)CommandLineWord.Wrong)]
    [InlineData("la57=", (int)CommandLineWord.Wrong)]
    [InlineData("hugepages=0", (int)CommandLineWord.Good)]
    [InlineData("hugepages=65535", (int)CommandLineWord.Good)]
    [InlineData("hugepages=65536", (int)CommandLineWord.Wrong)]
    [InlineData("hugepages=99999999999999999999", (int)CommandLineWord.Wrong)]
    [InlineData("hugepages=-1", (int)CommandLineWord.Wrong)]
    [InlineData("hugepages=0x10", (int)CommandLineWord.Wrong)]
    [InlineData("hugepages=", (int)CommandLineWord.Wrong)]
    [InlineData("hugepages", (int)CommandLineWord.Wrong)]
    [InlineData("rows=24", (int)CommandLineWord.Good)]
    [InlineData("test=all", (int)CommandLineWord.Good)]
    [InlineData("test=", (int)CommandLineWord.Wrong)]
    [InlineData("trace-calls", (int)CommandLineWord.Good)]
    [InlineData("trace-calls=mmap", (int)CommandLineWord.Good)]
    [InlineData("transparent_hugepage=always", (int)CommandLineWord.Good)]
    [InlineData("transparent_hugepage=x", (int)CommandLineWord.Wrong)]
    [InlineData("vdso=0", (int)CommandLineWord.Good)]
    [InlineData("vdso=2", (int)CommandLineWord.Wrong)]
    [InlineData("quiet", (int)CommandLineWord.Unknown)]
    [InlineData("=", (int)CommandLineWord.Unknown)]
    [InlineData("Hugepages=1", (int)CommandLineWord.Unknown)]
    public void A_word_is_good_or_without_effect_or_unknown(string word, int verdict)
        => Assert.Equal((CommandLineWord)verdict, CommandLineWords.Judge(Encoding.Latin1.GetBytes(word)));

    [Fact]
    public void Every_word_that_fail_may_have_is_read_and_no_other()
    {
        Assert.True(FailureWords.TryParse("frame,table:12+"u8, out _, out ulong number, out bool repeat));
        Assert.True(number == 12 && repeat);
        string[] bad = ["", ":", "frame", "frame:", ":1", "frame:0", "frame:-1", "frame:1x", "frame:++", "frame:9999999999999999999", "frame,:1", ",frame:1", "nothing:1"];
        foreach (string text in bad)
            Assert.False(FailureWords.TryParse(Encoding.Latin1.GetBytes(text), out _, out _, out _), text);
    }
}
