using System;
using NanoVm.User.Suites;

namespace NanoVm.User.Demos;

/// <summary>The four kinds of mapping: private or shared, of a file or of nothing. A child writes to each; who sees it?</summary>
internal static unsafe class Program
{
    private const int ReadWriteCreateTruncate = 0x242;      // O_RDWR | O_CREAT | O_TRUNC

    public static int Main()
    {
        KernelFile.Prepare();
        Output output = Output.Standard;
        ReadOnlySpan<byte> path = "/tmp/mmap-kinds"u8;
        int file = Linux.Open(path, ReadWriteCreateTruncate, 0x180);
        Linux.Truncate(file, 2 * Linux.Page);

        Span<nint> areas =
        [
            Linux.Mmap(0, Linux.Page, Protection.ReadWrite, Map.PrivateAnonymous),
            Linux.Mmap(0, Linux.Page, Protection.ReadWrite, Map.SharedAnonymous),
            Linux.Mmap(0, Linux.Page, Protection.ReadWrite, Map.Private, file, 0),
            Linux.Mmap(0, Linux.Page, Protection.ReadWrite, Map.Shared, file, Linux.Page),
        ];
        for (int i = 0; i < areas.Length; i++)
        {
            *(byte*)areas[i] = (byte)'p';
            output.Write($"{Name(i)}:\n");
            Area.ShowLine(areas[i]);
        }
        output.Write("the parent has written p to each; a child writes c to each and ends\n"u8);
        output.Flush();

        int child = Linux.Fork();
        if (child == 0)
        {
            foreach (nint area in areas)
                *(byte*)area = (byte)'c';
            return 0;
        }
        Linux.Wait(child, out _);

        Span<byte> text = stackalloc byte[1];
        bool right = true;
        for (int i = 0; i < areas.Length; i++)
        {
            text[0] = *(byte*)areas[i];
            right &= text[0] == (i % 2 == 1 ? 'c' : 'p');
            output.Write($"{Name(i)}: the parent reads {text}\n");
        }
        byte first = 0, second = 0;
        Linux.PositionedRead(file, &first, 1, 0);
        Linux.PositionedRead(file, &second, 1, Linux.Page);
        output.Write($"in the file: {(long)first} where the mapping is private (nobody has written), {(long)second} where it is shared (a c)\n");
        output.Flush();
        Linux.Unlink(path);
        return right && first == 0 && second == 'c' ? 0 : 1;
    }

    private static string Name(int index) => index switch
    {
        0 => "anonymous, private",
        1 => "anonymous, shared",
        2 => "file, private",
        _ => "file, shared",
    };
}
