using System;

namespace NanoVm.Files;

/// <summary>What a file is ready for. Linux: <c>EPOLLIN</c> and its companions; the low 16 bits are <c>POLLIN</c> and so on.</summary>
[Flags]
internal enum PollEvents : uint
{
    /// <summary>Not ready.</summary>
    None = 0,

    /// <summary>Can be read without blocking.</summary>
    In = 0x1,

    /// <summary>An exceptional condition.</summary>
    Pri = 0x2,

    /// <summary>Can be written without blocking.</summary>
    Out = 0x4,

    /// <summary>An error; always reported.</summary>
    Err = 0x8,

    /// <summary>The other side is gone; always reported.</summary>
    Hup = 0x10,

    /// <summary>Not an open descriptor; always reported by <c>poll</c>.</summary>
    Nval = 0x20,

    /// <summary>As <see cref="In"/>.</summary>
    RdNorm = 0x40,

    /// <summary>Priority data; not used here.</summary>
    RdBand = 0x80,

    /// <summary>As <see cref="Out"/>.</summary>
    WrNorm = 0x100,

    /// <summary>Priority data may be written.</summary>
    WrBand = 0x200,

    /// <summary>Not used.</summary>
    Msg = 0x400,

    /// <summary>The other side of a socket will write no more.</summary>
    RdHup = 0x2000,

    /// <summary>Epoll: wake one of several epoll files only.</summary>
    Exclusive = 1u << 28,

    /// <summary>Epoll: accepted, no meaning without suspend.</summary>
    WakeUp = 1u << 29,

    /// <summary>Epoll: disabled after one report.</summary>
    OneShot = 1u << 30,

    /// <summary>Epoll: reported on a change only.</summary>
    EdgeTriggered = 1u << 31,

    /// <summary>Readable, both bits.</summary>
    Readable = In | RdNorm,

    /// <summary>Writable, both bits.</summary>
    Writable = Out | WrNorm,
}
