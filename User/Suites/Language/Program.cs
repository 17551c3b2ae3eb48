using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using Internal.Runtime;
using static NanoVm.User.Ktap;

namespace NanoVm.User.Suites.Language;

/// <summary>The core library that the kernel and all our programs are compiled with: what C# promises must hold without a runtime.</summary>
internal static unsafe class Program
{
    public static int Main() => Run(
        new("Memory moves are right for every size and overlap", &MemoryMoves),
        new("Fills and clears touch no byte outside", &Fills),
        new("Spans slice, compare and search", &Spans),
        new("Spans of structures reinterpret", &Casts),
        new("Indices and ranges work on spans", &Ranges),
        new("Strings compare, and switch finds them", &Strings),
        new("Bit operations agree with their definition", &Bits),
        new("Full products of 64-bit numbers are right", &Products),
        new("Checked arithmetic of small numbers is exact", &Checked),
        new("Interlocked operations return what they should", &Atomics),
        new("Volatile reads and writes reach memory", &Volatiles),
        new("Flags of enumerations are tested without a box", &Flags),
        new("Classes are told apart by is and as", &TypeTests),
        new("Interfaces are found on objects", &InterfaceTests),
        new("Boxes keep their values", &Boxes),
        new("Arrays of references check what is stored", &ReferenceArrays),
        new("Generic code runs over static abstract members", &StaticAbstract),
        new("Virtual calls reach the derived class", &Virtual),
        new("Delegates call static and instance methods", &Delegates),
        new("Static constructors run once, before first use", &StaticConstructors),
        new("Static fields of reference types have their values", &StaticReferences),
        new("Inline arrays are spans of their elements", &InlineArrays),
        new("Dispose runs at the end of using", &Using),
        new("Nullable values and tuples", &NullablesAndTuples),
        new("Objects are formed in raw memory", &RawObjects),
        new("Constant arrays and spans have their data", &ConstantData),
        new("References are passed, returned and kept", &References));

    private static void MemoryMoves()
    {
        Span<byte> memory = stackalloc byte[1024];
        Span<byte> model = stackalloc byte[1024];
        bool good = true;
        for (int size = 0; size <= 300; size++)
        {
            for (int distance = -40; distance <= 40; distance += size < 70 ? 1 : 7)
            {
                for (int i = 0; i < memory.Length; i++)
                    memory[i] = model[i] = (byte)(i * 7 + size);
                // The model copies as the definition says: through a place that overlaps neither.
                Span<byte> between = stackalloc byte[300];
                for (int i = 0; i < size; i++)
                    between[i] = model[200 + i];
                for (int i = 0; i < size; i++)
                    model[200 + distance + i] = between[i];
                memory.Slice(200, size).CopyTo(memory.Slice(200 + distance, size));
                good &= memory.SequenceEqual((ReadOnlySpan<byte>)model);
            }
        }
        Check(good);
    }

    private static void Fills()
    {
        Span<byte> memory = stackalloc byte[400];
        bool good = true;
        for (int size = 0; size <= 300; size++)
        {
            for (int i = 0; i < memory.Length; i++)
                memory[i] = 0xaa;
            memory.Slice(50, size).Fill((byte)size);
            for (int i = 0; i < memory.Length; i++)
                good &= memory[i] == (i >= 50 && i < 50 + size ? (byte)size : 0xaa);
            memory.Slice(50, size).Clear();
            for (int i = 0; i < memory.Length; i++)
                good &= memory[i] == (i >= 50 && i < 50 + size ? 0 : 0xaa);
        }
        Check(good);
        Span<int> numbers = stackalloc int[5];
        numbers.Fill(-3);
        foreach (int number in numbers)
            good &= number == -3;
        Check(good);
    }

