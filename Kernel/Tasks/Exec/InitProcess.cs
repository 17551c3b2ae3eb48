using System;
using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>Process 1: begins as a kernel thread and becomes the first program.</summary>
/// <remarks>
/// Linux: <c>kernel_init</c>, <c>run_init_process</c>. <c>init=PATH</c> of the command line is tried alone; otherwise <c>/init</c>,
/// <c>/sbin/init</c>, <c>/bin/sh</c>.
/// </remarks>
internal sealed unsafe class InitProcess : KernelThreadWork
{
    private readonly TaskSystem _system;
    private readonly byte[] _path;

    /// <param name="path">What <c>init=</c> says; empty without it.</param>
    public InitProcess(TaskSystem system, ReadOnlySpan<byte> path)
    {
        _system = system;
        _path = new byte[path.Length];
        path.CopyTo(_path);
    }

    /// <inheritdoc/>
    public override void Run(Task self)
    {
        Prepare(self);
        if (_path.Length != 0)
        {
            TryRun(self, _path);
            Panic.Now("the program that init= names cannot be run"u8);
        }
        TryRun(self, "/init"u8);
        TryRun(self, "/sbin/init"u8);
        TryRun(self, "/bin/sh"u8);
        Panic.Now("no init found: /init, /sbin/init and /bin/sh cannot be run"u8);
    }

    private void Prepare(Task self)
    {
        ThreadGroup group = self.Group;
        FileDescriptorTable? files = FileDescriptorTable.Allocate(_system.Vfs);
        FsContext? place = FsContext.Allocate(_system.Vfs);
        if (files is null || place is null || _system.AllocateFpu(self) != Errno.None)
            Panic.Now("no memory for the first process"u8);
        self.Files = files!;
        self.Fs = place!;
        self.Blocked = SignalSet.Empty;
        group.IsUnkillable = true;
        using (_system.TaskLock.Acquire())
        {
            _system.Init = group;
            Signals.Recalculate(self);
        }

        // Standard input, output and error, as Linux's console_on_rootfs opens them.
        if (!_system.Vfs.Open(self, Vfs.AtWorkingDirectory, "/dev/console"u8, OpenFlags.ReadWrite, 0).TryGet(out OpenFile console, out Errno error))
        {
            Log.Warn($"/dev/console cannot be opened: {error}");
            return;
        }
        for (int i = 0; i < 3; i++)
            _ = self.Files.Add(self, console.GetFile(), CloseOnExec.No);
        console.Put();
    }

    /// <summary>Returns when the program cannot be run.</summary>
    private static void TryRun(Task self, ReadOnlySpan<byte> path)
    {
        Span<byte> arguments = stackalloc byte[path.Length + 1];
        path.CopyTo(arguments);
        arguments[path.Length] = 0;
        ref TrapFrame frame = ref *ContextSwitch.UserFrame(self);
        Errno error = Execve.RunFromKernel(self, path, arguments, "HOME=/\0TERM=linux\0PATH=/usr/sbin:/usr/bin:/sbin:/bin\0"u8, ref frame);
        if (error == Errno.None)
        {
            Log.Info($"{path} starts, {Cpu.ReadTsc() - self.System.StartTsc} ticks after the kernel");
            self.System.Physical.Failures.StartPending();
            ContextSwitch.EnterUser(self);
        }
        if (error != Errno.ENOENT)
            Log.Warn($"{path} cannot be run: error {error}");
    }
}
