using NanoVm.Tests.Machine;

namespace NanoVm.Core;

/// <summary>The host's RAM in place of the kernel's direct map.</summary>
internal static unsafe class DirectMap
{
    public static byte* Pointer(PhysAddr address)
    {
        HostMachine machine = HostMachine.Current;
        if (address.Value >= machine.RamEnd)
            throw new InvalidOperationException($"physical address {address.Value:x} is no RAM");
        return machine.Ram + address.Value;
    }

    public static byte* Pointer(Pfn pfn) => Pointer(pfn.Address);

    public static Span<byte> Page(Pfn pfn) => new(Pointer(pfn), (int)PageSize.Bytes);

    public static PhysAddr PhysicalOf(void* pointer)
    {
        HostMachine machine = HostMachine.Current;
        ulong address = (ulong)((byte*)pointer - machine.Ram);
        if (address >= machine.RamEnd)
            throw new InvalidOperationException("a pointer does not lead into RAM");
        return new PhysAddr(address);
    }

    public static void ZeroPage(Pfn pfn) => Page(pfn).Clear();

    public static void CopyPage(Pfn to, Pfn from) => Page(from).CopyTo(Page(to));
}
