; Instructions that C# cannot say, one function each, System V calling convention: NanoVm.Core.Cpu.
; And the memory that the processor needs before there is an allocator: its own area and the stacks of NMI, #DF and #MC.
default rel
%include "frame.inc"
%include "percpu.inc"

%macro FUNCTION 1
align 16
global %1
%1:
%endmacro

section .data progbits alloc noexec write align=64
global percpu_boot_area
percpu_boot_area:
    dq percpu_boot_area
    times PERCPU_BYTES - 8 db 0
global cpu_has_xsave
cpu_has_xsave:
    db 0
user_end:
    dq 0x7ffffffff000                   ; four levels: 47 bits less a page
global cpu_has_avx
cpu_has_avx:
    db 0
global cpu_has_fsgsbase
cpu_has_fsgsbase:
    db 0

; Filled by Kernel/Core/Processor/DescriptorTables.cs.
section .bss nobits alloc noexec write align=64
gdt:
    resq 16
tss:
    resb 128
align 16
idt:
    resq 512
early_heap:
    resb 16384                          ; the objects that exist before early memory does
early_heap_end:

; Below each stack a page that KernelTables leaves unmapped.
section .stack nobits alloc noexec write align=4096
global own_stacks
own_stacks:
    resb 4 * (4096 + 8192)              ; #DB, NMI, #DF, #MC: a guard page and two pages of stack each

section .text progbits alloc exec nowrite align=16

FUNCTION cpu_percpu_area
    mov rax, [gs:PERCPU_SELF]
    ret

FUNCTION cpu_boot_area
    lea rax, [percpu_boot_area]
    ret

FUNCTION cpu_own_stacks
    lea rax, [own_stacks]
    ret

FUNCTION cpu_gdt
    lea rax, [gdt]
    ret

FUNCTION cpu_tss
    lea rax, [tss]
    ret

FUNCTION cpu_idt
    lea rax, [idt]
    ret

FUNCTION cpu_early_heap
    lea rax, [early_heap]
    ret

FUNCTION cpu_early_heap_end
    lea rax, [early_heap_end]
    ret

FUNCTION cpu_boot_stack
    extern boot_stack
    mov rax, boot_stack
    ret

FUNCTION cpu_boot_stack_top
    extern boot_stack_top
    mov rax, boot_stack_top
    ret

; One past the last user address.
FUNCTION cpu_user_end
    mov rax, [user_end]
    ret

FUNCTION cpu_set_user_end
    mov [user_end], rdi
    ret

FUNCTION cpu_disable_interrupts
    pushfq
    pop rax
    cli
    shr eax, 9
    and eax, 1
    ret

FUNCTION cpu_enable_interrupts
    sti
    ret

FUNCTION cpu_enable_and_halt
    sti                                 ; takes effect after the next instruction: no interrupt comes before HLT
    hlt
    ret

FUNCTION cpu_halt
    hlt
    ret

FUNCTION cpu_pause
    pause
    ret

FUNCTION cpu_read_flags
    pushfq
    pop rax
    ret

FUNCTION cpu_read_cr0
    mov rax, cr0
    ret
FUNCTION cpu_write_cr0
    mov cr0, rdi
    ret
FUNCTION cpu_read_cr2
    mov rax, cr2
    ret
FUNCTION cpu_read_cr3
    mov rax, cr3
    ret
FUNCTION cpu_write_cr3
    mov cr3, rdi
    ret
FUNCTION cpu_read_cr4
    mov rax, cr4
    ret
FUNCTION cpu_write_cr4
    mov cr4, rdi
    ret

FUNCTION cpu_invalidate_page
    invlpg [rdi]
    ret

FUNCTION cpu_read_msr
    mov ecx, edi
    rdmsr
    shl rdx, 32
    or rax, rdx
    ret

FUNCTION cpu_write_msr
    mov ecx, edi
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
    wrmsr
    ret

