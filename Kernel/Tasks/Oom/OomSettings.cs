namespace NanoVm.Tasks;

/// <summary>What the administrator wants when memory has run out; files of <c>/proc/sys/vm</c>.</summary>
internal sealed class OomSettings
{
    /// <summary>Who asked for the memory dies, whoever has most: no search. <c>oom_kill_allocating_task</c>.</summary>
    public int KillAllocatingTask;

    /// <summary>Nobody is killed, the machine stops: 1 or 2. <c>panic_on_oom</c>.</summary>
    public int Panic;

    /// <summary>The report lists all processes. <c>oom_dump_tasks</c>.</summary>
    public int DumpTasks = 1;
}
