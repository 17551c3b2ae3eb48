using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>How capabilities follow user numbers.</summary>
/// <remarks>Linux: <c>security/commoncap.c</c>; capabilities(7).</remarks>
internal static class CredentialRules
{
    public const uint NoRoot = 1 << 0, NoSetUidFixup = 1 << 2, KeepCapabilities = 1 << 4, NoAmbientRaise = 1 << 6;

    private const ulong FileCapabilities = (1ul << (int)Capability.Chown) | (1ul << (int)Capability.DacOverride) | (1ul << (int)Capability.DacReadSearch)
        | (1ul << (int)Capability.FileOwner) | (1ul << (int)Capability.FileSetId) | (1ul << (int)Capability.LinuxImmutable)
        | (1ul << (int)Capability.MakeNode) | (1ul << (int)Capability.MacOverride);

    /// <summary>A new program: saved numbers follow the effective ones, root gets all that its bounding set allows, others what is ambient.</summary>
    public static void ForExec(Credentials c)
    {
        c.SavedUid = c.FileUid = c.EffectiveUid;
        c.SavedGid = c.FileGid = c.EffectiveGid;
        bool rootRules = (c.SecureBits & NoRoot) == 0;
        if (rootRules && (c.EffectiveUid == 0 || c.Uid == 0))
        {
            c.PermittedCapabilities = c.BoundingCapabilities | c.InheritableCapabilities;
            c.EffectiveCapabilities = c.EffectiveUid == 0 ? c.PermittedCapabilities : c.AmbientCapabilities;
        }
        else
        {
            c.PermittedCapabilities = c.AmbientCapabilities;
            c.EffectiveCapabilities = c.AmbientCapabilities;
        }
        c.SecureBits &= ~KeepCapabilities;
    }

    /// <summary>setuid, setreuid, setresuid have changed the numbers. Linux: <c>cap_emulate_setxuid</c>.</summary>
    public static void AfterSetUid(Credentials c, uint oldUid, uint oldEffective, uint oldSaved)
    {
        if ((c.SecureBits & NoSetUidFixup) != 0)
            return;
        bool wasRoot = oldUid == 0 || oldEffective == 0 || oldSaved == 0;
        bool isRoot = c.Uid == 0 || c.EffectiveUid == 0 || c.SavedUid == 0;
        if (wasRoot && !isRoot)
        {
            if ((c.SecureBits & KeepCapabilities) == 0)
            {
                c.PermittedCapabilities = 0;
                c.EffectiveCapabilities = 0;
            }
            c.AmbientCapabilities = 0;
        }
        if (oldEffective == 0 && c.EffectiveUid != 0)
            c.EffectiveCapabilities = 0;
        if (oldEffective != 0 && c.EffectiveUid == 0)
            c.EffectiveCapabilities = c.PermittedCapabilities;
    }

    /// <summary>setfsuid has changed the file user: the capabilities about files follow it.</summary>
    public static void AfterSetFileUid(Credentials c, uint old)
    {
        if ((c.SecureBits & NoSetUidFixup) != 0)
            return;
        if (old == 0 && c.FileUid != 0)
            c.EffectiveCapabilities &= ~FileCapabilities;
        if (old != 0 && c.FileUid == 0)
            c.EffectiveCapabilities |= c.PermittedCapabilities & FileCapabilities;
    }
}
