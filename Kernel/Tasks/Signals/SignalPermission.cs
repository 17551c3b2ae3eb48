using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>Who may send a signal to whom. Linux: <c>check_kill_permission</c>, <c>kill_ok_by_cred</c>; man 2 kill.</summary>
internal static class SignalPermission
{
    /// <param name="code">Of the information: what the kernel sends is always allowed.</param>
    public static bool MaySend(Task sender, Task target, int signal, int code)
    {
        if (code > 0 || ReferenceEquals(sender.Group, target.Group))
            return true;
        Credentials mine = sender.Credentials;
        Credentials theirs = target.Credentials;
        if (mine.EffectiveUid == theirs.SavedUid || mine.EffectiveUid == theirs.Uid
            || mine.Uid == theirs.SavedUid || mine.Uid == theirs.Uid)
            return true;
        if (mine.Has(Capability.Kill))
            return true;
        // A shell may continue whatever it has started.
        return signal == SignalNumber.Continue && sender.Group.Session is not null
            && ReferenceEquals(sender.Group.Session, target.Group.Session);
    }
}
