using System;

namespace NanoVm.User.SysFuzz;

/// <summary>What the calls want: a line each, the number, the name, and a word for each argument.</summary>
/// <remarks>
/// <code>
///   f descriptor      d folder's descriptor   s path        b buffer          l its length      v vector of buffers   n their number
///   a page address    z bytes of pages        o offset      P process         S signal          t struct timespec     g struct stat(x), rlimit …: a buffer
///   u user or group   w futex word            m msghdr      h sigaction       e sigset          8 its size            i any number
///   A sockaddr        k socklen_t *           c clone_args  p struct pollfd   q open_how        x text                0 nothing
///   {1,2,3} one of them                       [1,2,4] any of them together
/// </code>
/// </remarks>
internal static class Calls
{
    /// <summary>The table. Calls that are missing here are still made, with random arguments.</summary>
    public static ReadOnlySpan<byte> Text => """
        0 read f b l
        1 write f b l
        2 open s [1,2,0x40,0x80,0x200,0x400,0x800,0x10000,0x20000,0x80000,0x200000,0x400000] {0,0x180,0x1ff}
        3 close f
        4 stat s b
        5 fstat f b
        6 lstat s b
        7 poll p n {0,1,3}
        8 lseek f o {0,1,2,3,4,5}
        9 mmap a z [1,2,4] [1,2,0x10,0x20,0x20,0x20,0x100,0x2000,0x4000,0x8000,0x10000,0x20000,0x40000,0x100000] f o
        10 mprotect a z [1,2,4,0x1000000,0x2000000]
        11 munmap a z
        12 brk i
        13 rt_sigaction S h h 8
        14 rt_sigprocmask {0,1,2,3} e e 8
        16 ioctl f {0x5401,0x5402,0x5403,0x5404,0x5405,0x540b,0x540e,0x540f,0x5410,0x5413,0x5414,0x541b,0x5421,0x5450,0x5451,0x5452,0x80045430,0x40045431,0xc018aa3f,0xc020aa00,0x8010aa01,0x8010aa02,0xc028aa03,0xc020aa04,0x1,0x2,0x5460} b
        17 pread64 f b l o
        18 pwrite64 f b l o
        19 readv f v n
        20 writev f v n
        21 access s {0,1,2,4,7,8}
        22 pipe b
        23 select {0,1,8,40,64,1024,-1} b b b t
        24 sched_yield
        25 mremap a z z [1,2,4] a
        26 msync a z [1,2,4]
        27 mincore a z b
        28 madvise a z {0,1,2,3,4,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,100,101}
        29 shmget {0,1,0x1234} z [0x200,0x400,0x800,0x1000,0x180,0x1b6]
        30 shmat i a [0x1000,0x2000,0x4000,0x8000]
        31 shmctl i {0,1,2,3,11,12,13,14,15} b
        32 dup f
        33 dup2 f f
        35 nanosleep t b
        36 getitimer {0,1,2,3} b
        37 alarm {0,1,2,1000}
        38 setitimer {0,1,2} t b
        40 sendfile f f b l
        41 socket {1,2,10,16,17} {1,2,3,5,0x80001,0x801} {0,1,6,17}
        42 connect f A {0,2,3,16,110,111,-1}
        43 accept f A k
        44 sendto f b l [1,2,4,0x40,0x80,0x4000] A {0,2,3,16,110,111}
        45 recvfrom f b l [1,2,0x20,0x40,0x100] A k
        46 sendmsg f m [1,2,4,0x40,0x80,0x4000]
        47 recvmsg f m [1,2,0x20,0x40,0x100,0x40000000]
        48 shutdown f {0,1,2,3}
        49 bind f A {0,2,3,16,110,111}
        50 listen f i
        51 getsockname f A k
        52 getpeername f A k
        53 socketpair {1,2} {1,2,5,0x80001,0x801} {0,1} b
        54 setsockopt f {0,1,6,41} {1,2,3,7,8,9,13,15,16,17,20,21,32,33,39} b {0,1,4,8,16}
        55 getsockopt f {0,1,6,41} {1,2,3,4,7,8,9,13,15,16,17,18,20,21,28,30,31,38,39,59} b k
        56 clone [0x11,0x100,0x200,0x400,0x800,0x4000,0x8000,0x10000,0x40000,0x80000,0x100000,0x200000,0x400000,0x1000000,0x20000000] b b b i
        57 fork
        58 vfork
        59 execve s b b
        61 wait4 P b [1,2,8,0x20000000,0x40000000,0x80000000] b
        62 kill P S
        63 uname b
        64 semget {0,1,0x1234} {0,1,3,250} [0x200,0x400,0x180]
        65 semop i b {0,1,3,500,501}
        66 semctl i {0,1,2} {0,1,2,3,11,12,13,14,15,16,17,18,19,20} b
        67 shmdt a
        68 msgget {0,1,0x1234} [0x200,0x400,0x180]
        69 msgsnd i b {0,1,100,8192} [0x800]
        70 msgrcv i b {0,1,100,8192} {0,1,-5} [0x800,0x1000,0x2000,0x4000]
        71 msgctl i {0,1,2,3,11,12,13} b
        72 fcntl f {0,1,2,3,4,5,6,7,8,9,10,11,15,16,36,37,38,1024,1025,1026,1029,1030,1031,1032,1033,1034,1035,1036} b
        73 flock f {1,2,4,5,6,8,9}
        74 fsync f
        75 fdatasync f
        76 truncate s o
        77 ftruncate f o
        78 getdents d b l
        79 getcwd b l
        80 chdir s
        81 fchdir d
        82 rename s s
        83 mkdir s {0,0x1c0,0x1ff}
        84 rmdir s
        85 creat s {0x180,0x1ff}
        86 link s s
        87 unlink s
        88 symlink x s
        89 readlink s b l
        90 chmod s i
        91 fchmod f i
        92 chown s u u
        93 fchown f u u
        94 lchown s u u
        95 umask i
        96 gettimeofday b b
        97 getrlimit {0,1,2,3,4,5,6,7,8,9,10,15,16} b
        98 getrusage {0,1,-1,2} b
        99 sysinfo b
        100 times b
        102 getuid
        103 syslog {1,2,3,4,6,7,8,9,10} b l
        105 setuid u
        106 setgid u
        109 setpgid P P
        112 setsid
        113 setreuid u u
        114 setregid u u
        115 getgroups {0,1,32,-1} b
        116 setgroups {0,1,32,65536,65537} b
        117 setresuid u u u
        118 getresuid b b b
        119 setresgid u u u
        120 getresgid b b b
        121 getpgid P
        122 setfsuid u
        123 setfsgid u
        124 getsid P
        125 capget b b
        126 capset b b
        127 rt_sigpending e 8
        128 rt_sigtimedwait e b t 8
        129 rt_sigqueueinfo P S b
        130 rt_sigsuspend e 8
        131 sigaltstack b b
        132 utime s b
        133 mknod s {0x1000,0x1180,0x2000,0x6000,0x8000,0xc000,0x81a4} {0,0x103,0x105}
        135 personality {0xffffffff,0,0x40000,0x200000,0x400000,8}
        137 statfs s b
        138 fstatfs f b
        140 getpriority {0,1,2,3} P
        141 setpriority {0,1,2} P {-20,-1,0,1,19,20}
        142 sched_setparam P b
        143 sched_getparam P b
        144 sched_setscheduler P {0,3,5,0x40000000,7} b
        145 sched_getscheduler P
        146 sched_get_priority_max i
        147 sched_get_priority_min i
        148 sched_rr_get_interval P b
        149 mlock a z
        150 munlock a z
        151 mlockall [1,2,4]
        152 munlockall
        155 pivot_root s s
        157 prctl {1,2,3,4,7,8,15,16,21,22,23,24,25,26,29,30,35,36,37,38,39,40,41,42,47,0x53564d41} i b i i
        158 arch_prctl {0x1001,0x1002,0x1003,0x1004,0x1011,0x1012,0x1022} a
        160 setrlimit {0,1,2,3,4,5,6,7,8,9,10,15} b
        161 chroot s
        162 sync
        164 settimeofday b b
        165 mount s s x [1,2,4,8,16,32,1024,2048,4096,16384,0x20000,0x40000,0x80000,0x100000,0x200000] b
        166 umount2 s [1,2,4,8]
        167 swapon s [0x8000,0x10000,0x7fff]
        168 swapoff s
        170 sethostname b {0,1,64,65}
        171 setdomainname b {0,1,64,65}
        186 gettid
        187 readahead f o l
        188 setxattr s x b l {0,1,2,3}
        191 getxattr s x b l
        193 fgetxattr f x b l
        194 listxattr s b l
        199 fremovexattr f x
        200 tkill P S
        202 futex w {0,1,3,4,5,6,7,8,9,10,11,12,128,129,131,132,133,137,138,265,393} {0,1,2,-1} t w {0,1,0x05000001,0xf5001001}
        203 sched_setaffinity P l b
        204 sched_getaffinity P l b
        213 epoll_create i
        216 remap_file_pages a z 0 i [1,0x10000]
        217 getdents64 d b l
        218 set_tid_address w
        219 restart_syscall
        220 semtimedop i b {0,1,3} t
        221 fadvise64 f o l {0,1,2,3,4,5,6}
        222 timer_create {0,1,2,3,4,7,9,-1} b b
        223 timer_settime {0,1,2} {0,1} t b
        224 timer_gettime {0,1,2} b
        225 timer_getoverrun {0,1,2}
        226 timer_delete {0,1,2}
        227 clock_settime {0,1,7} t
        228 clock_gettime {0,1,2,3,4,5,6,7,8,9,11,-2,-6,-35} b
        229 clock_getres {0,1,2,3,4,5,6,7,8,9,11,-2,-6} b
        230 clock_nanosleep {0,1,2,3,7,8} {0,1} t b
        232 epoll_wait f b {0,1,8,-1} {0,1,2}
        233 epoll_ctl f {1,2,3,4} f b
        234 tgkill P P S
        235 utimes s b
        247 waitid {0,1,2,3,4} P b [1,2,4,8,0x1000000] b
        257 openat d s [1,2,0x40,0x80,0x200,0x400,0x800,0x10000,0x20000,0x200000,0x410000] {0,0x180,0x1ff}
        258 mkdirat d s {0,0x1c0,0x1ff}
        259 mknodat d s {0x1000,0x1180,0x2000,0x8000,0xc000,0x81a4} {0,0x103,0x105}
        260 fchownat d s u u [0x100,0x1000]
        261 futimesat d s b
        262 newfstatat d s b [0x100,0x800,0x1000]
        263 unlinkat d s [0x200]
        264 renameat d s d s
        265 linkat d s d s [0x400,0x1000]
        266 symlinkat x d s
        267 readlinkat d s b l
        268 fchmodat d s i
        269 faccessat d s {0,1,2,4,7}
        270 pselect6 {0,1,8,40,64,1024,-1} b b b t b
        271 ppoll p n t e 8
        273 set_robust_list a {24,0,23}
        274 get_robust_list P b b
        275 splice f b f b l [1,2,4,8]
        276 tee f f l [1,2,4,8]
        277 sync_file_range f o l [1,2,4]
        278 vmsplice f v n [1,2,4,8]
        280 utimensat d s t [0x100,0x1000]
        281 epoll_pwait f b {0,1,8,-1} {0,1,2} e 8
        282 signalfd f e 8
        283 timerfd_create {0,1,7,8,9} [0x800,0x80000]
        284 eventfd i
        285 fallocate f [1,2,8,16,32,64] o l
        286 timerfd_settime f [1,2] t b
        287 timerfd_gettime f b
        288 accept4 f A k [0x800,0x80000]
        289 signalfd4 f e 8 [0x800,0x80000]
        290 eventfd2 i [1,0x800,0x80000]
        291 epoll_create1 [0x80000]
        292 dup3 f f [0x80000]
        293 pipe2 b [0x800,0x4000,0x80000]
        295 preadv f v n o 0
        296 pwritev f v n o 0
        297 rt_tgsigqueueinfo P P S b
        299 recvmmsg f b {0,1,2,1024,1025} [1,2,0x40,0x10000] t
        302 prlimit64 P {0,1,2,3,4,5,6,7,8,9,10,15,16} b b
        303 name_to_handle_at d s b b [0x400,0x1000]
        304 open_by_handle_at d b [1,2,0x200000]
        306 syncfs f
        307 sendmmsg f b {0,1,2,1024,1025} [1,4,0x40]
        309 getcpu b b b
        310 process_vm_readv P v n v n 0
        311 process_vm_writev P v n v n 0
        314 sched_setattr P b 0
        315 sched_getattr P b {48,56,0,4096,4097} 0
        316 renameat2 d s d s [1,2,4]
        318 getrandom b l [1,2,4]
        319 memfd_create x [1,2,4,8]
        322 execveat d s b b [0x100,0x1000]
        323 userfaultfd [1,0x800,0x80000]
        324 membarrier {0,1,2,4,8,16,32,64} [1]
        325 mlock2 a z [1]
        326 copy_file_range f b f b l 0
        327 preadv2 f v n o 0 [1,2,4,8,16]
        328 pwritev2 f v n o 0 [1,2,4,8,16]
        329 pkey_mprotect a z [1,2,4] {-1,0,1,2,15,16}
        330 pkey_alloc {0,1} {0,1,2,3,4}
        331 pkey_free {0,1,2,3,15,16,-1}
        332 statx d s [0x100,0x800,0x1000,0x2000,0x4000] i b
        334 rseq a {32,0,33} {0,1} i
        424 pidfd_send_signal f S b 0
        434 pidfd_open P [0x800,0x80]
        435 clone3 c {64,72,80,88,0,4096,4097}
        436 close_range {3,10,20,40,60,100,-1} {0,12,30,50,100,-1} [2,4]
        437 openat2 d s q {24,0,8,32,4096,4097}
        438 pidfd_getfd f f 0
        439 faccessat2 d s {0,1,2,4,7} [0x100,0x200,0x1000]
        441 epoll_pwait2 f b {0,1,8,-1} t e 8
        452 fchmodat2 d s i [0x100]

        """u8;

