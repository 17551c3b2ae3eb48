using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/ledger</c>: all that the kernel has given out. Tests read it before and after: nothing may be lost. Linux has nothing like it.</summary>
internal sealed class LedgerFile(MachineFiles machine) : ProcPage("ledger"u8, 0x100)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        Ledger.Line(ref w, "open_files"u8, (ulong)_machine.Io.Vfs.OpenFiles);
        Ledger.Write(ref w, _machine.Memory, _machine.Cache);
        return Errno.None;
    }
}
