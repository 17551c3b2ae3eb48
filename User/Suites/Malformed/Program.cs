using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Malformed.ElfFile;

namespace NanoVm.User.Suites.Malformed;

/// <summary>Programs that are none: each file has one thing wrong, and <c>execve</c> refuses it, or the process ends, as on Linux 6.1.</summary>
internal static unsafe class Program
{
    /// <summary>A file: its name says what is wrong; what comes of starting it.</summary>
    private sealed class Case(string name, int expected, params Change[] changes)
    {
        public readonly string Name = name;
        public readonly int Expected = expected;
        public readonly Change[] Changes = changes;
        public int Length = ElfFile.Bytes;

        /// <summary>Says something only where user space ends at 128 TiB.</summary>
        public bool IsOfFourLevels;
    }

    private const int NoExec = -8, Segv = 128 + Signal.Segmentation, Killed = 128 + Signal.Kill, Ends = 7;
    private const int Type16 = 16, Machine = 18, Entry = 24, HeadersAt = 32, HeaderBytes = 54, Headers = 56;
    private const uint Interpreter = 3, GnuStack = 0x6474_e551, GnuProperty = 0x6474_e553, Note = 4, Dynamic = 2, Tls = 7;

    private const long SumOfDamaged = 0x3ef8_931f_71f2_0a33;

    private static Case[] s_cases = [];
    private static int s_next;

    /// <summary>The suite; or, with a seed and a number, the results of so many files that the seed has damaged, a line each.</summary>
    public static int Main()
    {
        if (Arguments.Count == 3)
        {
            Mutations.Run(Number(Arguments.At(1)), (int)Number(Arguments.At(2)), print: true);
            return 0;
        }

        s_cases = MakeCases();
        var tests = new TestCase[s_cases.Length + 14];
        for (int i = 0; i < s_cases.Length; i++)
            tests[i] = new TestCase(s_cases[i].Name, &RunNext);
        int at = s_cases.Length;
        tests[at++] = new("An empty file", &Empty);
        tests[at++] = new("A folder", &Folder);
        tests[at++] = new("A device", &Device);
        tests[at++] = new("A file without the right to execute", &NoRight);
        tests[at++] = new("A file that is open for writing", &Busy);
        tests[at++] = new("A script without interpreter", &ScriptEmpty);
        tests[at++] = new("A script with blanks for an interpreter", &ScriptBlanks);
        tests[at++] = new("A script whose interpreter is not there", &ScriptMissing);
        tests[at++] = new("A script whose interpreter is itself", &ScriptLoop);
        tests[at++] = new("A script whose interpreter's name does not end", &ScriptLong);
        tests[at++] = new("A script whose interpreter is a folder", &ScriptFolder);
        tests[at++] = new("A script with a zero byte in its line", &ScriptZero);
        tests[at++] = new("Two hundred damaged files", &Damaged);
        tests[at++] = new("A hundred files of noise behind a good magic number", &Noise);
        return Run(tests);
    }

    private static ulong Number(ReadOnlySpan<byte> text)
    {
        ulong number = 0;
        foreach (byte digit in text)
            number = number * 10 + digit - '0';
        return number;
    }

    private static void RunNext()
    {
        Case one = s_cases[s_next++];
        if (one.IsOfFourLevels && HasFiveLevels())
        {
            Skip("user space is larger");
            return;
        }

        Equal(one.Expected, Start(one.Changes, one.Length), "the result");
    }

    private static bool HasFiveLevels()
    {
        nint beyond = (nint)1 << 48;
        nint at = Mmap(beyond, 4096, 0, Map.PrivateAnonymous | Map.FixedNoReplace);
        if (IsError(at))
            return false;
        Munmap(at, 4096);
        return true;
    }

    private static Change C(int offset, int width, ulong value) => new(offset, width, value);

    private static Case Cut(string name, int expected, int length) => new(name, expected) { Length = length };

    /// <summary>An interpreter's name at 0x200, in header 3.</summary>
    private static Change[] Named(string text, ulong bytes, params Change[] more)
    {
        var all = new Change[4 + more.Length];
        all[0] = C(Type(3), 4, Interpreter);
        all[1] = C(Offset(3), 8, 0x200);
        all[2] = C(FileBytes(3), 8, bytes);
        all[3] = new Change(0x200, text);
        for (int i = 0; i < more.Length; i++)
            all[4 + i] = more[i];
        return all;
    }

