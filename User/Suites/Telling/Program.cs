using System;
using static NanoVm.User.Ktap;
using static NanoVm.User.Suites.Linux;
using static NanoVm.User.Suites.Pages;

namespace NanoVm.User.Suites.Telling;

/// <summary>What files of /proc tell beside memory's own: of a process (timers, mapped files, who it is), of all (System V objects, counters).</summary>
internal static unsafe class Program
{

    private const int OutOfRange = -34, ExclusiveBit = 34;

    public static int Main() => Run(
        new("/proc/self has the files that tools look for, with these rights", &NamesAndModes),
        new("Files that cannot be written refuse with EINVAL", &NotWritten),
        new("uid_map, gid_map and projid_map map all to itself, and cannot be written", &IdMaps),
        new("setgroups is allowed, and cannot be denied any more", &Setgroups),
        new("loginuid is set by the task itself and inherited, with a session", &Login),
        new("loginuid refuses what is no number, and other tasks", &LoginRefuses),
        new("attr/current can be read, the others have nothing", &SecurityAttributes),
        new("timers lists them, the newest first", &Timers),
        new("timers of a process without any is empty", &NoTimers),
        new("map_files has a link for each area of a file", &MapFiles),
        new("map_files finds areas by their very borders", &MapFilesBorders),
        new("map_files can be followed by the privileged", &MapFilesFollowed),
        new("SigQ counts queued signals of all processes of a user, and timers", &SignalQueue),
        new("RLIMIT_SIGPENDING holds for timers", &TimerLimit),
        new("sysvipc/sem shows a set of semaphores", &SemaphoreSets),
        new("sysvipc/msg shows a queue of messages", &MessageQueues),
        new("vmstat begins with what there is, in this order", &VmStatOrder),
        new("vmstat has the events, in this order", &VmStatEvents),
        new("The node's vmstat is how vmstat begins", &NodeVmStat),
        new("zoneinfo: the zones' free pages are vmstat's", &ZoneFree),
        new("zoneinfo: a zone's pages: managed of present of spanned", &ZoneSizes),
        new("zoneinfo shows five zones, and what a zone has in this order", &ZoneOrder),
        new("pagetypeinfo has five kinds of blocks", &PageTypes),
        new("meminfo: the sums agree", &MemInfoSums),
        new("meminfo: DirectMap covers all memory", &DirectMap),
        new("kpageflags tells of a page that nobody shares", &ExclusivePage));

    // ---- of a process --------------------------------------------------------------------------------------------------------------------

    private static int ModeOf(ReadOnlySpan<byte> path)
    {
        byte* stat = stackalloc byte[144];
        fixed (byte* p = path)
        {
            long error = Syscall.Call(6, (nint)p, (nint)stat);
            return error < 0 ? (int)error : *(int*)(stat + 24);
        }
    }

    private static void NamesAndModes()
    {
        const int file = 0x8000, link = 0xA000, directory = 0x4000, all = 0x124, own = 0x100, changed = 0x1A4, everybody = 0x1B6;
        Equal(directory | 0x16D, ModeOf("/proc/self/attr"u8));
        Equal(file | everybody, ModeOf("/proc/self/attr/current"u8));
        Equal(file | all, ModeOf("/proc/self/attr/prev"u8));
        Equal(file | own, ModeOf("/proc/self/auxv"u8));
        Equal(file | changed, ModeOf("/proc/self/comm"u8));
        Equal(file | changed, ModeOf("/proc/self/coredump_filter"u8));
        Equal(file | all, ModeOf("/proc/self/cpuset"u8));
        Equal(link | 0x1FF, ModeOf("/proc/self/cwd"u8));
        Equal(directory | 0x140, ModeOf("/proc/self/fd"u8));
        Equal(directory | 0x16D, ModeOf("/proc/self/fdinfo"u8));
        Equal(file | changed, ModeOf("/proc/self/gid_map"u8));
        Equal(file | own, ModeOf("/proc/self/io"u8));
        Equal(file | changed, ModeOf("/proc/self/loginuid"u8));
        Equal(directory | 0x140, ModeOf("/proc/self/map_files"u8));
        Equal(file | all, ModeOf("/proc/self/numa_maps"u8));
        Equal(file | own, ModeOf("/proc/self/pagemap"u8));
        Equal(file | own, ModeOf("/proc/self/personality"u8));
        Equal(file | changed, ModeOf("/proc/self/projid_map"u8));
        Equal(file | all, ModeOf("/proc/self/sessionid"u8));
        Equal(file | changed, ModeOf("/proc/self/setgroups"u8));
        Equal(file | all, ModeOf("/proc/self/smaps_rollup"u8));
        Equal(file | own, ModeOf("/proc/self/syscall"u8));
        Equal(file | all, ModeOf("/proc/self/timers"u8));
        Equal(file | everybody, ModeOf("/proc/self/timerslack_ns"u8));
        Equal(file | changed, ModeOf("/proc/self/uid_map"u8));
        Equal(Errno.NoEntry, ModeOf("/proc/thread-self/timers"u8));
        Equal(Errno.NoEntry, ModeOf("/proc/thread-self/map_files"u8));
        Equal(file | all, ModeOf("/proc/thread-self/numa_maps"u8));
        Equal(file | all, ModeOf("/proc/sysvipc/msg"u8));
    }

