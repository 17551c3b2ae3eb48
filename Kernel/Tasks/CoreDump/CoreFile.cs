using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Mapping;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>The contents of a core file.</summary>
/// <remarks>
/// Linux: <c>elf_core_dump</c>. Order as Linux has it:
/// <code>
///   ELF header (ET_CORE) | PT_NOTE, one PT_LOAD an area | notes | page-aligned: the areas' contents
///   notes: PRSTATUS of the faulting thread, PRPSINFO, SIGINFO, AUXV, FILE, FPREGSET, X86_XSTATE; then of each other thread
///          PRSTATUS, FPREGSET, X86_XSTATE
/// </code>
/// </remarks>
internal static unsafe class CoreFile
{
    private const int NoteHeadBytes = 20, StatusBytes = 336, ProcessBytes = 136, FpuBytes = 512, SignalBytes = 128;
    private const uint NoteStatus = 1, NoteFpu = 2, NoteProcess = 3, NoteAuxv = 6, NoteExtended = 0x202, NoteSignal = 0x53494749, NoteFiles = 0x46494c45;
    private const ushort ManyHeaders = 0xffff;

    /// <summary>One area as it was when the dump began.</summary>
    private struct DumpedArea
    {
        public VirtAddr Start;
        public VirtAddr End;
        public VmFlags Flags;
        public ulong PageOffset;

        /// <summary>How much of it is written, from its start.</summary>
        public ulong Bytes;
        public MappableFile? File;

        /// <summary>Pages of the kernel's own: there even when the program has never touched them.</summary>
        public bool IsSpecial;
    }

    public static Errno Write(Task task, MmStruct mm, OpenFile file, ulong limit, in TrapFrame frame, in SignalInfo info)
    {
        DumpedArea[]? areas = Snapshot(task, mm, out int count);
        if (areas is null)
            return Errno.ENOMEM;
        Errno error = task.System.Physical.Frames.Allocate(0, AllocationFlags.None, out Pfn buffer);
        if (error == Errno.None)
        {
            var writer = new CoreWriter(task, file, limit);
            Span<DumpedArea> used = new(areas, 0, count);
            WriteHeaders(ref writer, task, used, DirectMap.Page(buffer));
            WriteNotes(ref writer, task, mm, used, frame, info, DirectMap.Page(buffer));
            writer.AlignTo(PageSize.Bytes);
            for (int i = 0; i < count && writer.Error == Errno.None; i++)
                WriteArea(ref writer, task, mm, used[i], DirectMap.Page(buffer));
            writer.Finish();
            error = writer.Error;
            task.System.Physical.Frames.Put(buffer);
        }
        for (int i = 0; i < count; i++)
            areas[i].File?.Put();
        task.System.Arrays.Free(areas);
        return error;
    }

    // ---- Areas ----------------------------------------------------------------------------------------------------------------------

    private static DumpedArea[]? Snapshot(Task task, MmStruct mm, out int count)
    {
        count = 0;
        int capacity = mm.MapCount + 1;
        DumpedArea[]? areas = task.System.Arrays.Allocate<DumpedArea>(capacity);
        if (areas is null)
            return null;
        mm.MmapLock.ReadLock();
        for (VmArea? area = mm.FirstArea; area is not null && count < capacity; area = area.Next)
        {
            ref DumpedArea dumped = ref areas[count++];
            dumped.Start = area.Start;
            dumped.End = area.End;
            dumped.Flags = area.Flags;
            dumped.PageOffset = area.PageOffset;
            dumped.File = area.File;
            dumped.File?.Get();
            dumped.Bytes = BytesOf(area);
            dumped.IsSpecial = area.Operations is SpecialMapping;
        }
        mm.MmapLock.ReadUnlock();

        // What may be an ELF header is looked at without the lock: it may have to be read.
        Span<byte> magic = stackalloc byte[4];
        for (int i = 0; i < count; i++)
        {
            if (areas[i].Bytes != MaybeElfHeader)
                continue;
            bool isElf = mm.ReadRemote(areas[i].Start, magic) == Errno.None && magic.SequenceEqual("\u007fELF"u8);
            areas[i].Bytes = isElf ? PageSize.Bytes : 0;
        }
        return areas;
    }

    private const ulong MaybeElfHeader = 1;

