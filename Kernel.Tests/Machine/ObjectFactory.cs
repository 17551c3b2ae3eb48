using System.Reflection;
using System.Runtime.CompilerServices;
using NanoVm.Tests.Machine;

namespace NanoVm.Core;

/// <summary>Objects of the host's runtime, each tied to the memory that the object cache gave for it.</summary>
internal static unsafe class ObjectFactory
{
    public static nuint SizeOf<T>()
        where T : class => HostObjectSize<T>.Bytes;

    public static T Create<T>(void* zeroedMemory)
        where T : class
    {
        var created = (T)RuntimeHelpers.GetUninitializedObject(typeof(T));
        Register(zeroedMemory, created);
        return created;
    }

    public static nuint ArraySizeOf<T>(int length) => (nuint)((16 + (ulong)(uint)length * (ulong)Unsafe.SizeOf<T>() + 7) & ~7UL);

    public static T[] CreateArray<T>(void* zeroedMemory, int length)
    {
        var created = new T[length];
        Register(zeroedMemory, created);
        return created;
    }

    public static void* AddressOf(object value)
    {
        if (!HostMachine.Current.AddressesByObject.TryGetValue(value, out nint address))
            Panic.Now("an object is used that was freed, or that no object cache made"u8);
        return (void*)address;
    }

    public static T FromAddress<T>(void* address)
        where T : class => (T)HostMachine.Current.ObjectsByAddress[(nint)address];

    public static void Release(object value)
    {
        HostMachine machine = HostMachine.Current;
        if (!machine.AddressesByObject.Remove(value, out nint address))
            Panic.Now("an object is freed twice"u8);
        machine.ObjectsByAddress.Remove(address);
    }

    private static void Register(void* memory, object created)
    {
        HostMachine machine = HostMachine.Current;
        machine.ObjectsByAddress.Add((nint)memory, created);
        machine.AddressesByObject.Add(created, (nint)memory);
    }

    /// <summary>About what the kernel's compiler would need: the exact number does not matter here.</summary>
    private static class HostObjectSize<T>
        where T : class
    {
        public static readonly nuint Bytes = Measure();

        private static nuint Measure()
        {
            int bytes = 8;
            for (Type? type = typeof(T); type is not null && type != typeof(object); type = type.BaseType)
            {
                foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                    bytes += field.FieldType.IsValueType ? (SizeOfValue(field.FieldType) + 7) & ~7 : 8;
            }

            return (nuint)bytes;
        }

        private static int SizeOfValue(Type type) =>
            (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;
    }
}
