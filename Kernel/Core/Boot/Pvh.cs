using System.Runtime.InteropServices;

namespace NanoVm.Core.Boot;

/// <summary>Reads what QEMU's <c>-kernel</c> hands over: Xen's <c>hvm_start_info</c>, version 1 or later.</summary>
internal static unsafe class Pvh
{
    /// <summary>Bytes of an entry in the list of modules.</summary>
    public const int ModuleEntrySize = 32;

    private const uint Magic = 0x336ec578;
    private const uint MemoryMapEntrySize = 24;

    /// <summary>Reads the structure at a physical address.</summary>
    public static BootInfo Read(ulong structure)
    {
        StartInfo* start = (StartInfo*)BootInfo.At(structure);
        // Version 0 has no memory map, without which nothing can be done.
        if (start->Magic != Magic || start->Version == 0)
            return default;

        byte* modules = BootInfo.At(start->ModuleList);
        return new BootInfo
        {
            Protocol = BootProtocol.Pvh,
            MemoryMap = new MemoryMap(BootInfo.At(start->MemoryMap), MemoryMapEntrySize, start->MemoryMapEntries),
            Modules = new BootModules(BootProtocol.Pvh, modules, modules + start->ModuleCount * ModuleEntrySize),
            CommandLineStart = start->CommandLine == 0 ? null : BootInfo.At(start->CommandLine),
            AcpiRsdp = start->Rsdp,
            LoaderData = new BootRange(structure, structure + (ulong)sizeof(StartInfo)),
        };
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct StartInfo
    {
        public readonly uint Magic;
        public readonly uint Version;
        public readonly uint Flags;
        public readonly uint ModuleCount;
        public readonly ulong ModuleList;
        public readonly ulong CommandLine;
        public readonly ulong Rsdp;
        public readonly ulong MemoryMap;
        public readonly uint MemoryMapEntries;
        public readonly uint Reserved;
    }
}
