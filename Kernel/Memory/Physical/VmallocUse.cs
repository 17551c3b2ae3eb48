namespace NanoVm.Memory.Physical;

/// <summary>What a vmalloc area is for; <c>/proc/vmallocinfo</c> shows it.</summary>
internal enum VmallocUse : byte
{
    General,
    Array,
    Stack,
    /// <summary>Registers or memory of a device: no frames of RAM belong to it. Linux: <c>VM_IOREMAP</c>.</summary>
    Device,
    /// <summary>Freed, and waits to be unmapped with others. Linux: "unpurged vm_area".</summary>
    Unpurged,
}
