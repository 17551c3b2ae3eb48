using System;

namespace NanoVm.Files.Terminal;

/// <summary>What a master in packet mode is told. Linux: <c>TIOCPKT_*</c>.</summary>
[Flags]
internal enum PacketEvents : byte
{
    None = 0,
    FlushRead = 1,
    FlushWrite = 2,
    Stop = 4,
    Start = 8,
    NoStop = 16,
    DoStop = 32,
}
