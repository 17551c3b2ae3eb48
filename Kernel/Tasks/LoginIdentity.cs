namespace NanoVm.Tasks;

/// <summary>As whom somebody has logged in, and in which session: kept through <c>su</c> and everything else. All zero: nobody has.</summary>
/// <remarks>Linux: <c>loginuid</c>, <c>sessionid</c> of <c>task_struct</c>.</remarks>
internal readonly struct LoginIdentity(uint uid, uint session)
{
    /// <summary>What is shown while nobody has logged in. Linux: <c>AUDIT_UID_UNSET</c>, <c>AUDIT_SID_UNSET</c>.</summary>
    public const uint Nobody = uint.MaxValue;

    // The complements, so that a task that comes zeroed is nobody's.
    private readonly uint _uid = ~uid;
    private readonly uint _session = ~session;

    public uint Uid => ~_uid;

    public uint Session => ~_session;

    public bool IsSet => Uid != Nobody;
}