    /// <summary>What of an area is written, as the process's filter has it. Linux: <c>vma_dump_size</c>.</summary>
    private static ulong BytesOf(VmArea area)
    {
        CoreFilter filter = area.Mm.CoreFilter;
        if (area.Operations is SpecialMapping && (area.Flags & VmFlags.Io) == 0)
            return area.Bytes;                                  // the vDSO: a backtrace may pass through it
        if ((area.Flags & VmFlags.DontDump) != 0)
            return 0;
        bool shared = (area.Flags & VmFlags.Shared) != 0;
        if ((area.Flags & VmFlags.HugeTlb) != 0)
            return Wanted(area, filter, shared ? CoreFilter.HugeShared : CoreFilter.HugePrivate);
        if ((area.Flags & VmFlags.Io) != 0)
            return 0;                                           // to read a device's memory may do something
        if (shared)
            return Wanted(area, filter, area.File is OpenFile { Inode.Links: > 0 } ? CoreFilter.MappedShared : CoreFilter.AnonymousShared);
        if (area.AnonVma is not null && (filter & CoreFilter.AnonymousPrivate) != 0)
            return area.Bytes;                                  // pages of its own; of a file's mapping too
        if (area.File is null)
            return 0;                                           // never touched
        if ((filter & CoreFilter.MappedPrivate) != 0)
            return area.Bytes;
        bool maybeHeader = (filter & CoreFilter.ElfHeaders) != 0 && area.PageOffset == 0 && (area.Flags & VmFlags.Read) != 0;
        return maybeHeader ? MaybeElfHeader : 0;
    }

    private static ulong Wanted(VmArea area, CoreFilter filter, CoreFilter kind) => (filter & kind) != 0 ? area.Bytes : 0;

    private static void WriteArea(ref CoreWriter writer, Task task, MmStruct mm, in DumpedArea area, Span<byte> page)
    {
        for (ulong offset = 0; offset < area.Bytes && writer.Error == Errno.None; offset += PageSize.Bytes)
        {
            if (ReadPage(task, mm, area, area.Start + offset, page))
                writer.Memory(page);
            else
                writer.Skip(PageSize.Bytes);
            task.System.Scheduler.CondResched();
        }
    }

    /// <summary>Copies one page as the program would read it; false for one that was never there, so that nothing is allocated for it.</summary>
    private static bool ReadPage(Task task, MmStruct mm, in DumpedArea area, VirtAddr address, Span<byte> page)
    {
        bool found = false, elsewhere = false;
        mm.MmapLock.ReadLock();
        bool enabled = mm.PageTableLock.AcquireRaw();
        Pte entry = mm.ReadPte(address);
        if (entry.IsPresent && !entry.IsSpecial)
        {
            DirectMap.Page(entry.Pfn).CopyTo(page);
            found = true;
        }
        else if (!entry.IsNone && !entry.IsPresent)
        {
            elsewhere = true;
        }
        mm.PageTableLock.ReleaseRaw(enabled);
        mm.MmapLock.ReadUnlock();
        if (found)
            return true;
        if (elsewhere || area.File is not null || area.IsSpecial)
            return mm.AccessRemote(address, page, write: false, force: true) == PageSize.Bytes;
        return false;
    }

    // ---- Headers --------------------------------------------------------------------------------------------------------------------

    private static void WriteHeaders(ref CoreWriter writer, Task task, Span<DumpedArea> areas, Span<byte> page)
    {
        const ushort Core = 4;
        int headers = areas.Length + 1;
        ElfHeader elf = default;
        elf.Identification = ElfHeader.Magic;
        elf.Class = 2;
        elf.Data = 1;
        elf.Version = 1;
        elf.Type = Core;
        elf.Machine = ElfHeader.MachineX8664;
        elf.FormatVersion = 1;
        elf.ProgramHeaderOffset = ElfHeader.Bytes;
        elf.HeaderBytes = ElfHeader.Bytes;
        elf.ProgramHeaderBytes = ElfProgramHeader.Bytes;
        elf.ProgramHeaderCount = headers < ManyHeaders ? (ushort)headers : ManyHeaders;
        writer.Value(elf);

        ulong notes = ElfHeader.Bytes + ((ulong)headers * ElfProgramHeader.Bytes);
        ulong noteBytes = NotesBytes(task, areas, page);
        ElfProgramHeader header = default;
        header.Type = 4;
        header.Offset = notes;
        header.FileBytes = noteBytes;
        writer.Value(header);
        ulong data = (notes + noteBytes + PageSize.Mask) & ~PageSize.Mask;
        foreach (ref readonly DumpedArea area in areas)
        {
            header = default;
            header.Type = ElfProgramHeader.TypeLoad;
            header.Flags = ((area.Flags & VmFlags.Read) != 0 ? ElfProgramHeader.FlagRead : 0)
                | ((area.Flags & VmFlags.Write) != 0 ? ElfProgramHeader.FlagWrite : 0)
                | ((area.Flags & VmFlags.Execute) != 0 ? ElfProgramHeader.FlagExecute : 0);
            header.Offset = data;
            header.VirtualAddress = area.Start.Value;
            header.FileBytes = area.Bytes;
            header.MemoryBytes = area.End - area.Start;
            header.Alignment = PageSize.Bytes;
            writer.Value(header);
            data += area.Bytes;
        }
    }

