namespace NanoVm.Files.Events;

/// <summary>An epoll file. Linux: <c>eventpoll</c>.</summary>
internal static class EventPoll
{
    /// <summary>The last reference to a watched file is gone: no epoll file watches it any more. Linux: <c>eventpoll_release_file</c>.</summary>
    public static void FileReleased<T>(T file)
        where T : class
    {
    }
}
