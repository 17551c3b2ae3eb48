namespace NanoVm.Core;

/// <summary>What a panic does after its backtrace: a last look at the machine. <c>Machine.cs</c> installs one.</summary>
/// <remarks>
/// The machine is broken, so this may fail in any way: a fault, a failed check or a stack that is used up in it end it, and the report of the
/// panic goes on. It must not loop over what may be a circle, and it waits for no lock.
/// </remarks>
internal abstract class PanicCheck
{
    public abstract void Run();
}