    private static Case[] MakeCases() =>
    [
        new("The file as it should be", Ends),
        new("Magic number: first byte", NoExec, C(0, 1, 0x7e)),
        new("Magic number: last byte", NoExec, C(3, 1, (byte)'f')),
        new("Class 32 bit", Ends, C(4, 1, 1)),
        new("Class 0", Ends, C(4, 1, 0)),
        new("Big-endian", Ends, C(5, 1, 2)),
        new("Version 0", Ends, C(6, 1, 0)),
        new("Operating system 255", Ends, C(7, 1, 255)),
        new("Machine i386", NoExec, C(Machine, 2, 3)),
        new("Machine 0", NoExec, C(Machine, 2, 0)),
        new("Machine AArch64", NoExec, C(Machine, 2, 183)),
        new("Type REL", NoExec, C(Type16, 2, 1)),
        new("Type CORE", NoExec, C(Type16, 2, 4)),
        new("Type 0", NoExec, C(Type16, 2, 0)),
        new("Type 0xffff", NoExec, C(Type16, 2, 0xffff)),
        new("Type DYN, with the addresses of EXEC", Ends, C(Type16, 2, 3)),
        new("Header version 0", Ends, C(20, 4, 0)),
        new("Header size 0", Ends, C(52, 2, 0)),
        new("Section headers far beyond the end", Ends, C(40, 8, 0x7fff_ffff_ffff_ff00), C(60, 2, 0xffff)),
        new("No program headers", NoExec, C(Headers, 2, 0)),
        new("65535 program headers", NoExec, C(Headers, 2, 65535)),
        new("73 program headers: as many as a page holds", Ends, C(Headers, 2, 73)),
        new("1170 program headers: as many as 64 KiB hold", NoExec, C(Headers, 2, 1170)),
        new("1171 program headers", NoExec, C(Headers, 2, 1171)),
        new("Program headers of 55 bytes", NoExec, C(HeaderBytes, 2, 55)),
        new("Program headers of 0 bytes", NoExec, C(HeaderBytes, 2, 0)),
        new("Program headers of 57 bytes", NoExec, C(HeaderBytes, 2, 57)),
        new("Program headers beyond the end", NoExec, C(HeadersAt, 8, 0x2000)),
        new("Program headers cut by the end", NoExec, C(HeadersAt, 8, 0x1ff0)),
        new("Program headers at a negative offset", NoExec, C(HeadersAt, 8, 0xffff_ffff_ffff_f000)),
        new("Program headers at the largest offset", NoExec, C(HeadersAt, 8, 0x7fff_ffff_ffff_ffff)),
        new("Program headers in the ELF header", Segv, C(HeadersAt, 8, 0)),
        new("Entry 0", Segv, C(Entry, 8, 0)),
        new("Entry in a hole", Segv, C(Entry, 8, 0x401000)),
        new("Entry in data that is not executed", Segv, C(Entry, 8, Data)),
        new("Entry in the kernel's half", Segv, C(Entry, 8, 0xffff_ffff_8000_0000)),
        new("Entry not canonical", Segv, C(Entry, 8, 0x8000_0000_0000_0000)),
        new("Entry at the last address", Segv, C(Entry, 8, 0xffff_ffff_ffff_ffff)),
        new("Entry on the last user page", Segv, C(Entry, 8, 0x7fff_ffff_e000)),
        new("No LOAD segment", Segv, C(Type(0), 4, 0), C(Type(1), 4, 0)),
        new("More in the file than in memory", Segv, C(MemoryBytes(0), 8, 0xfff)),
        new("Memory size 0, file size 0", Segv, C(MemoryBytes(0), 8, 0), C(FileBytes(0), 8, 0)),
        new("Memory size wraps", Segv, C(MemoryBytes(1), 8, 0xffff_ffff_ffff_f000)),
        new("Memory size of all user space", Segv, C(MemoryBytes(1), 8, 0x7fff_ffff_f000)) { IsOfFourLevels = true },
        new("Memory size of 64 TiB: more than can be promised", Segv, C(MemoryBytes(1), 8, 0x4000_0000_0000)),
        new("File size wraps", Segv, C(FileBytes(1), 8, 0xffff_ffff_ffff_f000), C(MemoryBytes(1), 8, 0xffff_ffff_ffff_f000)),
        new("File size beyond the end of the file", Ends, C(FileBytes(1), 8, 0x5000), C(MemoryBytes(1), 8, 0x5000)),
        new("Address in the kernel's half", Segv, C(Address(1), 8, 0xffff_8880_0000_0000)),
        new("Address not canonical", Segv, C(Address(1), 8, 0x8000_0000_0000_0000)),
        new("Address across the end of user space", Segv, C(Address(1), 8, 0x7fff_ffff_f000)) { IsOfFourLevels = true },
        new("Address on the last user page", Ends, C(Address(1), 8, 0x7fff_ffff_e000)),
        new("Address 0", Ends, C(Address(1), 8, 0)),
        new("Address that is not like the offset", Segv, C(Address(1), 8, Data + 0x10)),
        new("Offset that is not like the address", Segv, C(Offset(1), 8, 0x1010)),
        new("Offset beyond the end of the file", Ends, C(Offset(1), 8, 0x10_0000)),
        new("Offset negative", Segv, C(Offset(1), 8, 0xffff_ffff_ffff_f000)),
        new("Offset at the largest page", Segv, C(Offset(1), 8, 0x7fff_ffff_ffff_f000)),
        new("Segments that overlap", Segv, C(Address(1), 8, Base)),
        new("Segments in the wrong order", Ends, C(Address(1), 8, 0x3f_0000)),
        new("An empty segment over the code", Ends, C(Type(4), 4, 1), C(Address(4), 8, Base + Code)),
        new("DYN with an address below 0", Segv, C(Type16, 2, 3), C(Address(1), 8, 0xffff_ffff_ffff_f000)),
        new("Alignment 0", Ends, C(Align(0), 8, 0)),
        new("Alignment 3", Ends, C(Align(0), 8, 3)),
        new("Alignment 2^62", Ends, C(Align(0), 8, 1UL << 62)),
        new("DYN with alignment 2^62", Ends, C(Type16, 2, 3), C(Align(0), 8, 1UL << 62)),
        new("DYN with alignment 3", Ends, C(Type16, 2, 3), C(Align(0), 8, 3)),
        new("No right at all to the code", Segv, C(Flags(0), 4, 0)),
        new("Every flag set", Ends, C(Flags(0), 4, 0xffff_ffff)),
        new("Code that may not be executed", Segv, C(Flags(0), 4, 4)),
        new("Code that may only be executed", Ends, C(Flags(0), 4, 1)),
        new("Two GNU_STACK", Ends, C(Type(3), 4, GnuStack), C(Flags(3), 4, 7)),
        new("GNU_STACK with every flag and a size", Ends, C(Flags(2), 4, 0xffff_ffff), C(MemoryBytes(2), 8, 0xffff_ffff_ffff_ffff)),
        new("GNU_STACK without rights", Ends, C(Flags(2), 4, 0)),
        new("Unknown header types", Ends, C(Type(3), 4, 0x6fff_fff0), C(FileBytes(3), 8, 0xffff_ffff_ffff_ffff), C(Type(4), 4, 0x7fff_ffff)),
        new("A note beyond the end", Ends, C(Type(3), 4, Note), C(Offset(3), 8, 0x7fff_0000), C(FileBytes(3), 8, 0x1000)),
        new("A property note beyond the end", Ends, C(Type(3), 4, GnuProperty), C(Offset(3), 8, 0x7fff_0000), C(FileBytes(3), 8, 0x40)),
        new("A TLS header beyond everything", Ends, C(Type(3), 4, Tls), C(Address(3), 8, 0xffff_ffff_ffff_0000), C(MemoryBytes(3), 8, 0xffff_ffff)),
        new("A dynamic section nowhere", Ends, C(Type(3), 4, Dynamic), C(Address(3), 8, 0xffff_8000_0000_0000)),
        new("Interpreter: its name does not end", NoExec, Named("/bin/true", 9)),
        new("Interpreter: name of 1 byte", NoExec, Named("\0", 1)),
        new("Interpreter: name of 0 bytes", NoExec, Named("", 0)),
        new("Interpreter: name of 4097 bytes", NoExec, Named("/x", 4097)),
        new("Interpreter: name of 2^63 bytes", NoExec, Named("/x", 1UL << 63)),
        new("Interpreter: an empty name", Errno.Access, Named("\0\0", 2)),
        new("Interpreter: not there", Errno.NoEntry, Named("/no/such/file\0", 14)),
        new("Interpreter: name beyond the end of the file", Errno.InputOutput, Named("/x\0", 3, C(Offset(3), 8, 0x10_0000))),
        new("Interpreter: name at a negative offset", Errno.Invalid, Named("/x\0", 3, C(Offset(3), 8, 0xffff_ffff_ffff_f000))),
        new("Interpreter: a folder", Errno.Access, Named("/tmp\0", 5)),
        new("Interpreter: a device", Errno.Access, Named("/dev/null\0", 10)),
        new("Interpreter: a file of the kernel that is no program", Errno.Access, Named("/proc/self/maps\0", 16)),
        new("Interpreter: the program itself", Ends, Named("/tmp/suite-malformed\0", 21)),
        new("Interpreter: two of them, the second good for nothing", Errno.NoEntry, Named("/no/such/file\0", 14, C(Type(4), 4, Interpreter), C(FileBytes(4), 8, 1))),
        Cut("Cut in the magic number", NoExec, 3),
        Cut("Cut behind the magic number", NoExec, 4),
        Cut("Cut in the ELF header", NoExec, 40),
        Cut("Cut behind the ELF header", NoExec, 64),
        Cut("Cut in the first program header", NoExec, 64 + 20),
        Cut("Cut in the last program header", NoExec, 64 + 5 * 56 - 1),
        Cut("Cut behind the program headers, code and all", Segv, 64 + 5 * 56),
        Cut("Cut in the code", Segv, Code + 4),
        Cut("Cut at the end of the first page", Ends, 0x1000),
        Cut("Cut in the second page", Ends, 0x1800),
    ];

