namespace NanoVm.Memory.Check;

/// <summary>How many references to frames all threads have in their hands: <see cref="Core.KernelThread.HeldFrames"/> of each, added up.</summary>
/// <remarks>Memory does not know who the threads are; <c>Tasks</c> does, and <c>Machine.cs</c> installs it.</remarks>
internal abstract class ThreadHolds
{
    public abstract long Sum();
}
