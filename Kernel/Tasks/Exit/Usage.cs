using System;
using NanoVm.Core;

namespace NanoVm.Tasks;

/// <summary>Adds up what threads, processes and collected children have used. Under the task-list lock.</summary>
/// <remarks>Linux: <c>getrusage</c>, <c>wait4</c>'s third result.</remarks>
internal static class Usage
{
    public static ResourceUsage OfThread(Task task)
    {
        ResourceUsage usage = default;
        AddThread(ref usage, task);
        usage.MaxResident = KilobytesOf(ResidentOf(task.Group));
        return usage;
    }

    public static ResourceUsage OfProcess(ThreadGroup group)
    {
        ResourceUsage usage = default;
        usage.Times = group.DeadThreadTimes;
        usage.MinorFaults = group.DeadMinorFaults;
        usage.MajorFaults = group.DeadMajorFaults;
        usage.VoluntarySwitches = group.DeadVoluntarySwitches;
        usage.InvoluntarySwitches = group.DeadInvoluntarySwitches;
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
            AddThread(ref usage, task);
        usage.MaxResident = KilobytesOf(ResidentOf(group));
        return usage;
    }

    public static ResourceUsage OfChildren(ThreadGroup group)
    {
        ResourceUsage usage = default;
        usage.Times = group.ChildTimes;
        usage.MinorFaults = group.ChildMinorFaults;
        usage.MajorFaults = group.ChildMajorFaults;
        usage.VoluntarySwitches = group.ChildVoluntarySwitches;
        usage.InvoluntarySwitches = group.ChildInvoluntarySwitches;
        usage.MaxResident = KilobytesOf(group.ChildMaxResident);
        return usage;
    }

    public static ResourceUsage OfProcessAndChildren(ThreadGroup group)
    {
        ResourceUsage own = OfProcess(group), children = OfChildren(group);
        own.Times.Add(children.Times);
        own.MinorFaults += children.MinorFaults;
        own.MajorFaults += children.MajorFaults;
        own.VoluntarySwitches += children.VoluntarySwitches;
        own.InvoluntarySwitches += children.InvoluntarySwitches;
        own.MaxResident = Math.Max(own.MaxResident, children.MaxResident);
        return own;
    }

    private static void AddThread(ref ResourceUsage usage, Task task)
    {
        usage.Times.Add(TaskTimes.Of(task));
        usage.MinorFaults += task.MinorFaults;
        usage.MajorFaults += task.MajorFaults;
        usage.VoluntarySwitches += task.VoluntarySwitches;
        usage.InvoluntarySwitches += task.InvoluntarySwitches;
    }

    private static ulong ResidentOf(ThreadGroup group)
    {
        ulong most = group.MaxResident;
        for (Task? task = group.Threads.First; task is not null; task = group.Threads.NextOf(task))
        {
            if (task.Mm is { } mm)
                return Math.Max(most, mm.PeakRss);
        }
        return most;
    }

    private static ulong KilobytesOf(ulong pages) => pages * (PageSize.Bytes / 1024);
}
