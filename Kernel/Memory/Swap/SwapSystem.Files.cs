using NanoVm.Core;
using NanoVm.Core.Sync;
using NanoVm.Memory.Mapping;

namespace NanoVm.Memory.Swap;

/// <summary>The files of shared memory that have pages in swap: <c>swapoff</c> must find them, for no page table names their slots.</summary>
/// <remarks>
/// Linux: <c>shmem_swaplist</c>. A file joins with its first page that is swapped out. It leaves when it goes, or when a walk finds that it has
/// none left. Who walks stays at a file without a lock, and so holds it: a file that goes meanwhile waits for him.
/// </remarks>
internal sealed partial class SwapSystem
{
    /// <summary>Guarded by <see cref="_lock"/>, with the links in the files.</summary>
    private AddressSpace? _swappedFiles;

    /// <summary>Files that go wait here for walkers to leave them.</summary>
    private WaitQueue _walkersGone;

    internal void AddSwappedFile(AddressSpace file)
    {
        if (file.IsOnSwappedList)
            return;
        bool enabled = _lock.AcquireRaw();
        file.IsOnSwappedList = true;
        file.PreviousSwapped = null;
        file.NextSwapped = _swappedFiles;
        if (_swappedFiles is not null)
            _swappedFiles.PreviousSwapped = file;
        _swappedFiles = file;
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>The file goes. Sleeps while anybody walks there.</summary>
    internal void RemoveSwappedFile(AddressSpace file)
    {
        WaitNode node = PerCpu.Current.WaitNode;
        while (true)
        {
            _walkersGone.PrepareToWait(node, ThreadState.Uninterruptible);
            if (file.SwappedWalkers == 0)
                break;
            PerCpu.Scheduler.Schedule();
        }

        _walkersGone.FinishWait(node);
        bool enabled = _lock.AcquireRaw();
        Unlink(file);
        _lock.ReleaseRaw(enabled);
    }

    /// <summary>Brings back what files have in an area.</summary>
    private Errno BringBackFiles(int area)
    {
        Errno error = Errno.None;
        AddressSpace? file = Enter(null);
        while (file is not null)
        {
            if (error == Errno.None)
                error = file.BringBackSwapped(area);
            AddressSpace? next = Enter(file);
            Leave(file);
            file = next;
        }

        return error;
    }

    /// <summary>The file behind another in the list, or the first, with a walker more.</summary>
    private AddressSpace? Enter(AddressSpace? after)
    {
        bool enabled = _lock.AcquireRaw();
        AddressSpace? file = after is null ? _swappedFiles : after.NextSwapped;
        if (file is not null)
            file.SwappedWalkers++;
        _lock.ReleaseRaw(enabled);
        return file;
    }

    private void Leave(AddressSpace file)
    {
        bool enabled = _lock.AcquireRaw();
        bool last = --file.SwappedWalkers == 0;
        if (last && file.SwappedPages == 0)
            Unlink(file);
        _lock.ReleaseRaw(enabled);
        if (last)
            _walkersGone.WakeAll();
    }

    private void Unlink(AddressSpace file)
    {
        if (!file.IsOnSwappedList)
            return;
        if (file.PreviousSwapped is null)
            _swappedFiles = file.NextSwapped;
        else
            file.PreviousSwapped.NextSwapped = file.NextSwapped;
        if (file.NextSwapped is not null)
            file.NextSwapped.PreviousSwapped = file.PreviousSwapped;
        file.NextSwapped = file.PreviousSwapped = null;
        file.IsOnSwappedList = false;
    }
}
