using System;

namespace NanoVm.Tasks;

/// <summary>Host name and domain name, as <c>uname</c> shows them and <c>sethostname</c> changes them.</summary>
internal sealed class SystemNames
{
    /// <summary>Bytes of a name without its NUL. Linux: <c>__NEW_UTS_LEN</c>.</summary>
    public const int MaximumBytes = 64;

    /// <summary>The most a limit on open files may allow. <c>/proc/sys/fs/nr_open</c>.</summary>
    public const ulong MaximumOpenFiles = 1048576;

    public static ReadOnlySpan<byte> KernelName => "Linux"u8;

    /// <summary>C libraries look at the number and refuse kernels that are too old.</summary>
    public static ReadOnlySpan<byte> Release => "6.1.0-nanovm"u8;
    public static ReadOnlySpan<byte> Version => "#1 NanoVM"u8;
    public static ReadOnlySpan<byte> Machine => "x86_64"u8;

    private readonly byte[] _host = new byte[MaximumBytes];
    private readonly byte[] _domain = new byte[MaximumBytes];
    private int _hostBytes, _domainBytes;

    public SystemNames()
    {
        SetHost("nanovm"u8);
        SetDomain("(none)"u8);
    }

    public ReadOnlySpan<byte> Host => new(_host, 0, _hostBytes);
    public ReadOnlySpan<byte> Domain => new(_domain, 0, _domainBytes);

    /// <summary>At most <see cref="MaximumBytes"/> bytes; the caller has checked.</summary>
    public void SetHost(ReadOnlySpan<byte> name)
    {
        name.CopyTo(_host);
        _hostBytes = name.Length;
    }

    public void SetDomain(ReadOnlySpan<byte> name)
    {
        name.CopyTo(_domain);
        _domainBytes = name.Length;
    }
}
