namespace NanoVm.Tasks;

/// <summary>A lock with priority inheritance for which somebody waits: who holds it, and who is next.</summary>
/// <remarks>
/// Linux: <c>futex_pi_state</c> with its <c>rt_mutex</c>. Guarded by the futex table's lock. A lock without waiters has none: its word in user
/// memory says it all.
/// <code>
///   word:    [ owner's thread number | FUTEX_WAITERS ]
///   state:   Owner ── holds ──▶ PiState ── First ──▶ waiter ──▶ waiter …         the most urgent first, then in order of arrival
/// </code>
/// </remarks>
internal sealed class PiState
{
    /// <summary>Who holds the lock; null when he has died and nobody has taken it over yet. Not counted: a dying task leaves all its states.</summary>
    public Task? Owner;

    /// <summary>Others that <see cref="Owner"/> holds (<see cref="Task.HeldPiLocks"/>).</summary>
    public PiState? NextHeld;
    public PiState? PreviousHeld;

    public FutexWaiter? First;
    public FutexWaiter? Last;

    /// <summary>The new owner of a dead one's lock has not written his number into the word yet.</summary>
    public bool IsSettling;
}
