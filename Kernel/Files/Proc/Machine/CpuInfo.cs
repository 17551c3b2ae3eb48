using System;
using NanoVm.Core;

namespace NanoVm.Files.Proc.Machine;

/// <summary><c>/proc/cpuinfo</c>. Linux: <c>show_cpuinfo</c>.</summary>
internal sealed class CpuInfo(MachineFiles machine) : ProcPage("cpuinfo"u8)
{
    private readonly MachineFiles _machine = machine;

    /// <inheritdoc/>
    public override unsafe Errno Show(ProcOpenFile file, ref TextWriter w)
    {
        uint* r = stackalloc uint[4];
        Cpu.CpuId(0, 0, r);
        uint maximum = r[0];
        w.Text("processor\t: 0\nvendor_id\t: "u8);
        Letters(ref w, r[1]);
        Letters(ref w, r[3]);
        Letters(ref w, r[2]);
        Cpu.CpuId(1, 0, r);
        uint signature = r[0];
        uint family = signature >> 8 & 15;
        uint model = signature >> 4 & 15;
        if (family is 6 or 15)
            model |= signature >> 12 & 0xF0;
        if (family == 15)
            family += signature >> 20 & 0xFF;
        w.Text("\ncpu family\t: "u8);
        w.Decimal(family);
        w.Text("\nmodel\t\t: "u8);
        w.Decimal(model);
        w.Text("\nmodel name\t: "u8);
        Brand(ref w);
        w.Text("\nstepping\t: "u8);
        w.Decimal(signature & 15);
        w.Text("\ncpu MHz\t\t: "u8);
        ulong kilohertz = _machine.Clock.TscHertz / 1000;
        w.Decimal(kilohertz / 1000);
        w.Byte((byte)'.');
        w.Decimal(kilohertz % 1000, 3, (byte)'0');
        w.Text("\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: "u8);
        w.Decimal(maximum);
        w.Text("\nwp\t\t: yes\nflags\t\t:"u8);
        Flags(ref w, maximum);
        w.Text("\nbugs\t\t:\nbogomips\t: "u8);
        w.Decimal(kilohertz / 500);
        w.Byte((byte)'.');
        w.Decimal(kilohertz / 5 % 100, 2, (byte)'0');
        w.Text("\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: "u8);
        Cpu.CpuId(0x8000_0008, 0, r);
        w.Decimal(r[0] & 0xFF);
        w.Text(" bits physical, "u8);
        w.Decimal(r[0] >> 8 & 0xFF);
        w.Text(" bits virtual\npower management:\n\n"u8);
        return Errno.None;
    }

    private static void Letters(ref TextWriter w, uint letters)
    {
        for (int i = 0; i < 4; i++)
        {
            byte c = (byte)(letters >> (8 * i));
            if (c != 0)
                w.Byte(c);
        }
    }

    private static unsafe void Brand(ref TextWriter w)
    {
        uint* r = stackalloc uint[4];
        for (uint leaf = 0x8000_0002; leaf <= 0x8000_0004; leaf++)
        {
            Cpu.CpuId(leaf, 0, r);
            for (int i = 0; i < 4; i++)
                Letters(ref w, r[i]);
        }
    }

    private static unsafe void Flags(ref TextWriter w, uint maximum)
    {
        uint* r = stackalloc uint[4];
        Cpu.CpuId(1, 0, r);
        uint basicC = r[2];
        Names(ref w, r[3], "fpu vme de pse tsc msr pae mce cx8 apic . sep mtrr pge mca cmov pat pse36 pn clflush . dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe"u8);
        Cpu.CpuId(0x8000_0001, 0, r);
        Names(ref w, r[3], ". . . . . . . . . . . syscall . . . . . . . mp nx . mmxext . . fxsr_opt pdpe1gb rdtscp . lm 3dnowext 3dnow"u8);
        uint amdC = r[2];
        Names(ref w, basicC, "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm . pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave . avx f16c rdrand hypervisor"u8);
        Names(ref w, amdC, "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt . lwp fma4 tce . nodeid_msr . tbm topoext perfctr_core perfctr_nb . . . . mwaitx . ."u8);
        if (maximum < 7)
            return;
        Cpu.CpuId(7, 0, r);
        Names(ref w, r[1], "fsgsbase tsc_adjust sgx bmi1 hle avx2 . smep bmi2 erms invpcid rtm . . mpx . avx512f avx512dq rdseed adx smap avx512ifma . clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl"u8);
        Names(ref w, r[2], "prefetchwt1 avx512vbmi umip pku ospke waitpkg avx512_vbmi2 . gfni vaes vpclmulqdq avx512_vnni avx512_bitalg . avx512_vpopcntdq . la57 . . . . . rdpid . . cldemote . movdiri movdir64b . . ."u8);
    }

    // Names of the bits from 0 on, parted by blanks; a point stands for a bit without a name.
    private static void Names(ref TextWriter w, uint bits, ReadOnlySpan<byte> names)
    {
        int at = 0;
        for (int bit = 0; bit < 32 && at < names.Length; bit++)
        {
            int end = at;
            while (end < names.Length && names[end] != ' ')
                end++;
            if ((bits & (1u << bit)) != 0 && names[at] != '.')
            {
                w.Byte((byte)' ');
                w.Text(names.Slice(at, end - at));
            }
            at = end + 1;
        }
    }
}
