using System;
using static NanoVm.User.Suites.Linux;

namespace NanoVm.User.Suites.Malformed;

/// <summary>A change of the good file: a number of some bytes at an offset, or a text.</summary>
internal readonly struct Change
{
    public readonly int Offset, Width;
    public readonly ulong Value;
    public readonly string? Text;

    public Change(int offset, int width, ulong value)
    {
        Offset = offset;
        Width = width;
        Value = value;
        Text = null;
    }

    public Change(int offset, string text)
    {
        Offset = offset;
        Width = 0;
        Value = 0;
        Text = text;
    }
}

/// <summary>A small program that ends with status 7, and what is changed in it before it is started.</summary>
/// <remarks>
/// <code>
///   0      ELF header
///   0x40   five program headers: LOAD r-x of page 0 at 0x400000, LOAD rw- of page 1 at 0x402000, GNU_STACK, two NULL
///   0x180  the code: exit(7)
///   0x1000 data; the file ends at 0x2000
/// </code>
/// </remarks>
internal static unsafe class ElfFile
{
    public const int Bytes = 0x2000, Code = 0x180;
    public const ulong Base = 0x400000, Data = 0x402000;

    /// <summary>Where the fields of program header <paramref name="n"/> are.</summary>
    public static int Type(int n) => 64 + 56 * n;
    public static int Flags(int n) => Type(n) + 4;
    public static int Offset(int n) => Type(n) + 8;
    public static int Address(int n) => Type(n) + 16;
    public static int FileBytes(int n) => Type(n) + 32;
    public static int MemoryBytes(int n) => Type(n) + 40;
    public static int Align(int n) => Type(n) + 48;

    private static byte* s_image;

    /// <summary>Writes the file with the changes, cut to a length, and starts it.</summary>
    /// <returns>The status it ended with, 128 and the signal that it died of, or the negative errno of <c>execve</c>.</returns>
    public static int Start(ReadOnlySpan<Change> changes, int length)
    {
        if (s_image == null)
            s_image = (byte*)Mmap(0, Math.Max(Bytes, length), Protection.ReadWrite, Map.PrivateAnonymous);
        Good(s_image);
        foreach (Change change in changes)
        {
            for (int i = 0; i < change.Width; i++)
                s_image[change.Offset + i] = (byte)(change.Value >> 8 * i);
            for (int i = 0; change.Text is not null && i < change.Text.Length; i++)
                s_image[change.Offset + i] = (byte)change.Text[i];
        }
        return Execute(new ReadOnlySpan<byte>(s_image, length));
    }

    /// <summary>Starts a file with these bytes.</summary>
    public static int Execute(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> path = "/tmp/suite-malformed"u8;
        Unlink(path);
        int file = Open(path, 1 | 0x40 | 0x200, 0x1ed);
        fixed (byte* b = bytes)
            Linux.Write(file, b, bytes.Length);
        Close(file);
        int status = ExecutePath(path);
        Unlink(path);
        return status;
    }

    /// <summary>Starts a file.</summary>
    public static int ExecutePath(ReadOnlySpan<byte> path)
    {
        int* told = (int*)Shared();
        *told = 0;
        int child = Linux.Fork();
        if (child == 0)
        {
            // Whatever bytes are run: not for ever.
            nint* seconds = stackalloc nint[2] { 2, 2 };
            Syscall.Call(160, 0, (nint)seconds);
            fixed (byte* p = path)
            {
                byte** arguments = stackalloc byte*[2];
                arguments[0] = p;
                arguments[1] = null;
                *told = (int)Syscall.Call(59, (nint)p, (nint)arguments, (nint)(arguments + 1));
            }
            Exit(0);
        }
        int status = Child.Status(child);
        return *told != 0 ? *told : status;
    }

    private static nint s_shared;

    private static nint Shared()
    {
        if (s_shared == 0)
            s_shared = Mmap(0, Page, Protection.ReadWrite, Map.SharedAnonymous);
        return s_shared;
    }

    private static void Good(byte* image)
    {
        new Span<byte>(image, Bytes).Clear();
        ReadOnlySpan<byte> identification = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0];
        identification.CopyTo(new Span<byte>(image, 16));
        *(ushort*)(image + 16) = 2;
        *(ushort*)(image + 18) = 62;
        *(uint*)(image + 20) = 1;
        *(ulong*)(image + 24) = Base + Code;
        *(ulong*)(image + 32) = 64;
        *(ushort*)(image + 52) = 64;
        *(ushort*)(image + 54) = 56;
        *(ushort*)(image + 56) = 5;
        Load(image, 0, 5, 0, Base);
        Load(image, 1, 6, 0x1000, Data);
        *(uint*)(image + Type(2)) = 0x6474_e551;
        *(uint*)(image + Flags(2)) = 6;
        ReadOnlySpan<byte> code = [0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05];
        code.CopyTo(new Span<byte>(image + Code, 16));
    }

    private static void Load(byte* image, int n, uint rights, ulong offset, ulong address)
    {
        *(uint*)(image + Type(n)) = 1;
        *(uint*)(image + Flags(n)) = rights;
        *(ulong*)(image + Offset(n)) = offset;
        *(ulong*)(image + Address(n)) = address;
        *(ulong*)(image + FileBytes(n)) = *(ulong*)(image + MemoryBytes(n)) = 0x1000;
        *(ulong*)(image + Align(n)) = 0x1000;
    }
}
