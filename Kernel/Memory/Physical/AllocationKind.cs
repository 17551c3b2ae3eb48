namespace NanoVm.Memory.Physical;

/// <summary>Which allocator was asked; <see cref="FailureInjection"/> counts each.</summary>
internal enum AllocationKind : byte
{
    Frames,
    Objects,
    Bytes,
    Arrays,
    Vmalloc,
}
