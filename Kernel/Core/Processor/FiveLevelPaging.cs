namespace NanoVm.Core;

/// <summary>Five-level paging: 57-bit addresses.</summary>
/// <remarks>Linux: <c>CONFIG_X86_5LEVEL</c>. Asked for by <c>la57</c> on the command line; Linux takes it whenever the processor has it.</remarks>
internal static class FiveLevelPaging
{
    /// <summary>Switches to five levels, on the boot's page tables, before the final ones are built.</summary>
    /// <returns>False when the processor cannot.</returns>
    public static bool TryEnter(in CpuFeatures features)
    {
        if (!features.HasFiveLevelPaging)
            return false;
        Cpu.EnterFiveLevels();
        Cpu.SetUserEnd(UserSpace.FiveLevelEnd);
        Processor.InitializeEarly();                         // segments and the GS base went with the detour
        return true;
    }
}
