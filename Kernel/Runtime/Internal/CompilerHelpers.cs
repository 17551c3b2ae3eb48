using System;
using System.Diagnostics.CodeAnalysis;
using System.Runtime;

// The compiler looks these classes up by name and calls them for checks that fail and for code that cannot run.
namespace Internal.Runtime.CompilerHelpers
{
    /// <summary>Checks that failed in compiled code.</summary>
    internal static class ThrowHelpers
    {
        [DoesNotReturn]
        private static void ThrowIndexOutOfRangeException() => ThrowHelper.IndexOutOfRange();

        [DoesNotReturn]
        private static void ThrowOverflowException() => ThrowHelper.Overflow();

        [DoesNotReturn]
        private static void ThrowDivideByZeroException() => ThrowHelper.Panic("division by zero");

        [DoesNotReturn]
        private static void ThrowNullReferenceException() => ThrowHelper.Panic("null reference");

        [DoesNotReturn]
        private static void ThrowArrayTypeMismatchException() => ThrowHelper.Panic("array element of the wrong type");

        [DoesNotReturn]
        private static void ThrowArgumentException() => ThrowHelper.Panic("wrong argument");

        [DoesNotReturn]
        private static void ThrowArgumentOutOfRangeException() => ThrowHelper.ArgumentOutOfRange();

        [DoesNotReturn]
        private static void ThrowPlatformNotSupportedException() => ThrowHelper.Panic("not supported by this processor");

        [DoesNotReturn]
        private static void ThrowNotImplementedException() => ThrowHelper.Panic("not implemented");

        [DoesNotReturn]
        private static void ThrowBodyRemoved() => ThrowHelper.Panic("a method that the compiler removed was called");

        [DoesNotReturn]
        private static void ThrowFeatureBodyRemoved() => ThrowHelper.Panic("a method that the compiler removed was called");

        [DoesNotReturn]
        private static void ThrowInstanceBodyRemoved() => ThrowHelper.Panic("a method of a class without objects was called");

        [DoesNotReturn]
        private static void ThrowUnavailableType() => ThrowHelper.Panic("a type that the compiler removed was used");

        // For code that refers to what does not exist. The first argument is an identifier of the message.
        [DoesNotReturn]
        private static void ThrowTypeLoadException(int id, string type, string assembly) => ThrowHelper.Panic(type);

        [DoesNotReturn]
        private static void ThrowTypeLoadExceptionWithArgument(int id, string type, string assembly, string argument) =>
            ThrowHelper.Panic(type);

        [DoesNotReturn]
        private static void ThrowMissingMethodException(int id, string method) => ThrowHelper.Panic(method);

        [DoesNotReturn]
        private static void ThrowMissingFieldException(int id, string field) => ThrowHelper.Panic(field);

        [DoesNotReturn]
        private static void ThrowFileNotFoundException(int id, string file) => ThrowHelper.Panic(file);

        [DoesNotReturn]
        private static void ThrowInvalidProgramException(int id) => ThrowHelper.Panic("invalid program");

        [DoesNotReturn]
        private static void ThrowInvalidProgramExceptionWithArgument(int id, string method) => ThrowHelper.Panic(method);

        [DoesNotReturn]
        private static void ThrowMarshalDirectiveException(int id) => ThrowHelper.Panic("call to C that needs marshalling");

        [DoesNotReturn]
        private static void ThrowAmbiguousMatchException(int id) => ThrowHelper.Panic("ambiguous match");
    }

    /// <summary>Called by compiled code when a method's stack was overwritten: the canary behind its arrays has changed.</summary>
    internal static class StackGuard
    {
        [DoesNotReturn]
        [RuntimeExport("RhpFallbackFailFast")]
        private static void Fail() => ThrowHelper.Panic("stack array overrun");
    }

    /// <summary>What <c>typeof</c> compiles to where the compiler cannot decide a comparison itself. Types are no objects here.</summary>
    internal static unsafe class LdTokenHelpers
    {
        private static RuntimeTypeHandle GetRuntimeTypeHandle(nint type) => *(RuntimeTypeHandle*)&type;

        private static RuntimeMethodHandle GetRuntimeMethodHandle(nint method) => *(RuntimeMethodHandle*)&method;

        private static RuntimeFieldHandle GetRuntimeFieldHandle(nint field) => *(RuntimeFieldHandle*)&field;

        private static Type GetRuntimeType(MethodTable* type)
        {
            ThrowHelper.Panic("typeof outside of a comparison");
            return null!;
        }
    }
}
