using System.Runtime.CompilerServices;
using NanoVm.Core;
using NanoVm.Memory.Physical;

namespace NanoVm.Memory.Mapping;

/// <summary>All areas that may map the anonymous pages of one area and of its copies after <c>fork</c>.</summary>
/// <remarks>Linux: <c>struct anon_vma</c>. Lecture 002, "Reverse mapping for anonymous pages".</remarks>
internal sealed partial class AnonVma
{
}

/// <summary>One edge between an area and an <see cref="AnonVma"/>.</summary>
/// <remarks>Linux: <c>struct anon_vma_chain</c>.</remarks>
internal sealed partial class AnonVmaChain
{
}

/// <summary>How a frame says whose it is.</summary>
internal static unsafe class FrameMapping
{
    /// <summary>Makes a fresh frame a page of anonymous memory. Linux: <c>__page_set_anon_rmap</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetAnonymous(this ref PageFrame frame, AnonVma? anonVma, ulong index)
    {
        frame.Flags |= FrameFlags.Anonymous | FrameFlags.SwapBacked | FrameFlags.UpToDate;
        frame.Mapping = anonVma is null ? 0 : (nuint)ObjectFactory.AddressOf(anonVma) | PageFrame.MappingAnonymous;
        frame.Index = index;
    }

    /// <summary>Makes a page that came back from swap findable from its owner. Its other flags stay: others may be changing them.</summary>
    public static void SetAnonymousOwner(this ref PageFrame frame, AnonVma anonVma, ulong index)
    {
        frame.SetFlags(FrameFlags.Anonymous | FrameFlags.SwapBacked);
        frame.Mapping = (nuint)ObjectFactory.AddressOf(anonVma) | PageFrame.MappingAnonymous;
        frame.Index = index;
    }

    /// <summary>The page cache that a frame is in, or null.</summary>
    public static AddressSpace? AddressSpaceOf(in PageFrame frame) =>
        (frame.Flags & FrameFlags.PageCache) == 0 || frame.Mapping == 0 ? null : ObjectFactory.FromAddress<AddressSpace>((void*)frame.Mapping);
}