    private static void NotWritten()
    {
        Equal(Errno.Invalid, Proc.Put("/proc/self/status"u8, "x"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/cpuset"u8, "/"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/sessionid"u8, "1"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/limits"u8, "x"u8));
    }

    private static void IdMaps()
    {
        Same("         0          0 4294967295\n"u8, Proc.ReadAll("/proc/self/uid_map"u8), "uid_map");
        Same("         0          0 4294967295\n"u8, Proc.ReadAll("/proc/self/gid_map"u8), "gid_map");
        Same("         0          0 4294967295\n"u8, Proc.ReadAll("/proc/self/projid_map"u8), "projid_map");
        Equal(Errno.NotPermitted, Proc.Put("/proc/self/uid_map"u8, "0 0 1"u8));
        Equal(Errno.NotPermitted, Proc.Put("/proc/self/gid_map"u8, "nonsense"u8));
    }

    private static void Setgroups()
    {
        Same("allow\n"u8, Proc.ReadAll("/proc/self/setgroups"u8), "setgroups");
        Equal(5, Proc.Put("/proc/self/setgroups"u8, "allow"u8));
        Equal(6, Proc.Put("/proc/self/setgroups"u8, "allow\n"u8));
        Equal(Errno.NotPermitted, Proc.Put("/proc/self/setgroups"u8, "deny"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/setgroups"u8, "allow x"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/setgroups"u8, "allow   "u8));
        Same("allow\n"u8, Proc.ReadAll("/proc/self/setgroups"u8), "setgroups");
    }

    private static void Login() => Equal(0, Child.Run(&LogIn));

    private static int LogIn()
    {
        if (Proc.Put("/proc/self/loginuid"u8, "1234"u8) != 4)
            return 1;
        long session = Proc.Number(Proc.ReadAll("/proc/self/sessionid"u8));
        if (session <= 0 || session == uint.MaxValue)
            return 2;
        int status = Child.Run(&IsLoggedIn);
        if (status != 0)
            return status;
        if (Proc.Put("/proc/self/loginuid"u8, "0"u8) != 1 || Proc.Number(Proc.ReadAll("/proc/self/sessionid"u8)) != session + 1)
            return 3;
        if (Proc.Put("/proc/self/loginuid"u8, "4294967295"u8) != 10)
            return 4;
        return Proc.Number(Proc.ReadAll("/proc/self/sessionid"u8)) == uint.MaxValue ? 0 : 5;
    }

    private static int IsLoggedIn() => Proc.ReadAll("/proc/self/loginuid"u8).SequenceEqual("1234"u8) ? 0 : 6;

    private static void LoginRefuses()
    {
        Equal(Errno.Invalid, Proc.Put("/proc/self/loginuid"u8, "x"u8));
        Equal(Errno.Invalid, Proc.Put("/proc/self/loginuid"u8, "-1"u8));
        Equal(OutOfRange, Proc.Put("/proc/self/loginuid"u8, "4294967296"u8));
        Equal(Errno.NotPermitted, Proc.Put("/proc/1/loginuid"u8, "5"u8));
    }

    private static void SecurityAttributes()
    {
        byte b;
        int file = Open("/proc/self/attr/exec"u8, 0);
        Equal(Errno.Invalid, Read(file, &b, 1));
        Close(file);
        Equal(Errno.Invalid, Proc.Put("/proc/self/attr/exec"u8, "x"u8));
        file = Open("/proc/self/attr/current"u8, 0);
        Check(file >= 0);
        Close(file);
    }

    private static int MakeTimer(int clock, int notify, int signal, nint value, int thread = 0)
    {
        byte* wish = stackalloc byte[64];
        new Span<byte>(wish, 64).Clear();
        *(nint*)wish = value;
        ((int*)wish)[2] = signal;
        ((int*)wish)[3] = notify;
        ((int*)wish)[4] = thread;
        int id = -1;
        nint error = Syscall.Call(222, clock, (nint)wish, (nint)(&id));
        return error < 0 ? (int)error : id;
    }

    private static void Timers() => Equal(0, Child.Run(&ListTimers));

    private static int ListTimers()
    {
        const int none = 1, thread = 2, oneThread = 4;
        if (MakeTimer(0, 0, 10, 0x1234) != 0 || MakeTimer(1, none, 14, -1) != 1 || MakeTimer(2, oneThread, 40, 0, GetPid()) != 2 || MakeTimer(7, thread, 14, 0) != 3)
            return 1;
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/self/timers"u8);
        if (!text.StartsWith("ID: 3\nsignal: 14/0000000000000000\nnotify: thread/pid."u8))
            return 2;
        if (text.IndexOf("\nClockID: 7\nID: 2\nsignal: 40/0000000000000000\nnotify: signal/tid."u8) < 0)
            return 3;
        if (text.IndexOf("\nClockID: -6\nID: 1\nsignal: 14/ffffffffffffffff\nnotify: none/pid."u8) < 0)
            return 4;
        if (text.IndexOf("\nClockID: 1\nID: 0\nsignal: 10/0000000000001234\nnotify: signal/pid."u8) < 0 || !text.EndsWith("\nClockID: 0\n"u8))
            return 5;
        Syscall.Call(226, 1);
        text = Proc.ReadAll("/proc/self/timers"u8);
        return text.IndexOf("ID: 1\n"u8) >= 0 && text.IndexOf("\nID: 1\n"u8) >= 0 ? 6 : 0;
    }

    private static void NoTimers() => Equal(0, Proc.ReadAll("/proc/self/timers"u8).Length);

    private const nint Place = 0x1000_0000;

    /// <summary>Two pages of a memory file at <see cref="Place"/>.</summary>
    private static int MapAtPlace()
    {
        int file = MemFd("telling"u8, 0);
        Truncate(file, 2 * Page);
        Equal(Place, Mmap(Place, 2 * Page, Protection.ReadWrite, Map.Shared | Map.Fixed, file));
        return file;
    }

    private static nint ReadLink(ReadOnlySpan<byte> path, byte* to)
    {
        fixed (byte* p = path)
            return Syscall.Call(89, (nint)p, (nint)to, 200);
    }

    private static void MapFiles()
    {
        int file = MapAtPlace();
        byte* name = stackalloc byte[200];
        nint length = ReadLink("/proc/self/map_files/10000000-10002000"u8, name);
        Same("/memfd:telling (deleted)"u8, length < 0 ? default : new ReadOnlySpan<byte>(name, (int)length), "the link");
        Equal(0xA000 | 0x180, ModeOf("/proc/self/map_files/10000000-10002000"u8));
        int directory = Open("/proc/self/map_files"u8, 0x10000);
        byte* entries = stackalloc byte[4096];
        bool found = false;
        while (Syscall.Call(217, directory, (nint)entries, 4096) is > 0 and nint got)
            found |= new ReadOnlySpan<byte>(entries, (int)got).IndexOf("10000000-10002000\0"u8) >= 0;
        Check(found);
        Close(directory);
        Drop(Place, 2);
        Equal(Errno.NoEntry, (int)ReadLink("/proc/self/map_files/10000000-10002000"u8, name));
        Close(file);
    }

    private static void MapFilesBorders()
    {
        int file = MapAtPlace();
        byte* name = stackalloc byte[200];
        Equal(Errno.NoEntry, (int)ReadLink("/proc/self/map_files/10000000-10001000"u8, name));
        Equal(Errno.NoEntry, (int)ReadLink("/proc/self/map_files/010000000-10002000"u8, name));
        Equal(Errno.NoEntry, (int)ReadLink("/proc/self/map_files/10000000"u8, name));
        Equal(Errno.NoEntry, (int)ReadLink("/proc/self/map_files/10000000-10002000x"u8, name));
        Mprotect(Place, Page, Protection.Read);
        Equal(Errno.NoEntry, (int)ReadLink("/proc/self/map_files/10000000-10002000"u8, name));
        Check(ReadLink("/proc/self/map_files/10001000-10002000"u8, name) > 0);
        Put(Place, 2);
        Equal(Errno.NoEntry, (int)ReadLink("/proc/self/map_files/10000000-10002000"u8, name));
        Drop(Place, 2);
        Close(file);
    }

    private static void MapFilesFollowed()
    {
        int file = MapAtPlace();
        int again = Open("/proc/self/map_files/10000000-10002000"u8, 2);
        Check(again >= 0);
        *(byte*)Place = (byte)'Z';
        byte b = 0;
        Equal(1, PositionedRead(again, &b, 1, 0));
        Equal('Z', b);
        Close(again);
        int pid = Linux.Fork();
        if (pid == 0)
        {
            Syscall.Call(117, 1000, 1000, 1000);
            byte* name = stackalloc byte[200];
            Exit(ReadLink("/proc/self/map_files/10000000-10002000"u8, name) > 0 && Open("/proc/self/map_files/10000000-10002000"u8, 0) == Errno.NotPermitted ? 0 : 1);
        }
        Equal(0, Child.Status(pid));
        Drop(Place, 2);
        Close(file);
    }

    private static long Queued() => Proc.Status("SigQ"u8);

    private static void SignalQueue()
    {
        long before = Queued();
        int pid = Linux.Fork();
        if (pid == 0)
        {
            ulong all = ulong.MaxValue;
            Syscall.Call(14, 0, (nint)(&all), 0, 8);
            byte* info = stackalloc byte[128];
            new Span<byte>(info, 128).Clear();
            ((int*)info)[2] = -1;                           // SI_QUEUE
            for (int i = 0; i < 5; i++)
                Syscall.Call(129, GetPid(), 40, (nint)info);
            Kill(GetPid(), 10);
            Kill(GetPid(), 10);                             // pending already
            int child = Linux.Fork();
            if (child == 0)
                Exit(Queued() == before + 6 ? 0 : 1);       // another process of the same user
            if (Child.Status(child) != 0 || Queued() != before + 7)
                Exit(1);                                    // the child's end has been told, too
            MakeTimer(1, 0, 10, 0);
            Exit(Queued() == before + 8 ? 0 : 2);
        }
        Equal(0, Child.Status(pid));
        Equal(before, Queued());
    }

    private static void TimerLimit() => Equal(0, Child.Run(&MakeTooMany));

    private static int MakeTooMany()
    {
        Syscall.Call(117, 4321, 4321, 4321);
        ulong* pair = stackalloc ulong[2];
        pair[0] = pair[1] = 2;
        SetResourceLimit(11, pair);
        return MakeTimer(1, 0, 10, 0) == 0 && MakeTimer(1, 0, 10, 0) == 1 && MakeTimer(1, 0, 10, 0) == Errno.TryAgain ? 0 : 1;
    }

    // ---- of System V objects -------------------------------------------------------------------------------------------------------------

    private static void SemaphoreSets()
    {
        const int create = 0x200, remove = 0;
        int id = (int)Syscall.Call(64, 0x1234567, 3, create | 0x180);
        Check(id >= 0);
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/sysvipc/sem"u8);
        Check(text.StartsWith("       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"u8));
        int at = text.IndexOf("\n  19088743 "u8);
        if (!Check(at >= 0))
            return;
        text = text.Slice(at + 1);
        Equal(id, Proc.Number(text.Slice(11)));
        Same("   600          3     0     0     0     0          0 "u8, text.Slice(21, 53), "the line");
        Syscall.Call(66, id, 0, remove);
        Check(Proc.ReadAll("/proc/sysvipc/sem"u8).IndexOf("\n  19088743 "u8) < 0);
    }

    private static void MessageQueues()
    {
        const int create = 0x200, remove = 0;
        int id = (int)Syscall.Call(68, 0x1234567, create | 0x1B6);
        Check(id >= 0);
        nint* message = stackalloc nint[4];
        message[0] = 1;
        Equal(0, Syscall.Call(69, id, (nint)message, 5, 0));
        Equal(0, Syscall.Call(69, id, (nint)message, 7, 0));
        Equal(5, Syscall.Call(70, id, (nint)message, 24, 0, 0));
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/sysvipc/msg"u8);
        Check(text.StartsWith("       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n"u8));
        int at = text.IndexOf("\n  19088743 "u8);
        if (!Check(at >= 0))
            return;
        text = text.Slice(at + 1);
        Equal(id, Proc.Number(text.Slice(11)));
        Same("   666           7          1 "u8, text.Slice(21, 30), "the line");
        Equal(GetPid(), Proc.Number(text.Slice(50)));
        Syscall.Call(71, id, remove, 0);
        Check(Proc.ReadAll("/proc/sysvipc/msg"u8).IndexOf("\n  19088743 "u8) < 0);
    }

    // ---- of the machine ------------------------------------------------------------------------------------------------------------------

    /// <summary>Whether the first words of lines are these, in this order, beginning with the first line that has the first of them.</summary>
    private static bool InOrder(ReadOnlySpan<byte> text, ReadOnlySpan<byte> names)
    {
        int at = 0;
        while (!names.IsEmpty)
        {
            int end = names.IndexOf((byte)' ');
            ReadOnlySpan<byte> name = end < 0 ? names : names[..end];
            names = end < 0 ? default : names[(end + 1)..];
            int found = FindLine(text.Slice(at), name);
            if (found < 0 || (at != 0 && found != 0))
            {
                Same(name, default, "a name that should follow");
                return false;
            }
            at += found;
            at += text.Slice(at).IndexOf((byte)'\n') + 1;
        }
        return true;
    }

    /// <summary>Where the line begins whose first word is this; -1.</summary>
    private static int FindLine(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name)
    {
        int at = 0;
        while (at < text.Length)
        {
            ReadOnlySpan<byte> line = text.Slice(at);
            int word = 0;
            while (word < line.Length && line[word] == (byte)' ')
                word++;
            line = line.Slice(word);
            if (line.Length > name.Length && line.StartsWith(name) && line[name.Length] == (byte)' ')
                return at;
            int end = line.IndexOf((byte)'\n');
            if (end < 0)
                return -1;
            at += word + end + 1;
        }
        return -1;
    }

    private static long Counter(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name)
    {
        int at = FindLine(text, name);
        return at < 0 ? -1 : Proc.Number(text.Slice(at + text.Slice(at).IndexOf(name) + name.Length));
    }

    private static ReadOnlySpan<byte> ZonePart
        => "nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable nr_zone_write_pending nr_mlock"u8;

    private static void VmStatOrder()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/vmstat"u8);
        Check(text.StartsWith("nr_free_pages "u8));
        InOrder(text, ZonePart);
        InOrder(text, "numa_hit numa_miss numa_foreign numa_interleave numa_local numa_other nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon nr_isolated_file workingset_nodes workingset_refault_anon workingset_refault_file"u8);
        InOrder(text, "nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback"u8);
        InOrder(text, "nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped nr_file_hugepages nr_file_pmdmapped nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim nr_dirtied nr_written"u8);
        InOrder(text, "nr_dirty_threshold nr_dirty_background_threshold"u8);
    }

    private static void VmStatEvents()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/vmstat"u8);
        InOrder(text, "pgpgin pgpgout pswpin pswpout pgalloc_dma pgalloc_dma32 pgalloc_normal pgalloc_movable"u8);
        InOrder(text, "pgfree pgactivate pgdeactivate pglazyfree pgfault pgmajfault pglazyfreed pgrefill pgreuse pgsteal_kswapd"u8);
        InOrder(text, "unevictable_pgs_culled unevictable_pgs_scanned unevictable_pgs_rescued unevictable_pgs_mlocked unevictable_pgs_munlocked"u8);
        InOrder(text, "swap_ra swap_ra_hit"u8);
        Check(Counter(text, "pgfault"u8) > 0 && Counter(text, "pgfree"u8) > 0);
        Check(Counter(text, "numa_hit"u8) > 0 && Counter(text, "numa_miss"u8) == 0);
        Equal(Counter(text, "numa_hit"u8), Counter(text, "numa_local"u8));
    }

