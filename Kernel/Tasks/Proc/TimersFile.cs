using NanoVm.Core;
using NanoVm.Files.Proc;

namespace NanoVm.Tasks.Proc;

/// <summary><c>/proc/PID/timers</c>: the timers that the process has made with <c>timer_create</c>, the newest first.</summary>
/// <remarks>Linux: <c>show_timer</c>. The cursor is the number of the last one shown.</remarks>
internal sealed class TimersFile(TaskSystem system) : ProcText("timers"u8)
{
    // The numbers behind the two names: a process's or a thread's own clock of time on the processor. Linux: PROCESS_CLOCK, THREAD_CLOCK.
    private const int OwnProcessClock = -6, OwnThreadClock = -2;

    private readonly TaskSystem _system = system;

    /// <inheritdoc/>
    public override Errno Generate(ProcOpenFile file, ref TextWriter w, ref ProcCursor cursor)
    {
        Task? task = ProcessSource.TaskOf(_system, file.Subject);
        if (task is null)
            return Errno.ESRCH;
        while (true)
        {
            ulong below = cursor.Position == 0 ? int.MaxValue + 1UL : cursor.Position - 1;
            if (task.Group.Timers is not { } timers || !timers.TryFindBelow(below, out TimerFacts timer))
            {
                cursor.Ended = true;
                break;
            }

            int before = w.Length;
            Show(ref w, timer, task.Tgid);
            if (w.Overflowed)
            {
                w.Truncate(before);
                break;
            }

            cursor.Position = (ulong)timer.Id + 1;
        }

        task.Put();
        return Errno.None;
    }

    private static void Show(ref TextWriter w, in TimerFacts timer, int process)
    {
        w.Text("ID: "u8);
        w.Signed(timer.Id);
        w.Text("\nsignal: "u8);
        w.Signed(timer.Signal);
        w.Byte((byte)'/');
        w.Hex(timer.Value, 16);
        w.Text("\nnotify: "u8);
        w.Text((timer.Notify & ~TimerNotify.ThreadId) switch
        {
            TimerNotify.Signal => "signal"u8,
            TimerNotify.None => "none"u8,
            _ => "thread"u8,
        });
        bool thread = (timer.Notify & TimerNotify.ThreadId) != 0;
        w.Text(thread ? "/tid."u8 : "/pid."u8);
        w.Signed(thread ? timer.Target : process);
        w.Text("\nClockID: "u8);
        w.Signed(timer.Clock switch
        {
            ClockId.ProcessCpu => OwnProcessClock,
            ClockId.ThreadCpu => OwnThreadClock,
            _ => timer.Clock,
        });
        w.Byte((byte)'\n');
    }

    /// <inheritdoc/>
    public override bool IsValid(in ProcSubject subject) => TaskNode.IsValid(_system, subject);

    /// <inheritdoc/>
    public override void GetOwner(in ProcSubject subject, ref uint uid, ref uint gid, ref uint mode)
        => TaskNode.GetOwner(_system, subject, Mode, ref uid, ref gid);
}