    private static void Spans()
    {
        ReadOnlySpan<byte> text = "the page table"u8;
        Equal(14, text.Length);
        Check(text.StartsWith("the"u8));
        Check(text.EndsWith("table"u8));
        Check(!text.StartsWith("table"u8));
        Equal(4, text.IndexOf((byte)'p'));
        Equal(4, text.IndexOf("page"u8));
        Equal(-1, text.IndexOf("pages"u8));
        Equal(13, text.LastIndexOf((byte)'e'));
        Equal(-1, text.LastIndexOf((byte)'z'));
        Check(text.Slice(4, 4).SequenceEqual("page"u8));
        Check(!text.SequenceEqual("the page tablf"u8));
        Check("abc"u8.SequenceCompareTo("abd"u8) < 0);
        Check("abc"u8.SequenceCompareTo("ab"u8) > 0);
        Check(ReadOnlySpan<byte>.Empty.IsEmpty);
        Check(!text.TryCopyTo(stackalloc byte[3]));
    }

    private static void Casts()
    {
        Span<uint> words = stackalloc uint[] { 0x04030201, 0x08070605, 0 };
        Span<byte> bytes = MemoryMarshal.AsBytes(words);
        Equal(12, bytes.Length);
        Equal(5, bytes[4]);
        Span<ulong> longs = MemoryMarshal.Cast<uint, ulong>(words);
        Equal(1, longs.Length);
        Equal(0x0807060504030201, (long)longs[0]);
        MemoryMarshal.Write(bytes.Slice(1), 0x1234u);
        Equal(0x1234, MemoryMarshal.Read<uint>(bytes.Slice(1)));
        Check(!MemoryMarshal.TryRead(bytes.Slice(9), out uint _));
        Equal(0x40490fdb, Unsafe.BitCast<float, int>(3.14159274f));
    }

    private static void Ranges()
    {
        ReadOnlySpan<byte> text = "0123456789"u8;
        Check(text[2..5].SequenceEqual("234"u8));
        Check(text[^3..].SequenceEqual("789"u8));
        Equal('9', text[^1]);
        Check(text is [(byte)'0', .., (byte)'9']);
    }

    private static void Strings()
    {
        string left = Opaque("kernel"), right = Opaque("kernel");
        Check(left == right);
        Check(left != Opaque("Kernel"));
        Check(string.IsNullOrEmpty(""));
        Equal(6, left.Length);
        Equal('k', left[0]);
        Equal(2, Opaque("two") switch { "one" => 1, "two" => 2, "three" => 3, "four" => 4, "five" => 5, "six" => 6, "seven" => 7, _ => 0 });
        Equal(left.GetHashCode(), right.GetHashCode());
    }

    private static void Bits()
    {
        bool good = true;
        for (int i = 0; i < 64; i++)
        {
            ulong bit = Opaque(1UL << i);
            good &= BitOperations.LeadingZeroCount(bit) == 63 - i;
            good &= BitOperations.LeadingZeroCount(bit | 1) == 63 - i;
            good &= BitOperations.TrailingZeroCount(bit) == i;
            good &= BitOperations.Log2(bit) == i;
            good &= BitOperations.PopCount(bit - 1) == i;
            good &= BitOperations.IsPow2(bit);
            good &= BitOperations.RoundUpToPowerOf2(bit) == bit;
            good &= BitOperations.RotateLeft(1UL, i) == bit;
            good &= BitOperations.RotateRight(bit, i) == 1;
        }
        Check(good);
        Equal(64, BitOperations.LeadingZeroCount(Opaque(0UL)));
        Equal(64, BitOperations.TrailingZeroCount(Opaque(0UL)));
        Equal(32, BitOperations.LeadingZeroCount((uint)Opaque(0UL)));
        Equal(32, BitOperations.TrailingZeroCount((uint)Opaque(0UL)));
        Equal(8, (long)BitOperations.RoundUpToPowerOf2(Opaque(5UL)));
        Equal(0, (long)BitOperations.RoundUpToPowerOf2(ulong.MaxValue));
        Check(!BitOperations.IsPow2(Opaque(0UL)));
    }