    // ---- Notes ----------------------------------------------------------------------------------------------------------------------

    private static ulong Padded(ulong bytes) => (bytes + 3) & ~3ul;

    private static ulong NotesBytes(Task task, Span<DumpedArea> areas, Span<byte> page)
    {
        ulong aThread = NoteHeadBytes + StatusBytes + NoteHeadBytes + FpuBytes + NoteHeadBytes + Padded(FpuState.AreaBytes);
        ulong others = (ulong)(ThreadCount(task) - 1);
        return aThread + NoteHeadBytes + ProcessBytes + NoteHeadBytes + SignalBytes
            + NoteHeadBytes + (MmStruct.MaximumAuxv * sizeof(ulong))
            + NoteHeadBytes + Padded(FilesBytes(areas, page, out _))
            + (others * aThread);
    }

    /// <summary>Threads whose registers can be shown: those that have not ended.</summary>
    private static int ThreadCount(Task task)
    {
        int count = 1;
        for (Task? other = task.Group.Threads.First; other is not null; other = task.Group.Threads.NextOf(other))
        {
            if (IsShown(task, other))
                count++;
        }
        return count;
    }

    private static bool IsShown(Task task, Task other) => !ReferenceEquals(other, task) && other.IsParkedForCore;

    private static void WriteNotes(
        ref CoreWriter writer, Task task, MmStruct mm, Span<DumpedArea> areas, in TrapFrame frame, in SignalInfo info, Span<byte> page)
    {
        FpuState.SaveCurrent();
        task.FsBase = Cpu.ReadFsBase();
        task.GsBase = Cpu.ReadUserGsBase();
        WriteStatus(ref writer, task, frame, info.Signal);
        WriteProcess(ref writer, task, mm);

        writer.NoteHead("CORE"u8, SignalBytes, NoteSignal);
        Span<byte> signal = stackalloc byte[SignalBytes];
        signal.Clear();
        SignalInfoFormat.Format(info, signal);
        writer.Memory(signal);

        writer.NoteHead("CORE"u8, MmStruct.MaximumAuxv * sizeof(ulong), NoteAuxv);
        for (int i = 0; i < MmStruct.MaximumAuxv; i++)
            writer.Value(mm.SavedAuxv[i]);

        WriteFiles(ref writer, areas, page);
        WriteFpu(ref writer, task, frame);
        for (Task? other = task.Group.Threads.First; other is not null; other = task.Group.Threads.NextOf(other))
        {
            if (!IsShown(task, other))
                continue;
            ref TrapFrame registers = ref *ContextSwitch.UserFrame(other);
            WriteStatus(ref writer, other, registers, 0);
            WriteFpu(ref writer, other, registers);
        }
    }

    private static void WriteStatus(ref CoreWriter writer, Task task, in TrapFrame r, int signal)
    {
        ulong* w = stackalloc ulong[StatusBytes / 8];
        new Span<ulong>(w, StatusBytes / 8).Clear();
        int* ints = (int*)w;
        ThreadGroup group = task.Group;
        ints[0] = signal;
        ints[3] = signal;
        w[2] = task.Pending.Set.Bits;
        w[3] = task.Blocked.Bits;
        ints[8] = task.Pid;
        ints[9] = group.Parent?.Tgid ?? 0;
        ints[10] = group.ProcessGroup?.Number ?? 0;
        ints[11] = group.Session?.Number ?? 0;
        CpuTimes times = TaskTimes.Of(task);
        Times(w + 6, times.User);
        Times(w + 8, times.System);
        Times(w + 10, group.ChildTimes.User);
        Times(w + 12, group.ChildTimes.System);
        ulong* g = w + 14;
        g[0] = r.R15;
        g[1] = r.R14;
        g[2] = r.R13;
        g[3] = r.R12;
        g[4] = r.Rbp;
        g[5] = r.Rbx;
        g[6] = r.R11;
        g[7] = r.R10;
        g[8] = r.R9;
        g[9] = r.R8;
        g[10] = r.Rax;
        g[11] = r.Rcx;
        g[12] = r.Rdx;
        g[13] = r.Rsi;
        g[14] = r.Rdi;
        g[15] = r.OriginalRax;
        g[16] = r.Rip;
        g[17] = r.Cs;
        g[18] = r.Rflags;
        g[19] = r.Rsp;
        g[20] = r.Ss;
        g[21] = task.FsBase;
        g[22] = task.GsBase;
        ints[82] = 1;                                           // FPU registers follow
        writer.NoteHead("CORE"u8, StatusBytes, NoteStatus);
        writer.Memory(new Span<byte>(w, StatusBytes));
    }

