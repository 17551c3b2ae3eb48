using NanoVm.Core;
using NanoVm.Memory.Virtual;

namespace NanoVm.Tasks;

/// <summary>The image of a process that ended by a fault. Linux: <c>do_coredump</c>.</summary>
internal static class CoreDump
{
    /// <summary>Writes a core file when RLIMIT_CORE allows one.</summary>
    /// <returns>Whether one was written: then the status says so. None is written yet: the file format is a later issue's.</returns>
    public static bool Write(Task task, ref TrapFrame frame, in SignalInfo info)
    {
        if (task.Group.Limits.Soft(Resource.Core) == 0)
            return false;
        return false;
    }
}
