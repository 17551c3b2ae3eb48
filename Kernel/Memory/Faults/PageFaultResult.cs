namespace NanoVm.Memory.Faults;

/// <summary>What became of a page fault, or what the task must be told.</summary>
/// <remarks>Linux: <c>vm_fault_t</c> and what <c>do_user_addr_fault</c> makes of it.</remarks>
internal enum PageFaultResult
{
    /// <summary>The access can be tried again.</summary>
    Handled,

    /// <summary>From <see cref="Virtual.VmOperations.Fault"/> only: the entry has been set already. Linux: <c>VM_FAULT_NOPAGE</c>.</summary>
    Installed,

    /// <summary>Waited for a program's answer (userfaultfd); the mm's lock is released, the access shall be tried again. Linux: <c>VM_FAULT_RETRY</c>.</summary>
    Retry,

    /// <summary>SIGSEGV, <c>SEGV_MAPERR</c>: no area there.</summary>
    SegvMaperr,

    /// <summary>SIGSEGV, <c>SEGV_ACCERR</c>: the area forbids it.</summary>
    SegvAccerr,

    /// <summary>SIGSEGV, <c>SEGV_PKUERR</c>: the protection key forbids it.</summary>
    SegvPkuerr,

    /// <summary>SIGBUS, <c>BUS_ADRERR</c>: inside the area, but nothing lies behind it (beyond the end of the file, an I/O error).</summary>
    Sigbus,

    /// <summary>No frame could be had: the out-of-memory killer's turn.</summary>
    OutOfMemory,

    /// <summary>The kernel touched user memory that it may not: continue at the recovery address (the copy returns EFAULT).</summary>
    KernelFixup,

    /// <summary>A bug in the kernel.</summary>
    KernelBad,
}

/// <summary>How memory was, or shall be, touched.</summary>
/// <remarks>Linux: <c>FAULT_FLAG_*</c>.</remarks>
[System.Flags]
internal enum FaultFlags : uint
{
    None = 0,
    Write = 1,
    /// <summary>The processor was in user mode.</summary>
    User = 4,
    /// <summary>Not the running task's own mm.</summary>
    Remote = 8,
    /// <summary>Do not count it as the task's fault.</summary>
    Uncounted = 32,
    /// <summary>The handler may release the mm's lock and answer <see cref="PageFaultResult.Retry"/>.</summary>
    AllowRetry = 64,
}
