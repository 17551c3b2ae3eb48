using System.Runtime.CompilerServices;
using Internal.Runtime;

namespace System.Runtime;

/// <summary>What <c>is</c>, <c>as</c> and casts compile to. The compiler calls these methods by name.</summary>
/// <remarks>Casts need no cache here: class chains are short, and interfaces are compared one by one.</remarks>
internal static unsafe class TypeCast
{
    /// <summary><paramref name="obj"/> when it is of the class or one derived from it, otherwise null.</summary>
    [RuntimeExport("RhTypeCast_IsInstanceOfClass")]
    public static object? IsInstanceOfClass(MethodTable* target, object? obj) =>
        obj is not null && DerivesFrom(obj.GetMethodTable(), target) ? obj : null;

    [RuntimeExport("RhTypeCast_IsInstanceOfInterface")]
    public static object? IsInstanceOfInterface(MethodTable* target, object? obj) =>
        obj is not null && Implements(obj.GetMethodTable(), target) ? obj : null;

    [RuntimeExport("RhTypeCast_IsInstanceOfAny")]
    public static object? IsInstanceOfAny(MethodTable* target, object? obj) =>
        obj is not null && IsAny(obj.GetMethodTable(), target) ? obj : null;

    [RuntimeExport("RhTypeCast_IsInstanceOfException")]
    public static bool IsInstanceOfException(MethodTable* target, object? obj) =>
        obj is not null && DerivesFrom(obj.GetMethodTable(), target);

    [RuntimeExport("RhTypeCast_CheckCastClass")]
    public static object? CheckCastClass(MethodTable* target, object? obj)
    {
        if (obj is not null && !DerivesFrom(obj.GetMethodTable(), target))
            ThrowHelper.InvalidCast();
        return obj;
    }

    [RuntimeExport("RhTypeCast_CheckCastClassSpecial")]
    public static object? CheckCastClassSpecial(MethodTable* target, object? obj) => CheckCastClass(target, obj);

    [RuntimeExport("RhTypeCast_CheckCastInterface")]
    public static object? CheckCastInterface(MethodTable* target, object? obj)
    {
        if (obj is not null && !Implements(obj.GetMethodTable(), target))
            ThrowHelper.InvalidCast();
        return obj;
    }

    [RuntimeExport("RhTypeCast_CheckCastAny")]
    public static object? CheckCastAny(MethodTable* target, object? obj)
    {
        if (obj is not null && !IsAny(obj.GetMethodTable(), target))
            ThrowHelper.InvalidCast();
        return obj;
    }

    /// <summary>Stores a reference into an array after a check of the element's type.</summary>
    [RuntimeExport("RhpStelemRef")]
    public static void StelemRef(object?[] array, nint index, object? obj)
    {
        if ((nuint)index >= (nuint)array.Length)
            ThrowHelper.IndexOutOfRange();
        if (obj is not null && !IsAny(obj.GetMethodTable(), array.GetMethodTable()->ElementType))
            ThrowHelper.InvalidCast();
        Unsafe.Add(ref Unsafe.As<byte, object?>(ref Unsafe.As<RawArrayData>(array).Data), index) = obj;
    }

    /// <summary>The address of an array's element after a check of its exact type.</summary>
    [RuntimeExport("RhpLdelemaRef")]
    public static ref object? LdelemaRef(object?[] array, nint index, MethodTable* elementType)
    {
        if ((nuint)index >= (nuint)array.Length)
            ThrowHelper.IndexOutOfRange();
        if (array.GetMethodTable()->ElementType != elementType)
            ThrowHelper.InvalidCast();
        return ref Unsafe.Add(ref Unsafe.As<byte, object?>(ref Unsafe.As<RawArrayData>(array).Data), index);
    }

    private static bool DerivesFrom(MethodTable* type, MethodTable* target)
    {
        if (type->IsArray)
            return type == target || target == MethodTable.Of<Array>() || target == MethodTable.Of<object>();
        while (type != null)
        {
            if (type == target)
                return true;
            type = type->BaseType;
        }
        return false;
    }

    private static bool Implements(MethodTable* type, MethodTable* target)
    {
        for (int i = 0; i < type->InterfaceCount; i++)
        {
            if (type->Interface(i) == target)
                return true;
        }
        return false;
    }

    private static bool IsAny(MethodTable* type, MethodTable* target)
    {
        if (type == target)
            return true;
        if (type->IsArray && target->IsArray)
            return type->ElementType == target->ElementType || DerivesFrom(type->ElementType, target->ElementType);
        return DerivesFrom(type, target) || Implements(type, target);
    }
}