    private static void Products()
    {
        Equal(unchecked((long)0xfffffffffffffffe), (long)Math.BigMul(ulong.MaxValue, ulong.MaxValue, out ulong low));
        Equal(1, (long)low);
        Equal(1, (long)Math.BigMul(Opaque(1UL << 40), 1UL << 24, out low));
        Equal(0, (long)low);
        Equal(7, Math.Clamp(Opaque(99UL) > 5 ? 99 : 0, 3, 7));
        (ulong quotient, ulong remainder) = Math.DivRem(Opaque(100UL), 7);
        Equal(14, (long)quotient);
        Equal(2, (long)remainder);
    }

    private static void Checked()
    {
        Equal(200, checked((byte)Opaque(200UL)));
        Equal(6_000_000_000, checked((long)Opaque(2_000_000_000UL) * 3));
        Equal(int.MaxValue, checked((int)Opaque((ulong)int.MaxValue)));
    }

    private static void Atomics()
    {
        int number = 5;
        Equal(6, Interlocked.Increment(ref number));
        Equal(5, Interlocked.Decrement(ref number));
        Equal(15, Interlocked.Add(ref number, 10));
        Equal(15, Interlocked.CompareExchange(ref number, 1, 15));
        Equal(1, Interlocked.CompareExchange(ref number, 2, 15));
        Equal(1, Interlocked.Exchange(ref number, 12));
        Equal(12, Interlocked.And(ref number, 10));
        Equal(8, Interlocked.Or(ref number, 3));
        Equal(11, number);
        ulong large = 1UL << 40;
        Equal((1L << 40) + 1, (long)Interlocked.Increment(ref large));
        Equal((1L << 40) + 1, (long)Interlocked.Or(ref large, 1UL << 50));
        Equal((1L << 50) + (1L << 40) + 1, (long)large);
        nint pointer = 3;
        Equal(3, Interlocked.Exchange(ref pointer, 4));
        string? text = "a";
        string? other = "b";
        Check(Interlocked.CompareExchange(ref text, other, text) == "a");
        Check(text == "b");
        Interlocked.MemoryBarrier();
    }

    private static void Volatiles()
    {
        int number = 0;
        Volatile.Write(ref number, 7);
        Equal(7, Volatile.Read(ref number));
        ulong large = 0;
        Volatile.Write(ref large, ulong.MaxValue);
        Check(Volatile.Read(ref large) == ulong.MaxValue);
        bool flag = false;
        Volatile.Write(ref flag, true);
        Check(Volatile.Read(ref flag));
        object? reference = null;
        Volatile.Write(ref reference, "x");
        Check(Volatile.Read(ref reference) is string);
    }

    [System.Flags]
    private enum Rights : byte
    {
        None = 0,
        Read = 1,
        Write = 2,
        Execute = 4,
    }

    private static void Flags()
    {
        var rights = (Rights)Opaque(5UL);
        Check(rights.HasFlag(Rights.Read));
        Check(!rights.HasFlag(Rights.Write));
        Check(rights.HasFlag(Rights.Read | Rights.Execute));
        Check((rights & Rights.Execute) != Rights.None);
    }

    private interface IShape
    {
    }

    private abstract class Shape : IShape
    {
        public abstract int Area { get; }

        public virtual int Sides => 0;
    }

    private class Square(int side) : Shape
    {
        public override int Area => side * side;

        public override int Sides => 4;
    }

    private sealed class Tile(int side) : Square(side)
    {
        public override int Sides => base.Sides + 1;
    }

    private sealed class Disc : Shape
    {
        public override int Area => 3;
    }

    private static void TypeTests()
    {
        object tile = Opaque((object)new Tile(3));
        Check(tile is Square);
        Check(tile is Shape);
        Check(tile is Tile { Area: 9 });
        Check(tile is not Disc);
        Check(tile as string is null);
        Check(((Shape)tile).Area == 9);
        Check(Opaque((object)new int[2]) is int[]);
        Check(Opaque((object)new int[2]) is Array);
        Check(Opaque((object)new int[2]) is not long[]);
        Check(Opaque((object?)null) is not Shape);
    }

    private static void InterfaceTests()
    {
        Check(Opaque((object)new Disc()) is IShape);
        Check(Opaque((object)"text") is not IShape);
        Check((IShape)Opaque((object)new Tile(1)) is Tile);
    }

