namespace NanoVm.Core;

/// <summary>The software MMU has no protection keys.</summary>
internal static class ProtectionKeys
{
    public const int Count = 16;

    public static bool Available => false;

    public static void SetRights(int key, uint denied) => throw new InvalidOperationException("no protection keys");

    public static bool Allows(int key, bool write) => true;
}
