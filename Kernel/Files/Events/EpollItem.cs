namespace NanoVm.Files.Events;

/// <summary>One file watched by one epoll file. Linux: <c>epitem</c>.</summary>
internal sealed class EpollItem
{
}