    private static void Empty() => Equal(NoExec, Execute(default));

    private static void Folder() => Equal(Errno.Access, ExecutePath("/tmp"u8));

    private static void Device() => Equal(Errno.Access, ExecutePath("/dev/null"u8));

    private static void NoRight()
    {
        Close(Open("/tmp/suite-norights"u8, 1 | 0x40, 0x1a4));
        Equal(Errno.Access, ExecutePath("/tmp/suite-norights"u8));
        Unlink("/tmp/suite-norights"u8);
    }

    private static void Busy()
    {
        int file = Open("/tmp/suite-busy"u8, 1 | 0x40, 0x1ed);
        Equal(-26, ExecutePath("/tmp/suite-busy"u8));
        Close(file);
        Unlink("/tmp/suite-busy"u8);
    }

    private static void ScriptEmpty() => Equal(Errno.Access, Execute("#!"u8));

    private static void ScriptBlanks() => Equal(NoExec, Execute("#!  \t  \n"u8));

    private static void ScriptMissing() => Equal(Errno.NoEntry, Execute("#!/no/such/interpreter -x\n"u8));

    private static void ScriptLoop() => Equal(Errno.Loop, Execute("#!/tmp/suite-malformed\n"u8));

    private static void ScriptLong()
    {
        Span<byte> text = stackalloc byte[600];
        text.Fill((byte)'x');
        "#!/"u8.CopyTo(text);
        Equal(NoExec, Execute(text));
    }

