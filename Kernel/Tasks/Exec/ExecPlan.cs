using System;
using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Physical;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>All that an exec has gathered before it commits. Linux: <c>linux_binprm</c>.</summary>
internal unsafe ref struct ExecPlan
{
    /// <summary>Room for the strings that scripts put before the arguments, filled from its end; a name is at most 4096 bytes.</summary>
    private const int PrefixBytes = 16384;

    public readonly Task Task;
    public StringStore Arguments;
    public StringStore Environment;

    /// <summary>The program's file, or the interpreter of a script; a reference is held.</summary>
    public OpenFile? File;

    /// <summary>The interpreter of a dynamic program while it is being mapped; a reference is held.</summary>
    public OpenFile? InterpreterFile;

    /// <summary>A descriptor of this exec is closed by it, so a script's path would lead nowhere.</summary>
    public bool PathIsClosedOnExec;

    /// <summary>Bytes that all strings together may take.</summary>
    public ulong StringLimit;

    /// <summary>The new address space, owned until <see cref="TakeMm"/>.</summary>
    public MmStruct? Mm;
    public VirtAddr Entry;
    public VirtAddr StackPointer;

    /// <summary>One past the new stack.</summary>
    public VirtAddr StackTop;

    /// <summary>A failure from here on is one that Linux meets after its point of no return: the task dies of it.</summary>
    public bool MustDie;
    public bool PrivilegesGained;

    private void* _memory;
    private int _fileNameBytes;
    private int _prefixStart;
    private int _prefixCount;
    private int _firstArgument;
    private SignalHandlers? _handlers;
    private FileDescriptorTable? _files;

    public ExecPlan(Task task)
    {
        this = default;
        Task = task;
        Arguments = new StringStore(task.System);
        Environment = new StringStore(task.System);
        StringLimit = ulong.MaxValue;
        _prefixStart = PrefixBytes;
    }

    /// <summary>The first 256 bytes of <see cref="File"/>.</summary>
    public readonly Span<byte> Head => new((byte*)_memory + PrefixBytes, ScriptHeader.HeadBytes);

    /// <summary>The path as it was given, or <c>/dev/fd/N[/path]</c>; ends in NUL. AT_EXECFN.</summary>
    public readonly ReadOnlySpan<byte> FileName => new((byte*)_memory + PrefixBytes + ScriptHeader.HeadBytes, _fileNameBytes);

    /// <summary>What stands before the arguments, each string with its NUL.</summary>
    public readonly ReadOnlySpan<byte> Prefix => new((byte*)_memory + _prefixStart, PrefixBytes - _prefixStart);

    /// <summary>Where in <see cref="Arguments"/> the strings begin that were not replaced by <see cref="Prefix"/>.</summary>
    public readonly int FirstArgument => _firstArgument;

    public readonly int ArgumentCount => _prefixCount + Arguments.Count - (_firstArgument > 0 ? 1 : 0);

    /// <summary>Bytes that strings may still take.</summary>
    public readonly ulong Room => StringLimit > Used ? StringLimit - Used : 0;

    private readonly ulong Used => (ulong)_fileNameBytes + (ulong)Arguments.Bytes + (ulong)Environment.Bytes + (ulong)(PrefixBytes - _prefixStart);

    /// <summary>The command name: the last part of the path.</summary>
    public readonly ReadOnlySpan<byte> Name
    {
        get
        {
            ReadOnlySpan<byte> path = FileName[..^1];
            return path[(path.LastIndexOf((byte)'/') + 1)..];
        }
    }

    public readonly Errno CheckSize() => Used > StringLimit ? Errno.E2BIG : Errno.None;

    /// <summary>Notes how the program was named.</summary>
    public Errno SetFileName(int directory, ReadOnlySpan<byte> path)
    {
        _memory = Task.System.Physical.Kmalloc.Allocate(MemoryBytes);
        if (_memory is null)
            return Errno.ENOMEM;
        Span<byte> name = new((byte*)_memory + PrefixBytes + ScriptHeader.HeadBytes, NameBytes);
        var writer = new TextWriter(name);
        if (directory != Vfs.AtWorkingDirectory && (path.IsEmpty || path[0] != (byte)'/'))
        {
            writer.Text("/dev/fd/"u8);
            writer.Signed(directory);
            if (!path.IsEmpty)
                writer.Byte((byte)'/');
        }
        writer.Text(path);
        writer.Byte(0);
        _fileNameBytes = writer.Length;
        return Errno.None;
    }

    private const int NameBytes = Vfs.PathMaximum + 32;
    private const nuint MemoryBytes = PrefixBytes + ScriptHeader.HeadBytes + NameBytes;

    /// <summary>Puts interpreter, its argument and the script's name in place of the first argument.</summary>
    public Errno PrependScript(ReadOnlySpan<byte> interpreter, ReadOnlySpan<byte> argument)
    {
        // The script's own name: the path of the first exec, or the interpreter that the last script named.
        ReadOnlySpan<byte> script = FileName;
        if (_prefixCount > 0)
        {
            // It is the first string of the prefix and stays where it is.
            script = default;
        }
        else if (Arguments.Count > 0)
        {
            _firstArgument = Arguments.NextString(0);
        }
        if (!Push(script, terminated: true, counts: !script.IsEmpty))
            return Errno.E2BIG;
        if (!argument.IsEmpty && !Push(argument, terminated: false, counts: true))
            return Errno.E2BIG;
        if (!Push(interpreter, terminated: false, counts: true))
            return Errno.E2BIG;
        return CheckSize();
    }

    private bool Push(ReadOnlySpan<byte> text, bool terminated, bool counts)
    {
        int bytes = text.Length + (terminated ? 0 : 1);
        if (!counts)
            return true;
        if (bytes > _prefixStart)
            return false;
        _prefixStart -= bytes;
        Span<byte> to = new((byte*)_memory + _prefixStart, bytes);
        text.CopyTo(to);
        if (!terminated)
            to[^1] = 0;
        _prefixCount++;
        return true;
    }

    public void ReplaceFile(OpenFile file)
    {
        File?.Put();
        File = file;
    }

    public MmStruct TakeMm()
    {
        MmStruct mm = Mm!;
        Mm = null;
        return mm;
    }

    /// <summary>Exec unshares signal handlers and descriptors; the copies are made while failing is still possible.</summary>
    public Errno ReserveOwnTables()
    {
        if (Task.Handlers!.ReferenceCount > 1)
        {
            _handlers = Task.System.AllocateHandlers();
            if (_handlers is null)
                return Errno.ENOMEM;
        }
        if (Task.Files.References > 1)
        {
            _files = Task.Files.Clone();
            if (_files is null)
                return Errno.ENOMEM;
        }
        return Errno.None;
    }

    public void InstallOwnTables()
    {
        if (_handlers is { } handlers)
        {
            _handlers = null;
            for (int signal = 1; signal <= SignalNumber.Last; signal++)
                handlers[signal] = Task.Handlers![signal];
            using (Task.System.TaskLock.Acquire())
            {
                Task.System.PutHandlers(Task.Handlers!);
                Task.Handlers = handlers;
            }
        }
        if (_files is { } files)
        {
            _files = null;
            FileDescriptorTable old = Task.Files;
            Task.Files = files;
            old.Put(Task);
        }
    }

    public void Free()
    {
        if (Mm is { } mm)
        {
            Mm = null;
            mm.Put();
        }
        if (_handlers is not null)
            Task.System.PutHandlers(_handlers);
        _files?.Put(Task);
        InterpreterFile?.Put();
        File?.Put();
        Arguments.Free();
        Environment.Free();
        if (_memory is not null)
            Task.System.Physical.Kmalloc.Free(_memory, MemoryBytes);
        _memory = null;
    }
}
