using System.Runtime.CompilerServices;

namespace NanoVm.Core;

/// <summary>The processor's interrupt flag.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces. Linux: <c>local_irq_save</c> and its family.</remarks>
internal static class Interrupts
{
    /// <summary>Turns interrupts off.</summary>
    /// <returns>Whether they were on: give it to <see cref="Restore"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Disable() => Cpu.DisableInterrupts() != 0;

    public static void Enable() => Cpu.EnableInterrupts();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Restore(bool enabled)
    {
        if (enabled)
            Cpu.EnableInterrupts();
    }

    public static bool AreEnabled => (Cpu.ReadFlags() & (1 << 9)) != 0;

    /// <summary>A moment in a loop that waits for another processor.</summary>
    public static void Pause() => Cpu.Pause();

    /// <summary>Turns interrupts on and sleeps until the next one. Call with interrupts off: none can slip in between.</summary>
    public static void EnableAndHalt() => Cpu.EnableInterruptsAndHalt();
}
