using NanoVm.Core;
using NanoVm.Files;
using NanoVm.Memory.Mapping;

namespace NanoVm.Tasks;

/// <summary>The kernel thread that writes to the disks what has been dirty for long enough, and all of it when it is woken before its time.</summary>
/// <remarks>Linux: the flusher threads, <c>wb_workfn</c>. Its settings are in <see cref="PageCache"/>.</remarks>
internal sealed class WritebackThread(Vfs vfs, PageCache cache) : KernelThreadWork
{
    /// <summary>When it shall not look by itself it does so once an hour.</summary>
    private const ulong Seldom = 3_600_000_000_000;

    public override void Run(Task self)
    {
        self.System.Memory.FlushThread = self;
        self.MayUseReserve = true;                          // what it needs makes more pages free than it takes
        cache.Flusher = self;
        for (; ; )
        {
            ulong interval = cache.DirtyWriteback;
            self.State = ThreadState.Uninterruptible;
            ulong left = PerCpu.Scheduler.ScheduleTimeout(Time.MonotonicNanoseconds + (interval == 0 ? Seldom : interval));
            bool all = left > 0 || cache.IsAboveBackground;
            // Mounts come and go while one is written: each is held, and keeps its place in the list by the lock.
            vfs.MountLock.Lock();
            for (Mount? mount = vfs.Mounts.First; mount is not null; mount = mount.Next)
                mount.Superblock.WriteBack(all);
            vfs.MountLock.Unlock();
        }
    }
}
