namespace NanoVm.Memory.Virtual;

/// <summary>What a thread has read and written: <c>/proc/PID/io</c>.</summary>
/// <remarks>Linux: <c>task_io_accounting</c>. The thread alone changes its own; no lock.</remarks>
internal struct IoCounts
{
    /// <summary>Bytes that calls such as <c>read</c> returned, wherever they came from.</summary>
    public ulong BytesRead;
    public ulong BytesWritten;

    /// <summary>Calls, also those that failed.</summary>
    public ulong Reads;
    public ulong Writes;

    /// <summary>Bytes that a disk was asked for on behalf of the thread.</summary>
    public ulong DiskBytesRead;

    /// <summary>Bytes of clean pages of a disk's files that the thread made dirty: what will have to be written because of it.</summary>
    public ulong DiskBytesWritten;

    /// <summary>Bytes of changed pages that the thread threw away, by truncating: somebody counted them as to be written.</summary>
    public ulong DiskBytesCancelled;

    /// <summary>Adds the counts of a thread that ends.</summary>
    public void Add(in IoCounts other)
    {
        BytesRead += other.BytesRead;
        BytesWritten += other.BytesWritten;
        Reads += other.Reads;
        Writes += other.Writes;
        DiskBytesRead += other.DiskBytesRead;
        DiskBytesWritten += other.DiskBytesWritten;
        DiskBytesCancelled += other.DiskBytesCancelled;
    }
}
