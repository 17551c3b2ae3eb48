using System;
using System.Runtime;
using System.Runtime.CompilerServices;

namespace Internal.Runtime;

/// <summary>What has to happen before the first line of a program: its static fields of reference types get their objects.</summary>
/// <remarks>
/// The compiler keeps the static references of each class in one block, which is an object. It lists all blocks in the
/// ready-to-run header's section 201; the header is found through the linker's section <c>__modules</c>.
/// <code>
///   list entry   32-bit distance to the block's word
///   block word   32-bit distance to the block's method table; bit 0: not yet formed, bit 1: has initial data
///                32-bit distance to the initial data
///   afterwards   the whole 64-bit word is the reference to the block
/// </code>
/// </remarks>
public static unsafe class RuntimeStartup
{
    private const uint Signature = 0x00525452; // "RTR"
    private const int StaticReferencesSection = 201;
    private const nint NotFormed = 1;
    private const nint HasInitialData = 2;

    /// <summary>Forms the static references of every module.</summary>
    /// <param name="modulesStart">The start of section <c>__modules</c>: addresses of headers.</param>
    /// <param name="modulesEnd">Its end.</param>
    public static void InitializeStatics(void* modulesStart, void* modulesEnd)
    {
        for (ReadyToRunHeader** module = (ReadyToRunHeader**)modulesStart; module < modulesEnd; module++)
        {
            ReadyToRunHeader* header = *module;
            if (header == null)
                continue;
            if (header->Signature != Signature)
                ThrowHelper.Panic("the compiler's module header is not where it should be");
            Section* sections = (Section*)(header + 1);
            for (int i = 0; i < header->SectionCount; i++)
            {
                if (sections[i].Id == StaticReferencesSection)
                    FormBlocks((int*)sections[i].Start, (int*)sections[i].End);
            }
        }
    }

    private static void FormBlocks(int* entry, int* end)
    {
        for (; entry < end; entry++)
        {
            nint* block = (nint*)Follow(entry);
            nint target = Follow((int*)block);
            if ((target & NotFormed) == 0)
                continue;
            var type = (MethodTable*)(target & ~(NotFormed | HasInitialData));
            byte* memory = (byte*)Allocation.NewObject(type);
            if ((target & HasInitialData) != 0)
            {
                byte* data = (byte*)Follow((int*)block + 1);
                SpanHelpers.Memmove(ref memory[sizeof(nint)], ref *data, type->ObjectSize - (nuint)sizeof(nint));
            }
            *block = (nint)memory;
        }
    }

    private static nint Follow(int* distance) => (nint)distance + *distance;

    private struct ReadyToRunHeader
    {
        public uint Signature;
        public ushort MajorVersion;
        public ushort MinorVersion;
        public uint Flags;
        public ushort SectionCount;
        public byte EntrySize;
        public byte EntryType;
    }

    private struct Section
    {
        public int Id;
        public int Flags;
        public void* Start;
        public void* End;
    }
}
