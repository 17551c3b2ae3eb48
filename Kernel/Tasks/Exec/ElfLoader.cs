using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>Builds the address space of an ELF program beside the current one.</summary>
/// <remarks>
/// Linux: <c>load_elf_binary</c>. Layout by kind:
/// <code>
///   ET_EXEC                 at its own addresses
///   ET_DYN with PT_INTERP   at 2/3 of user space + random      (a position-independent program)
///   ET_DYN without          where mmap puts it                 (static-pie, or ld.so started by hand)
///   the interpreter         where mmap puts it
///   heap                    after the program's last byte + random; for a static ET_DYN at 2/3 of user space + random
/// </code>
/// </remarks>
internal static class ElfLoader
{
    private const int PathMaximum = 4096;

    /// <summary>Fills <see cref="ExecPlan.Mm"/>, <see cref="ExecPlan.Entry"/> and <see cref="ExecPlan.StackPointer"/>.</summary>
    public static Errno Load(Task task, scoped ref ExecPlan plan)
    {
        ElfFile program = default, interpreter = default;
        Errno error = program.Read(task, plan.File!, Errno.ENOEXEC);
        if (error == Errno.None)
            error = OpenInterpreter(task, program, ref plan, ref interpreter);
        if (error == Errno.None)
            error = Build(task, program, interpreter, ref plan);
        program.Free(task.System);
        interpreter.Free(task.System);
        return error;
    }

    /// <summary>Finds PT_INTERP and opens what it names.</summary>
    private static Errno OpenInterpreter(Task task, in ElfFile program, scoped ref ExecPlan plan, ref ElfFile interpreter)
    {
        foreach (ref readonly ElfProgramHeader header in new ReadOnlySpan<ElfProgramHeader>(program.ProgramHeaders))
        {
            if (header.Type != ElfProgramHeader.TypeInterpreter)
                continue;
            if (header.FileBytes is < 2 or > PathMaximum)
                return Errno.ENOEXEC;
            byte[]? path = task.System.Arrays.Allocate<byte>((int)header.FileBytes);
            if (path is null)
                return Errno.ENOMEM;
            Errno error = OpenNamed(task, header, path, ref plan);
            task.System.Arrays.Free(path);
            return error == Errno.None ? interpreter.Read(task, plan.InterpreterFile!, Errno.ELIBBAD) : error;
        }
        return Errno.None;
    }

    private static Errno OpenNamed(Task task, in ElfProgramHeader header, byte[] path, scoped ref ExecPlan plan)
    {
        if (header.Offset > long.MaxValue)
            return Errno.EINVAL;
        Result<long> count = Vfs.KernelRead(task, plan.File!, (long)header.Offset, path);
        if (!count.IsOk)
            return count.Error;
        if (count.Value != path.Length)
            return Errno.EIO;
        if (path[^1] != 0)
            return Errno.ENOEXEC;
        ReadOnlySpan<byte> name = path;
        name = name[..name.IndexOf((byte)0)];
        if (name.IsEmpty)
            return Errno.EACCES;                                // it names the current folder, which is no program
        if (!task.System.Vfs.OpenForExec(task, Vfs.AtWorkingDirectory, name, WalkFlags.FollowLast).TryGet(out OpenFile file, out Errno error))
            return error;
        plan.InterpreterFile = file;
        return Errno.None;
    }

    private static Errno Build(Task task, in ElfFile program, in ElfFile interpreter, scoped ref ExecPlan plan)
    {
        MemorySystem memory = task.System.Memory;
        bool randomize = (task.Personality & Personalities.AddressNoRandomize) == 0;
        bool legacy = (task.Personality & Personalities.AddressCompatLayout) != 0;
        MmStruct? mm = MmStruct.AllocateForExec(memory, task.Limits.Soft(Resource.Stack), legacy, randomize);
        if (mm is null)
            return Errno.ENOMEM;
        plan.Mm = mm;
        mm.IsThpDisabled = task.Mm is { IsThpDisabled: true };
        OpenFile file = plan.File!;
        file.Get();
        mm.ExeFile = file;

        Errno error = UserStack.Prepare(mm, StackIsExecutable(program), ref plan);
        if (error != Errno.None)
            return error;

        // Linux has thrown the old program away by now; what is wrong from here on kills the task.
        plan.MustDie = true;
        var image = new ElfImage(mm);
        error = image.Map(program, file, PlaceOf(mm, program, interpreter), isInterpreter: false);
        if (error != Errno.None)
            return error;
        mm.PlaceHeap(image.End, isLoader: program.Header.Type == ElfHeader.TypeShared && interpreter.ProgramHeaders is null);

        VirtAddr vdso = default;
        if (task.System.Vdso is { } shared)
        {
            error = shared.Map(mm, plan.StackTop, out vdso);
            if (error != Errno.None)
                return error;
        }
        VirtAddr interpreterBase = default;
        plan.Entry = image.Entry;
        if (interpreter.ProgramHeaders is not null)
        {
            var loader = new ElfImage(mm);
            error = loader.Map(interpreter, plan.InterpreterFile!, default, isInterpreter: true);
            if (error != Errno.None)
                return error;
            interpreterBase = loader.Bias;
            plan.Entry = loader.Entry;
        }
        if (!plan.Entry.IsUser)
            return Errno.EINVAL;
        if ((task.Personality & Personalities.MmapPageZero) != 0)
            MapPageZero(mm);
        error = UserStack.Fill(task, mm, program, image, interpreterBase, vdso, ref plan);
        if (error != Errno.None)
            return error;
        plan.MustDie = false;
        return Errno.None;
    }

    private static bool StackIsExecutable(in ElfFile program)
    {
        foreach (ref readonly ElfProgramHeader header in new ReadOnlySpan<ElfProgramHeader>(program.ProgramHeaders))
        {
            if (header.Type == ElfProgramHeader.TypeGnuStack)
                return (header.Flags & ElfProgramHeader.FlagExecute) != 0;
        }
        return false;                                           // Linux: a 64-bit program without the header never has executable data
    }

    /// <summary>Where a position-independent program goes; zero lets mmap choose.</summary>
    private static VirtAddr PlaceOf(MmStruct mm, in ElfFile program, in ElfFile interpreter)
        => program.Header.Type == ElfHeader.TypeShared && interpreter.ProgramHeaders is not null
            ? mm.PieBase(program.MaximumAlignment()) : default;

    /// <summary>For programs that expect zeros at address 0, as SVr4 had it; no error when it is refused.</summary>
    private static void MapPageZero(MmStruct mm)
    {
        mm.MmapLock.WriteLock();
        _ = mm.DoMmap(new MmapRequest
        {
            Length = PageSize.Bytes,
            Protection = Protection.Read | Protection.Execute,
            Flags = MapFlags.Fixed | MapFlags.Private | MapFlags.Anonymous,
        });
        mm.MmapLock.WriteUnlock();
    }
}
