using System;
using NanoVm.Core;
using NanoVm.Files.Proc;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Sys;

/// <summary>The files of <c>/sys/kernel/mm/transparent_hugepage</c>.</summary>
internal static class TransparentHugePageFiles
{
    /// <summary>Adds the directory.</summary>
    public static void Add(SysFileSystem sys, HugePagePolicy policy)
    {
        var directory = new ProcDirectory("transparent_hugepage"u8);
        sys.MemoryDirectory.Add(sys, directory);
        directory.Add(sys, new EnabledFile(policy));
        directory.Add(sys, new DefragFile(policy));
        directory.Add(sys, new UseZeroPageFile(policy));
        directory.Add(sys, new SizeFile());
    }
}

/// <summary>A file that shows a choice of words with the one that holds in brackets, and takes another. Linux: <c>enabled_show</c> and its kin.</summary>
internal abstract class ChoiceFile(ReadOnlySpan<byte> name) : ProcPage(name, 0x1A4)
{
    /// <summary>The word number <paramref name="index"/>; empty beyond the last.</summary>
    protected abstract ReadOnlySpan<byte> WordAt(int index);

    /// <summary>Which one holds.</summary>
    protected abstract int Chosen { get; set; }

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        for (int i = 0; !WordAt(i).IsEmpty; i++)
        {
            w.Text(i == 0 ? default : " "u8);
            w.Text(i == Chosen ? "["u8 : default);
            w.Text(WordAt(i));
            w.Text(i == Chosen ? "]"u8 : default);
        }

        w.Byte((byte)'\n');
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        Span<byte> text = stackalloc byte[32];
        Errno error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return error;
        ReadOnlySpan<byte> word = text.Slice(0, count);
        if (!word.IsEmpty && word[^1] == '\n')
            word = word.Slice(0, word.Length - 1);
        for (int i = 0; !WordAt(i).IsEmpty; i++)
        {
            if (from.Remaining != 0 || !word.SequenceEqual(WordAt(i)))
                continue;
            Chosen = i;
            return total;
        }

        return Errno.EINVAL;
    }
}

/// <summary><c>enabled</c>.</summary>
internal sealed class EnabledFile(HugePagePolicy policy) : ChoiceFile("enabled"u8)
{
    private readonly HugePagePolicy _policy = policy;

    /// <inheritdoc/>
    protected override ReadOnlySpan<byte> WordAt(int index) => index switch
    {
        0 => "always"u8,
        1 => "madvise"u8,
        2 => "never"u8,
        _ => default,
    };

    /// <inheritdoc/>
    protected override int Chosen
    {
        get => HugePageMode.Always - _policy.Mode;
        set => _policy.Mode = HugePageMode.Always - value;
    }
}

/// <summary><c>defrag</c>.</summary>
internal sealed class DefragFile(HugePagePolicy policy) : ChoiceFile("defrag"u8)
{
    private readonly HugePagePolicy _policy = policy;

    /// <inheritdoc/>
    protected override ReadOnlySpan<byte> WordAt(int index) => (HugePageEffort)index switch
    {
        HugePageEffort.Always => "always"u8,
        HugePageEffort.Defer => "defer"u8,
        HugePageEffort.DeferMadvise => "defer+madvise"u8,
        HugePageEffort.Madvise => "madvise"u8,
        HugePageEffort.Never => "never"u8,
        _ => default,
    };

    /// <inheritdoc/>
    protected override int Chosen
    {
        get => (int)_policy.Effort;
        set => _policy.Effort = (HugePageEffort)value;
    }
}

/// <summary><c>use_zero_page</c>: 0 or 1.</summary>
internal sealed class UseZeroPageFile(HugePagePolicy policy) : ProcPage("use_zero_page"u8, 0x1A4)
{
    private readonly HugePagePolicy _policy = policy;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Text(_policy.UseZeroPage ? "1\n"u8 : "0\n"u8);
        return Errno.None;
    }

    /// <inheritdoc/>
    public override Result<long> Write(TaskFiles who, ProcOpenFile file, ref IovIter from, ref long position)
    {
        long total = (long)from.Remaining;
        Span<byte> text = stackalloc byte[4];
        Errno error = from.CopyFromIter(text, out int count);
        if (error != Errno.None)
            return error;
        if (count > 1 && text[count - 1] == '\n')
            count--;
        if (from.Remaining != 0 || count != 1 || text[0] is not ((byte)'0' or (byte)'1'))
            return Errno.EINVAL;
        _policy.UseZeroPage = text[0] == '1';
        return total;
    }
}

/// <summary><c>hpage_pmd_size</c>: bytes.</summary>
internal sealed class SizeFile() : ProcPage("hpage_pmd_size"u8, 0x124)
{
    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        w.Decimal(PageSize.LargeBytes);
        w.Byte((byte)'\n');
        return Errno.None;
    }
}
