using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>What a device does when it interrupts.</summary>
internal abstract class InterruptHandler
{
    /// <summary>Runs with interrupts off; may wake threads, may not sleep.</summary>
    public abstract void Handle(ref TrapFrame frame);
}

/// <summary>The chip that tells which interrupt comes next once it hears that this one is done.</summary>
internal abstract class InterruptController
{
    public abstract void EndOfInterrupt();
}

/// <summary>Who handles which vector. Linux: <c>vector_irq</c>.</summary>
internal sealed unsafe class InterruptTable(InterruptController controller)
{
    private const int Vectors = 256;

    /// <summary>The local APIC's vector for interrupts that vanished: it wants no end-of-interrupt.</summary>
    public const int SpuriousVector = 0xff;

    private readonly InterruptHandler?[] _handlers = new InterruptHandler?[Vectors];
    private readonly ulong[] _counts = new ulong[Vectors];

    /// <summary>The next vector nobody has. Written at boot and by drivers, one processor.</summary>
    private int _nextFree = TrapVector.FirstInterrupt + 16;

    /// <summary>Makes this the processor's table.</summary>
    public void Install() => PerCpu.Area->Interrupts = RawObject.AddressOf(this);

    public void Set(int vector, InterruptHandler handler) => _handlers[vector] = handler;

    /// <summary>Gives <paramref name="handler"/> a vector of its own.</summary>
    /// <returns>The vector, or <see cref="Errno.ENOSPC"/>.</returns>
    public Result<int> Allocate(InterruptHandler handler)
    {
        if (_nextFree >= 0xf0)
            return Errno.ENOSPC;
        _handlers[_nextFree] = handler;
        return _nextFree++;
    }

    /// <summary>How often the vector came: <c>/proc/interrupts</c>.</summary>
    public ulong Count(int vector) => _counts[vector];

    /// <summary>All interrupts together, for <c>/proc/stat</c>.</summary>
    public ulong Total { get; private set; }

    internal void Dispatch(ref TrapFrame frame)
    {
        int vector = (int)frame.Vector & (Vectors - 1);
        _counts[vector]++;
        Total++;
        if (vector == SpuriousVector)
            return;
        _handlers[vector]?.Handle(ref frame);
        // Last: a level-triggered line would come again at once while its device has not been served.
        controller.EndOfInterrupt();
    }
}