    private static void ScriptFolder() => Equal(Errno.Access, Execute("#!/tmp\n"u8));

    private static void ScriptZero() => Equal(Errno.NoEntry, Execute("#!/no\0such\n"u8));

    /// <summary>What Linux 6.1 does with each. On a difference: <c>tools/compare-linux.sh --program artifacts/programs/Malformed SEED COUNT</c>.</summary>
    private static void Damaged()
    {
        if (HasFiveLevels())
        {
            Skip("user space is larger");
            return;
        }

        Equal(SumOfDamaged, (long)(Mutations.Run(11, 200, print: false) >> 1), "the sum of the results");
    }

    /// <summary>Whatever it is, it is refused or it ends; nobody else notices.</summary>
    private static void Noise()
    {
        Span<byte> file = stackalloc byte[1024];
        ulong random = 42;
        for (int n = 0; n < 100; n++)
        {
            for (int i = 0; i < file.Length; i++)
            {
                random = random * 6364136223846793005 + 1442695040888963407;
                file[i] = (byte)(random >> 56);
            }
            ReadOnlySpan<byte> head = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0];
            head.CopyTo(file);
            file[32] = 64;
            file.Slice(33, 7).Clear();
            file[54] = 56;
            file[55] = 0;
            file[56] = (byte)(1 + n % 8);
            file[57] = 0;
            for (int i = 0; i < 8; i++)
            {
                file.Slice(64 + 56 * i, 4).Clear();
                file[64 + 56 * i] = (byte)(n >> i & 3);
            }
            int result = Execute(file);
            Check(result < 0 || result >= 128);
        }
    }
}
