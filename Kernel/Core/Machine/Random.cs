using System;
using Internal.Runtime;

namespace NanoVm.Core;

/// <summary>Random bytes for user programs and for the layout of their address spaces.</summary>
/// <remarks>Part of the edge that Kernel.Tests/Machine replaces.</remarks>
internal static unsafe class Random
{
    public static void Fill(Span<byte> bytes) => RawObject.At<RandomGenerator>(PerCpu.Area->Generator).Fill(bytes);

    public static ulong Next() => RawObject.At<RandomGenerator>(PerCpu.Area->Generator).Next();

    internal static void Install(RandomGenerator generator) => PerCpu.Area->Generator = RawObject.AddressOf(generator);
}
