using System.Runtime.CompilerServices;
using Internal.Runtime;

namespace System.Runtime;

/// <summary>Boxes: a value as an object. The compiler calls these methods by name. Boxes of nullable values do not exist here.</summary>
internal static unsafe class RuntimeExports
{
    /// <summary>Makes an object of a value.</summary>
    [RuntimeExport("RhBox")]
    public static object RhBox(MethodTable* type, ref byte value)
    {
        void* memory = Allocation.NewObject(type);
        object box = RawObject.At<object>(memory);
        SpanHelpers.Memmove(ref box.GetRawData(), ref value, type->ValueTypeSize);
        return box;
    }

    /// <summary>The value in a box, after a check of its exact type.</summary>
    [RuntimeExport("RhUnbox2")]
    public static ref byte RhUnbox2(MethodTable* type, object box)
    {
        RhUnboxTypeTest(type, box.GetMethodTable());
        return ref box.GetRawData();
    }

    /// <summary>The check alone.</summary>
    [RuntimeExport("RhUnboxTypeTest")]
    public static void RhUnboxTypeTest(MethodTable* type, MethodTable* boxType)
    {
        if (type != boxType)
            ThrowHelper.InvalidCast();
    }

    /// <summary>The value in a box, or none, as a nullable value.</summary>
    [RuntimeExport("RhUnboxNullable")]
    public static void RhUnboxNullable(ref byte destination, MethodTable* type, object? box) =>
        ThrowHelper.Panic("a box was taken as a nullable value");
}
