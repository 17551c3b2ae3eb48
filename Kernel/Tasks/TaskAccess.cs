using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>Whether one task may look into or change another. Linux: <c>ptrace_may_access</c> with real credentials.</summary>
internal static class TaskAccess
{
    public static bool MayInspect(Task caller, Task target)
    {
        if (ReferenceEquals(caller.Group, target.Group))
            return true;
        Credentials mine = caller.Credentials, theirs = target.Credentials;
        bool same = mine.Uid == theirs.EffectiveUid && mine.Uid == theirs.SavedUid && mine.Uid == theirs.Uid
            && mine.Gid == theirs.EffectiveGid && mine.Gid == theirs.SavedGid && mine.Gid == theirs.Gid;
        if (mine.Has(Capability.SysPtrace))
            return true;
        return same && target.Mm is not { Dumpable: not 1 } && (theirs.PermittedCapabilities & ~mine.PermittedCapabilities) == 0;
    }
}