    private static void Times(ulong* to, ulong nanoseconds)
    {
        to[0] = nanoseconds / 1_000_000_000;
        to[1] = nanoseconds % 1_000_000_000 / 1000;
    }

    private static void WriteProcess(ref CoreWriter writer, Task task, MmStruct mm)
    {
        byte* b = stackalloc byte[ProcessBytes];
        var bytes = new Span<byte>(b, ProcessBytes);
        bytes.Clear();
        int* ints = (int*)b;
        ThreadGroup group = task.Group;
        b[1] = (byte)'R';
        b[3] = (byte)(sbyte)task.Nice;
        *(ulong*)(b + 8) = (ulong)task.Flags;
        ints[4] = (int)task.Credentials.Uid;
        ints[5] = (int)task.Credentials.Gid;
        ints[6] = group.Tgid;
        ints[7] = group.Parent?.Tgid ?? 0;
        ints[8] = group.ProcessGroup?.Number ?? 0;
        ints[9] = group.Session?.Number ?? 0;
        task.Name.CopyTo(bytes[40..]);
        ulong length = Math.Min(mm.ArgumentEnd - mm.ArgumentStart, 79);
        Span<byte> arguments = bytes.Slice(56, (int)length);
        if (mm.ReadRemote(mm.ArgumentStart, arguments) != Errno.None)
            arguments.Clear();
        for (int i = 0; i < arguments.Length; i++)
        {
            if (arguments[i] == 0)
                arguments[i] = (byte)' ';
        }
        writer.NoteHead("CORE"u8, ProcessBytes, NoteProcess);
        writer.Memory(bytes);
    }

    private static ReadOnlySpan<byte> NameOf(in DumpedArea area, Span<byte> page)
    {
        var text = new TextWriter(page);
        area.File!.WritePath(ref text);
        return page[..text.Length];
    }

    private static ulong FilesBytes(Span<DumpedArea> areas, Span<byte> page, out ulong count)
    {
        count = 0;
        ulong names = 0;
        foreach (ref readonly DumpedArea area in areas)
        {
            if (area.File is null)
                continue;
            count++;
            names += (ulong)NameOf(area, page).Length + 1;
        }
        return (2 * sizeof(ulong)) + (count * 3 * sizeof(ulong)) + names;
    }

    private static void WriteFiles(ref CoreWriter writer, Span<DumpedArea> areas, Span<byte> page)
    {
        ulong bytes = FilesBytes(areas, page, out ulong count);
        writer.NoteHead("CORE"u8, (int)bytes, NoteFiles);
        writer.Value(count);
        writer.Value(PageSize.Bytes);
        foreach (ref readonly DumpedArea area in areas)
        {
            if (area.File is null)
                continue;
            writer.Value(area.Start.Value);
            writer.Value(area.End.Value);
            writer.Value(area.PageOffset);
        }
        foreach (ref readonly DumpedArea area in areas)
        {
            if (area.File is null)
                continue;
            int length = NameOf(area, page).Length;
            page[length] = 0;
            writer.Memory(page[..(length + 1)]);
        }
        writer.AlignTo(4);
    }

    private static void WriteFpu(ref CoreWriter writer, Task task, in TrapFrame frame)
    {
        // The true low halves of the vector registers are in the frame: joined in a copy, as the thread's own area may be saved over.
        const int headBytes = FpuState.LegacyBytes + FpuState.HeaderBytes;
        byte* head = stackalloc byte[headBytes];
        int all = (int)FpuState.AreaBytes;
        int count = Math.Min(all, headBytes);
        new ReadOnlySpan<byte>(task.FpuArea, count).CopyTo(new Span<byte>(head, count));
        FpuState.TakeFromFrame(head, frame);
        writer.NoteHead("CORE"u8, FpuBytes, NoteFpu);
        writer.Memory(new Span<byte>(head, FpuBytes));
        if (count > FpuState.LegacyBytes)
        {
            *(ulong*)(head + FpuState.LegacyBytes) |= FpuState.X87 | FpuState.Sse;
            const int softwareBytes = 464;                      // where debuggers look for XCR0
            *(ulong*)(head + softwareBytes) = FpuState.Mask;
        }
        writer.NoteHead("LINUX"u8, all, NoteExtended);
        writer.Memory(new Span<byte>(head, count));
        if (all > count)
            writer.Memory(new Span<byte>(task.FpuArea + count, all - count));
        writer.AlignTo(4);
    }
}
