using System.Runtime.InteropServices;

namespace NanoVm.Tasks;

/// <summary>The header of an ELF64 file. Linux: <c>Elf64_Ehdr</c>; System V gABI chapter 4.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ElfHeader
{
    public const int Bytes = 64;
    public const uint Magic = 0x464c_457f;
    public const ushort TypeExecutable = 2, TypeShared = 3, MachineX8664 = 62;

    public uint Identification;
    public byte Class, Data, Version, OsAbi;
    public ulong AbiVersionAndPadding;
    public ushort Type;
    public ushort Machine;
    public uint FormatVersion;
    public ulong Entry;
    public ulong ProgramHeaderOffset;
    public ulong SectionHeaderOffset;
    public uint Flags;
    public ushort HeaderBytes;
    public ushort ProgramHeaderBytes;
    public ushort ProgramHeaderCount;
    public ushort SectionHeaderBytes;
    public ushort SectionHeaderCount;
    public ushort SectionNames;
}

/// <summary>One program header. Linux: <c>Elf64_Phdr</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ElfProgramHeader
{
    public const int Bytes = 56;
    public const uint TypeLoad = 1, TypeInterpreter = 3, TypeProgramHeaders = 6, TypeGnuStack = 0x6474_e551;
    public const uint FlagExecute = 1, FlagWrite = 2, FlagRead = 4;

    public uint Type;
    public uint Flags;
    public ulong Offset;
    public ulong VirtualAddress;
    public ulong PhysicalAddress;
    public ulong FileBytes;
    public ulong MemoryBytes;
    public ulong Alignment;
}

/// <summary>Keys of the auxiliary vector. Linux: <c>AT_*</c>; getauxval(3).</summary>
internal static class AuxiliaryKey
{
    public const ulong Null = 0, ProgramHeaders = 3, ProgramHeaderBytes = 4, ProgramHeaderCount = 5, PageBytes = 6, Base = 7, Flags = 8, Entry = 9,
        Uid = 11, EffectiveUid = 12, Gid = 13, EffectiveGid = 14, Platform = 15, HardwareCapabilities = 16, ClockTick = 17, Secure = 23,
        Random = 25, HardwareCapabilities2 = 26, ExecFileName = 31, SysinfoHeader = 33, MinimumSignalStack = 51;
}
