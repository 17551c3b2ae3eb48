namespace NanoVm.Files.Sockets;

/// <summary>A local socket. Linux: <c>unix_sock</c>.</summary>
internal sealed class Socket
{
}