FUNCTION cpu_cpuid
    push rbx
    mov r8, rdx
    mov eax, edi
    mov ecx, esi
    cpuid
    mov [r8], eax
    mov [r8 + 4], ebx
    mov [r8 + 8], ecx
    mov [r8 + 12], edx
    pop rbx
    ret

FUNCTION cpu_read_tsc
    rdtsc
    shl rdx, 32
    or rax, rdx
    ret

FUNCTION cpu_rdrand
    mov ecx, 10                         ; Intel: ten tries are always enough
.again:
    rdrand rax
    jc .got
    dec ecx
    jnz .again
    xor eax, eax
    ret
.got:
    mov [rdi], rax
    mov eax, 1
    ret

FUNCTION cpu_write_xcr0
    mov eax, edi
    mov rdx, rdi
    shr rdx, 32
    xor ecx, ecx
    xsetbv
    ret

; RDI: pseudo-descriptor, RSI: code, RDX: data, RCX: task selector. The GS base is written by the caller, after this.
FUNCTION cpu_load_gdt
    lgdt [rdi]
    mov ss, edx
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    lldt ax                             ; none: after reset the processor would look for one at address 0, in user space
    ltr cx
    pop rax                             ; far return to the caller loads CS
    push rsi
    push rax
    retfq

FUNCTION cpu_load_idt
    lidt [rdi]
    ret

FUNCTION cpu_clear_debug
    xor eax, eax
    mov dr7, rax
    ret

; FS base is the program's while the kernel runs; its GS base waits in IA32_KERNEL_GS_BASE.
MSR_FS_BASE        equ 0xc0000100
MSR_KERNEL_GS_BASE equ 0xc0000102

FUNCTION cpu_read_fs_base
    cmp byte [cpu_has_fsgsbase], 0
    je .slow
    rdfsbase rax
    ret
.slow:
    mov edi, MSR_FS_BASE
    jmp cpu_read_msr

FUNCTION cpu_write_fs_base
    cmp byte [cpu_has_fsgsbase], 0
    je .slow
    wrfsbase rdi
    ret
.slow:
    mov rsi, rdi
    mov edi, MSR_FS_BASE
    jmp cpu_write_msr

FUNCTION cpu_read_user_gs_base
    mov edi, MSR_KERNEL_GS_BASE
    jmp cpu_read_msr

FUNCTION cpu_write_user_gs_base
    mov rsi, rdi
    mov edi, MSR_KERNEL_GS_BASE
    jmp cpu_write_msr

; The data segment selectors, which a program may load with what user mode has: DS, ES, FS, GS from the lowest 16 bits up.
FUNCTION cpu_read_selectors
    mov eax, gs
    shl rax, 16
    mov cx, fs
    mov ax, cx
    shl rax, 16
    mov cx, es
    mov ax, cx
    shl rax, 16
    mov cx, ds
    mov ax, cx
    ret

; Interrupts are off. Loading FS and GS changes their bases: the caller writes those afterwards.
FUNCTION cpu_write_selectors
    mov rax, rdi
    mov ds, ax
    shr rax, 16
    mov es, ax
    shr rax, 16
    mov fs, ax
    shr rax, 16
    swapgs                              ; the load must hit the program's base, not the kernel's
    mov gs, ax
    swapgs
    ret

; RDI: area aligned to 64, RSI: mask.
FUNCTION cpu_save_state
    mov rdx, rsi
    shr rdx, 32
    mov eax, esi
    cmp byte [cpu_has_xsave], 0
    je .old
    xsave64 [rdi]
    ret
.old:
    fxsave64 [rdi]
    ret

FUNCTION cpu_restore_state
    mov rdx, rsi
    shr rdx, 32
    mov eax, esi
    cmp byte [cpu_has_xsave], 0
    je .old
    xrstor64 [rdi]
    ret
.old:
    fxrstor64 [rdi]
    ret

; Which vector registers the entries save into the frame: bit n for xmm n.
%macro XMM_MASK 1-*
  %assign xmm_mask 0
  %rep %0
    %assign xmm_mask xmm_mask | (1 << %1)
    %rotate 1
  %endrep
