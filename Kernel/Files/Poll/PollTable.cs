using NanoVm.Core.Sync;

namespace NanoVm.Files;

/// <summary>Who polls: collects the queues whose waking means that a file's readiness may have changed.</summary>
/// <remarks>
/// Linux: <c>poll_table</c>. A file's <c>Poll</c> calls <see cref="Register"/> once for each of its queues and then answers what it
/// is ready for now. The next time round the caller passes null: it is in the queues already.
/// </remarks>
internal abstract class PollTable
{
    /// <summary>Joins <paramref name="queue"/>, which lives as long as the polled file is open.</summary>
    /// <remarks>Cannot be refused: want of memory is remembered by the table and told by the call at its end.</remarks>
    public abstract void Register(ref WaitQueue queue);

    /// <summary>One of the queues has woken. Interrupts are off.</summary>
    internal abstract void Wake();
}
