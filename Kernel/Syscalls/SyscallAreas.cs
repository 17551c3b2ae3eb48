namespace NanoVm.Syscalls;

/// <summary>The list of areas: every file that registers system calls has one line here.</summary>
internal static class SyscallAreas
{
    /// <summary>Builds the complete table.</summary>
    public static SyscallTable Build()
    {
        var table = new SyscallTable();
        var builder = new SyscallTableBuilder(table);
        ProcessSyscalls.Register(ref builder);
        IdentitySyscalls.Register(ref builder);
        ControlSyscalls.Register(ref builder);
        PidFdSyscalls.Register(ref builder);
        CredentialSyscalls.Register(ref builder);
        SystemSyscalls.Register(ref builder);
        SchedulerSyscalls.Register(ref builder);
        PipeSyscalls.Register(ref builder);
        PollSyscalls.Register(ref builder);
        SelectSyscalls.Register(ref builder);
        EventSyscalls.Register(ref builder);
        SignalFileSyscalls.Register(ref builder);
        SocketSyscalls.Register(ref builder);
        SocketOptionSyscalls.Register(ref builder);
        SocketTransferSyscalls.Register(ref builder);
        MemorySyscalls.Register(ref builder);
        ProcessVmSyscalls.Register(ref builder);
        MemoryPolicySyscalls.Register(ref builder);
        FileOpenSyscalls.Register(ref builder);
        FileReadWriteSyscalls.Register(ref builder);
        FileStatSyscalls.Register(ref builder);
        FileDirectorySyscalls.Register(ref builder);
        FileLinkSyscalls.Register(ref builder);
        FileAttributeSyscalls.Register(ref builder);
        FileDescriptorSyscalls.Register(ref builder);
        FileMountSyscalls.Register(ref builder);
        FileSyncSyscalls.Register(ref builder);
        FileXattrSyscalls.Register(ref builder);
        FileCopySyscalls.Register(ref builder);
        FileMemorySyscalls.Register(ref builder);
        SharedMemorySyscalls.Register(ref builder);
        SemaphoreSyscalls.Register(ref builder);
        MessageSyscalls.Register(ref builder);
        SignalSyscalls.Register(ref builder);
        FutexSyscalls.Register(ref builder);
        TimeSyscalls.Register(ref builder);
        SwapSyscalls.Register(ref builder);
        return table;
    }
}