    private const int MostCalls = 400;

    // Where each line begins, behind its number.
    private static readonly int[] s_start = new int[MostCalls];
    private static readonly int[] s_number = new int[MostCalls];

    /// <summary>How many calls the table has.</summary>
    public static int Count { get; private set; }

    /// <summary>Reads the table.</summary>
    public static void Prepare()
    {
        int at = 0;
        while (at < Text.Length && Text[at] != '\n')
        {
            s_number[Count] = (int)Number(ref at);
            s_start[Count++] = at;
            at += Text.Slice(at).IndexOf((byte)'\n') + 1;
        }
    }

    public static int NumberAt(int entry) => s_number[entry];

    /// <summary>The name and the arguments' words of an entry.</summary>
    public static ReadOnlySpan<byte> LineAt(int entry)
    {
        ReadOnlySpan<byte> rest = Text.Slice(s_start[entry] + 1);
        return rest.Slice(0, rest.IndexOf((byte)'\n'));
    }

    /// <summary>The entry of a number; -1 when the table has none.</summary>
    public static int EntryOf(int number)
    {
        for (int i = 0; i < Count; i++)
            if (s_number[i] == number)
                return i;
        return -1;
    }

    /// <summary>The name of a call; empty for one that the table does not have.</summary>
    public static ReadOnlySpan<byte> NameOf(int number)
    {
        int entry = EntryOf(number);
        if (entry < 0)
            return default;
        ReadOnlySpan<byte> line = LineAt(entry);
        int end = line.IndexOf((byte)' ');
        return end < 0 ? line : line.Slice(0, end);
    }

    private static long Number(ref int at) => Number(Text, ref at);

    /// <summary>A number in the table's text: decimal, hexadecimal behind <c>0x</c>, negative behind <c>-</c>.</summary>
    public static long Number(ReadOnlySpan<byte> text, ref int at)
    {
        bool negative = text[at] == '-';
        if (negative)
            at++;
        int numberBase = 10;
        if (at + 1 < text.Length && text[at] == '0' && text[at + 1] == 'x')
        {
            numberBase = 16;
            at += 2;
        }
        long value = 0;
        for (; at < text.Length; at++)
        {
            int digit = text[at] is >= (byte)'0' and <= (byte)'9' ? text[at] - '0' : text[at] is >= (byte)'a' and <= (byte)'f' ? text[at] - 'a' + 10 : 99;
            if (digit >= numberBase)
                break;
            value = value * numberBase + digit;
        }
        return negative ? -value : value;
    }
}