    private static void NodeVmStat()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/sys/devices/system/node/node0/vmstat"u8);
        Check(text.StartsWith("nr_free_pages "u8));
        InOrder(text, ZonePart);
        InOrder(text, "nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback"u8);
        Check(FindLine(text, "pgpgin"u8) < 0);
        text = Proc.ReadAll("/sys/devices/system/node/node0/numastat"u8);
        InOrder(text, "numa_hit numa_miss numa_foreign interleave_hit local_node other_node"u8);
    }

    private static void ZoneFree()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/zoneinfo"u8);
        long sum = 0;
        for (int at = FindLine(text, "nr_free_pages"u8); at >= 0; at = FindLine(text, "nr_free_pages"u8))
        {
            text = text.Slice(at);
            sum += Proc.Number(text);
            text = text.Slice(text.IndexOf((byte)'\n') + 1);
        }
        long free = Counter(Proc.ReadAll("/proc/vmstat"u8), "nr_free_pages"u8);
        Check(sum > 0 && sum - free is > -2000 and < 2000);
    }

    private static void ZoneSizes()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/zoneinfo"u8);
        long managed = 0;
        for (int at = FindLine(text, "spanned"u8); at >= 0; at = FindLine(text, "spanned"u8))
        {
            text = text.Slice(at);
            Check(Counter(text, "spanned"u8) >= Counter(text, "present"u8) && Counter(text, "present"u8) >= Counter(text, "managed"u8));
            managed += Counter(text, "managed"u8);
            text = text.Slice(text.IndexOf((byte)'\n') + 1);
        }
        Check(managed > 0);
    }

    private static void ZoneOrder()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/zoneinfo"u8);
        Check(text.StartsWith("Node 0, zone      DMA\n  per-node stats\n      nr_inactive_anon "u8));
        InOrder(text, "boost min low high"u8);
        InOrder(text, "spanned present managed cma protection:"u8);
        InOrder(text, ZonePart);
        Check(text.IndexOf("\nNode 0, zone    DMA32\n"u8) > 0);
        Check(text.IndexOf("\nNode 0, zone   Normal\n"u8) > 0);
        Check(text.IndexOf("\nNode 0, zone  Movable\n  pages free     0\n        boost    0\n"u8) > 0);
        Check(text.IndexOf("\nNode 0, zone   Device\n  pages free     0\n        boost    0\n"u8) > 0);
        Check(text.EndsWith("        protection: (0, 0, 0, 0, 0)\n"u8));
    }

    private static void PageTypes()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/pagetypeinfo"u8);
        Check(text.StartsWith("Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type at order       0      1 "u8));
        Check(text.IndexOf("\nNode    0, zone      DMA, type    Unmovable "u8) > 0);
        Check(text.IndexOf("\nNode    0, zone    DMA32, type      Isolate "u8) > 0);
        Check(text.IndexOf("\nNumber of blocks type     Unmovable      Movable  Reclaimable   HighAtomic      Isolate \n"u8) > 0);
    }

    private static long Of(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name) => Proc.Number(Proc.Line(text, name));

    private static void MemInfoSums()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/meminfo"u8);
        Equal(Of(text, "Active"u8), Of(text, "Active(anon)"u8) + Of(text, "Active(file)"u8));
        Equal(Of(text, "Inactive"u8), Of(text, "Inactive(anon)"u8) + Of(text, "Inactive(file)"u8));
        Equal(Of(text, "Slab"u8), Of(text, "SReclaimable"u8) + Of(text, "SUnreclaim"u8));
        Check(Of(text, "MemAvailable"u8) <= Of(text, "MemTotal"u8) && Of(text, "MemFree"u8) < Of(text, "MemTotal"u8));
        Equal(2048, Of(text, "Hugepagesize"u8));
    }

    private static void DirectMap()
    {
        ReadOnlySpan<byte> text = Proc.ReadAll("/proc/meminfo"u8);
        long mapped = Of(text, "DirectMap4k"u8) + Of(text, "DirectMap2M"u8) + Of(text, "DirectMap1G"u8);
        Check(mapped >= Of(text, "MemTotal"u8));
        Equal(0, Of(text, "DirectMap2M"u8) % 2048);
    }

    private static void ExclusivePage()
    {
        nint a = Alone(2);
        Touch(a, 2);
        Equal(1, FlagOf(a));
        int pid = Linux.Fork();
        if (pid == 0)
            Exit(FlagOf(a) == 0 ? 0 : 1);
        Equal(0, Child.Status(pid));
        Touch(a, 1);
        Equal(1, FlagOf(a));
        Drop(a, 2);
    }

    /// <summary>The bit of the page's frame that says that nobody shares it.</summary>
    private static int FlagOf(nint page)
    {
        ulong frame = Proc.PageMap(page) & ((1UL << 55) - 1);
        ulong word = 0;
        int file = Open("/proc/kpageflags"u8, 0);
        PositionedRead(file, &word, 8, (nint)frame * 8);
        Close(file);
        return (int)(word >> ExclusiveBit & 1);
    }
}
