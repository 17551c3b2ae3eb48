using System.Buffers.Binary;

namespace NanoVm.Tests.Qemu;

/// <summary>What <c>diskstress</c> said until its machine was stopped, and what must therefore be on the disk.</summary>
/// <remarks>The lines and the content are described in <c>User/Tools/diskstress/Program.cs</c>.</remarks>
internal sealed class CrashLog
{
    private const int ChunkBytes = 256 << 10, NamesOfWorker = 24;
    private const ulong MapName = 1000;

    /// <summary>A content; generation 0: there is no such file.</summary>
    private readonly record struct Content(ulong Generation, ulong Bytes);

    private readonly Dictionary<ulong, Content> _synced = [];
    private readonly Dictionary<ulong, Content> _begun = [];
    private readonly Dictionary<ulong, ulong> _chunks = [];
    private readonly HashSet<ulong> _chunksBegun = [];

    /// <summary>How many lines there were.</summary>
    public int Lines { get; private set; }

    /// <summary>Files and chunks that were synced.</summary>
    public int Synced { get; private set; }

    /// <summary>What the program said when it ended by itself, which it should not.</summary>
    public string? Ended { get; private set; }

    public void Add(string line)
    {
        string[] words = line.Split(' ');
        if (words[0] == "E")
            Ended = line;
        if (words.Length != 4 || !ulong.TryParse(words[1], out ulong id) || !ulong.TryParse(words[2], out ulong generation) || !ulong.TryParse(words[3], out ulong bytes))
            return;                                          // the last line may be cut off
        Lines++;
        switch (words[0])
        {
            case "B":
                _begun[id] = new Content(generation, bytes);
                break;
            case "D":
                _begun[id] = default;
                break;
            case "S":
            case "X":
                _synced[id] = words[0] == "S" ? new Content(generation, bytes) : default;
                _begun.Remove(id);
                Synced++;
                break;
            case "R":
                _chunksBegun.Add(id);
                break;
            case "M":
                _chunks[id] = generation;
                _chunksBegun.Remove(id);
                Synced++;
                break;
        }
    }

    /// <summary>Compares with the files in <paramref name="folder"/>, as they were copied from the disk.</summary>
    /// <returns>What is not as it must be.</returns>
    public List<string> Check(string folder)
    {
        var wrong = new List<string>();
        foreach ((ulong id, Content content) in _synced)
        {
            string path = Path.Combine(folder, $"w{id / NamesOfWorker}", $"f{id % NamesOfWorker:00}");
            bool isRight = Holds(path, id, content) || (_begun.TryGetValue(id, out Content other) && Holds(path, id, other));
            if (!isRight)
                wrong.Add($"{path}: should be generation {content.Generation} with {content.Bytes} bytes" + (_begun.ContainsKey(id) ? $" or {_begun[id]}" : "") + ", " + Describe(path));
        }
        using FileStream map = File.OpenRead(Path.Combine(folder, "map"));
        byte[] chunk = new byte[ChunkBytes];
        foreach ((ulong number, ulong generation) in _chunks)
        {
            if (_chunksBegun.Contains(number))
                continue;
            map.Position = (long)number * ChunkBytes;
            map.ReadExactly(chunk);
            if (FirstDifference(chunk, MapName + number, generation) is { } at)
                wrong.Add($"map, chunk {number}: should be generation {generation}, differs at byte {at}");
        }
        return wrong;
    }

    /// <summary>Chunks of a whole mapped file that do not have the content of a generation.</summary>
    public static List<int> WrongChunks(string path, ulong generation)
    {
        var wrong = new List<int>();
        byte[] chunk = new byte[ChunkBytes];
        using FileStream map = File.OpenRead(path);
        for (int number = 0; map.Position < map.Length; number++)
        {
            map.ReadExactly(chunk);
            if (FirstDifference(chunk, MapName + (ulong)number, generation) is not null)
                wrong.Add(number);
        }
        return wrong;
    }

    private static bool Holds(string path, ulong id, Content content)
    {
        if (content.Generation == 0)
            return !File.Exists(path);
        if (!File.Exists(path))
            return false;
        byte[] bytes = File.ReadAllBytes(path);
        return (ulong)bytes.Length == content.Bytes && FirstDifference(bytes, id, content.Generation) is null;
    }

    private static string Describe(string path) => File.Exists(path) ? $"has {new FileInfo(path).Length} bytes" : "is not there";

    private static int? FirstDifference(ReadOnlySpan<byte> bytes, ulong name, ulong generation)
    {
        ulong first = unchecked((name * 0x9e3779b97f4a7c15 + generation) * 0xbf58476d1ce4e5b9 + 1);
        for (int i = 0; i < bytes.Length / 8; i++)
        {
            if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i * 8)..]) != unchecked(first + (ulong)i * 0x94d049bb133111eb))
                return i * 8;
        }
        return null;
    }
}
