namespace NanoVm.Tasks;

/// <summary>Linux: <c>SS_*</c> of <c>sigaltstack</c>.</summary>
internal static class SignalStack
{
    public const int OnStack = 1, Disabled = 2;
    public const int AutoDisarm = unchecked((int)0x8000_0000);
    public const ulong MinimumBytes = 2048;
}