    private static void Boxes()
    {
        object box = Opaque((object)0x1122334455667788L);
        Check(box is long);
        Check(box is not ulong);
        Equal(0x1122334455667788L, (long)box);
        object small = Opaque((object)(byte)7);
        Equal(7, (byte)small);
        object pair = Opaque((object)(1, 2L));
        Check(pair is ValueTuple<int, long> { Item1: 1, Item2: 2L });
    }

    private static void ReferenceArrays()
    {
        var shapes = new Shape[3];
        shapes[Opaque(0)] = new Tile(2);
        shapes[Opaque(1)] = new Disc();
        int area = 0;
        foreach (Shape? shape in shapes)
            area += shape?.Area ?? 100;
        Equal(107, area);
        Equal(3, shapes.Length);
        object[] objects = shapes;
        Check(objects[0] is Tile);
        ref Shape place = ref shapes[Opaque(2)];
        place = new Square(5);
        Equal(25, shapes[2].Area);
    }

    private interface IOrder<T>
    {
        static abstract bool Before(T left, T right);

        static abstract T First { get; }
    }

    private readonly struct Ascending : IOrder<int>
    {
        public static bool Before(int left, int right) => left < right;

        public static int First => int.MinValue;
    }

    private readonly struct Descending : IOrder<int>
    {
        public static bool Before(int left, int right) => left > right;

        public static int First => int.MaxValue;
    }

    private static void Sort<T, TOrder>(Span<T> items) where TOrder : struct, IOrder<T>
    {
        for (int i = 1; i < items.Length; i++)
        {
            for (int j = i; j > 0 && TOrder.Before(items[j], items[j - 1]); j--)
                (items[j], items[j - 1]) = (items[j - 1], items[j]);
        }
    }

    private static void StaticAbstract()
    {
        Span<int> numbers = [3, 1, 2];
        Sort<int, Ascending>(numbers);
        Check(numbers is [1, 2, 3]);
        Sort<int, Descending>(numbers);
        Check(numbers is [3, 2, 1]);
    }

    private static void Virtual()
    {
        Shape shape = Opaque(0) == 0 ? new Tile(4) : new Disc();
        Equal(16, shape.Area);
        Equal(5, shape.Sides);
        Shape disc = Opaque(0) == 0 ? new Disc() : shape;
        Equal(0, disc.Sides);
    }

    private sealed class Counter
    {
        public int Count;

        public void Add(int amount) => Count += amount;
    }

    private static int s_called;

    private static void Called(int amount) => s_called += amount;

    private static void Delegates()
    {
        var counter = new Counter();
        Action<int> add = counter.Add;
        add(3);
        add(4);
        Equal(7, counter.Count);
        Action<int> call = Called;
        call(5);
        Equal(5, s_called);
        int captured = Opaque(10);
        Func<int, int> lambda = amount => amount + captured;
        Equal(12, lambda(2));
        delegate*<int, void> pointer = &Called;
        pointer(1);
        Equal(6, s_called);
    }

    private static int s_constructed;

    private static class Late
    {
        public static readonly int Value;

        static Late()
        {
            s_constructed++;
            Value = s_constructed * 100;
        }
    }

    private static void StaticConstructors()
    {
        Equal(0, s_constructed);
        Equal(100, Late.Value);
        Equal(100, Late.Value);
        Equal(1, s_constructed);
    }

    private static readonly int[] s_table = [2, 3, 5, 7];
    private static readonly string s_name = "static";
    private static Shape? s_shape;

    private static void StaticReferences()
    {
        Equal(4, s_table.Length);
        Equal(7, s_table[3]);
        Check(s_name == "static");
        Check(s_shape is null);
        s_shape = new Tile(1);
        Check(s_shape is Tile);
    }

    [InlineArray(4)]
    private struct Four
    {
        private ushort _first;
    }

    private struct Holder
    {
        public byte Before;
        public Four Numbers;
        public byte After;
    }