%endmacro
FUNCTION cpu_saved_xmm
    XMM_MASK SAVED_XMM
    mov eax, xmm_mask
    ret

; A page at RDI becomes zero, 32 bytes an instruction where the processor has AVX: a quarter of the instructions of REP STOSQ.
; The entries do not save the upper half of YMM0, so it is put back. (Nobody else runs in between: the kernel is not preempted, and
; interrupts leave upper halves alone.)
FUNCTION cpu_zero_page
    cmp byte [cpu_has_avx], 0
    je .sse
    sub rsp, 40
    vmovdqu [rsp], ymm0
    vpxor xmm0, xmm0, xmm0
    lea rax, [rdi + 4096]
.avx_next:
%assign offset 0
%rep 32
    vmovdqa [rdi + offset], ymm0
  %assign offset offset + 32
%endrep
    add rdi, 1024
    cmp rdi, rax
    jb .avx_next
    vmovdqu ymm0, [rsp]
    add rsp, 40
    ret
.sse:
    xorps xmm0, xmm0
    lea rax, [rdi + 4096]
.sse_next:
%assign offset 0
%rep 32
    movaps [rdi + offset], xmm0
  %assign offset offset + 16
%endrep
    add rdi, 512
    cmp rdi, rax
    jb .sse_next
    ret

; The page at RSI is copied to RDI.
FUNCTION cpu_copy_page
    cmp byte [cpu_has_avx], 0
    je .words
    sub rsp, 40
    vmovdqu [rsp], ymm0
    lea rax, [rdi + 4096]
.avx_next:
%assign offset 0
%rep 32
    vmovdqa ymm0, [rsi + offset]
    vmovdqa [rdi + offset], ymm0
  %assign offset offset + 32
%endrep
    add rdi, 1024
    add rsi, 1024
    cmp rdi, rax
    jb .avx_next
    vmovdqu ymm0, [rsp]
    add rsp, 40
    ret
.words:
    mov ecx, 512
    rep movsq
    ret

FUNCTION cpu_in8
    mov edx, edi
    in al, dx
    movzx eax, al
    ret
FUNCTION cpu_out8
    mov edx, edi
    mov eax, esi
    out dx, al
    ret
FUNCTION cpu_in16
    mov edx, edi
    in ax, dx
    movzx eax, ax
    ret
FUNCTION cpu_out16
    mov edx, edi
    mov eax, esi
    out dx, ax
    ret
FUNCTION cpu_in32
    mov edx, edi
    in eax, dx
    ret
FUNCTION cpu_out32
    mov edx, edi
    mov eax, esi
    out dx, eax
    ret

FUNCTION cpu_frame_pointer
    mov rax, rbp
    ret

FUNCTION cpu_stack_pointer
    lea rax, [rsp + 8]
    ret

; Addresses of parts of the image, for C#.
extern trap_vectors, syscall_entry, switch_first_user, switch_first_kernel, traps_clac_sites, usercopy_clac_sites, usercopy_stac_sites
%macro ADDRESS 2
FUNCTION %1
    lea rax, [%2]
    ret
%endmacro
ADDRESS image_trap_vectors, trap_vectors
ADDRESS image_syscall_entry, syscall_entry
ADDRESS image_first_user, switch_first_user
ADDRESS image_first_kernel, switch_first_kernel
ADDRESS image_has_xsave, cpu_has_xsave
ADDRESS image_has_fsgsbase, cpu_has_fsgsbase
ADDRESS image_has_avx, cpu_has_avx
ADDRESS image_traps_clac, traps_clac_sites
ADDRESS image_usercopy_clac, usercopy_clac_sites
ADDRESS image_usercopy_stac, usercopy_stac_sites

; PKRU: two bits a protection key. Only with CR4.PKE.
FUNCTION cpu_read_pkru
    xor ecx, ecx
    rdpkru
    ret

FUNCTION cpu_write_pkru
    mov eax, edi
    xor ecx, ecx
    xor edx, edx
    wrpkru
    ret
