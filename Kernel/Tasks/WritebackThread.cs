using NanoVm.Core;
using NanoVm.Files;

namespace NanoVm.Tasks;

/// <summary>The kernel thread that writes changed files to their disks every few seconds, or at once when many pages are dirty.</summary>
/// <remarks>Linux: the flusher threads, <c>dirty_writeback_centisecs</c>, <c>dirty_background_ratio</c>.</remarks>
internal sealed class WritebackThread(Vfs vfs) : KernelThreadWork
{
    private const ulong Interval = 5_000_000_000;

    public override void Run(Task self)
    {
        self.System.Memory.FlushThread = self;
        self.MayUseReserve = true;                          // what it needs makes more pages free than it takes
        for (; ; )
        {
            self.State = ThreadState.Uninterruptible;
            PerCpu.Scheduler.ScheduleTimeout(Time.MonotonicNanoseconds + Interval);
            // Mounts come and go while one is written: each is held, and keeps its place in the list by the lock.
            vfs.MountLock.Lock();
            for (Mount? mount = vfs.Mounts.First; mount is not null; mount = mount.Next)
                mount.Superblock.WriteBack();
            vfs.MountLock.Unlock();
        }
    }
}