    private static void InlineArrays()
    {
        var holder = new Holder { Before = 1, After = 2 };
        for (int i = 0; i < 4; i++)
            holder.Numbers[i] = (ushort)(1000 + i);
        Equal(1003, holder.Numbers[3]);
        Span<ushort> span = holder.Numbers;
        span[0] = 5;
        Equal(5, holder.Numbers[0]);
        Equal(2, holder.After);
        int sum = 0;
        foreach (ushort number in holder.Numbers)
            sum += number;
        Equal(5 + 1001 + 1002 + 1003, sum);
    }

    private ref struct Guard
    {
        private readonly ref int _depth;

        public Guard(ref int depth)
        {
            _depth = ref depth;
            _depth++;
        }

        public readonly void Dispose() => _depth--;
    }

    private static void Using()
    {
        int depth = 0;
        using (new Guard(ref depth))
        {
            Equal(1, depth);
            using var inner = new Guard(ref depth);
            Equal(2, depth);
        }
        Equal(0, depth);
        Equal(9, Early(ref depth));
        Equal(0, depth);

        static int Early(ref int depth)
        {
            using var guard = new Guard(ref depth);
            if (Opaque(0) == 0)
                return 9;
            return 8;
        }
    }

    private static void NullablesAndTuples()
    {
        int? none = Opaque(0) == 0 ? null : 1;
        int? some = Opaque(0) == 0 ? 4 : null;
        Check(none is null);
        Equal(4, some.GetValueOrDefault(9));
        Equal(9, none ?? 9);
        Check(some + 1 == 5);
        (int a, (byte b, string c)) = (1, ((byte)2, "three"));
        Equal(3, a + b);
        Check(c == "three");
        Check((1, 2) == (Opaque(0) + 1, 2));
    }

    private sealed class Node
    {
        public Node? Next;
        public int Value;
    }

    private static void RawObjects()
    {
        Equal(24, (long)RawObject.SizeOf<Node>());
        byte* memory = stackalloc byte[64];
        Unsafe.InitBlockUnaligned(ref *memory, 0, 64);
        Node node = RawObject.Form<Node>(memory);
        Check(node.Next is null);
        node.Value = 77;
        node.Next = node;
        Check(RawObject.AddressOf(node) == memory);
        Equal(77, RawObject.At<Node>(memory).Value);
        Check(Opaque((object)node) is Node);

        Equal(16 + 8, (long)RawObject.SizeOfArray<ushort>(3));
        ulong* space = stackalloc ulong[8];
        for (int i = 0; i < 8; i++)
            space[i] = 0;
        ushort[] numbers = RawObject.FormArray<ushort>(space, 3);
        Equal(3, numbers.Length);
        numbers[2] = 9;
        Equal(9, ((ushort*)space)[8 + 2]);
        Check(Opaque((object)numbers) is ushort[]);
    }

    private static ReadOnlySpan<int> Primes => [2, 3, 5, 7, 11];

    private static void ConstantData()
    {
        int sum = 0;
        foreach (int prime in Primes)
            sum += prime;
        Equal(28, sum);
        long[] numbers = [1, 2, 3, 4, 5, 6, 7, 8, 1L << 40];
        Equal(1L << 40, numbers[Opaque(8)]);
    }

    private static ref int Larger(ref int left, ref int right)
    {
        if (left > right)
            return ref left;
        return ref right;
    }

    private static void References()
    {
        int a = 1, b = 2;
        Larger(ref a, ref b) = 10;
        Equal(10, b);
        Check(Unsafe.IsNullRef(ref Unsafe.NullRef<int>()));
        ref int place = ref a;
        Check(Unsafe.AreSame(ref place, ref a));
        int* pointer = (int*)Unsafe.AsPointer(ref a);
        Equal(1, *pointer);
        Span<int> numbers = stackalloc int[4];
        Unsafe.Add(ref MemoryMarshal.GetReference(numbers), 2) = 6;
        Equal(6, numbers[2]);
    }

    /// <summary>The value, of which the compiler knows nothing.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static T Opaque<T>(T value) => value;
}
