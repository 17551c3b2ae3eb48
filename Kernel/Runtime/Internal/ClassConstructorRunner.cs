using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace System.Runtime.CompilerServices;

/// <summary>The state of a static constructor that could not be run by the compiler: zero once it has run.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct StaticClassConstructionContext
{
    /// <summary>The constructor, or zero when it has run.</summary>
    public volatile nint cctorMethodAddress;
}

/// <summary>Runs static constructors on first use. The compiler calls it by name before such statics are touched.</summary>
internal static unsafe class ClassConstructorRunner
{
    private static void CheckStaticClassConstruction(ref StaticClassConstructionContext context)
    {
        nint constructor = context.cctorMethodAddress;
        if (constructor == 0)
            return;
        // Cleared first, so that a constructor that reads its own class does not run twice.
        context.cctorMethodAddress = 0;
        ((delegate*<void>)constructor)();
    }

    private static object CheckStaticClassConstructionReturnGCStaticBase(
        ref StaticClassConstructionContext context, object gcStaticBase)
    {
        CheckStaticClassConstruction(ref context);
        return gcStaticBase;
    }

    private static nint CheckStaticClassConstructionReturnNonGCStaticBase(
        ref StaticClassConstructionContext context, nint nonGcStaticBase)
    {
        CheckStaticClassConstruction(ref context);
        return nonGcStaticBase;
    }

    private static object CheckStaticClassConstructionReturnThreadStaticBase(
        TypeManagerSlot* slot, nint type, StaticClassConstructionContext* context)
    {
        ThrowHelper.Panic("thread-static fields do not exist");
        return null!;
    }
}

/// <summary>Named by the compiler's helper signatures.</summary>
internal struct TypeManagerSlot
{
    public nint TypeManager;
    public int ModuleIndex;
}
