; The vDSO: clocks that a program reads without a system call. A shared object of its own (vdso.ld), mapped into every process.
;
; In front of it lies the vvar page (Kernel/Tasks/Vdso.cs). Only the wall clock's offset ever changes, by one store of eight bytes, so
; there is nothing to lock:
;   0   the counter's value at time zero
;   8   nanoseconds of one tick, times 2^32
;   16  wall clock less monotonic clock, nanoseconds
;   24  1 when RDTSCP answers the processor's number
; Leaf functions without a stack; System V ABI: RDI, RSI, result in RAX.
default rel

extern __ehdr_start

NANOSECONDS equ 1000000000
VVAR_BYTES equ 4096

; Clocks read here: the monotonic ones 1, 4, 7 and those of the day 0, 11. The coarse ones, 5 and 6, only for their resolution.
DAY_CLOCKS equ (1 << 0) | (1 << 11)
CLOCKS equ DAY_CLOCKS | (1 << 1) | (1 << 4) | (1 << 7)
COARSE_CLOCKS equ (1 << 5) | (1 << 6)
COARSE_NANOSECONDS equ 4000000

SYS_GETTIMEOFDAY equ 96
SYS_TIME equ 201
SYS_CLOCK_GETTIME equ 228
SYS_CLOCK_GETRES equ 229
SYS_GETCPU equ 309

; RAX: monotonic nanoseconds; R8: the vvar page. Uses RDX.
%macro MONOTONIC 0
    lea r8, [__ehdr_start]
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, [r8 - VVAR_BYTES]
    mul qword [r8 - VVAR_BYTES + 8]
    shrd rax, rdx, 32
%endmacro

section .text progbits alloc exec nowrite align=16

global __vdso_clock_gettime:function, clock_gettime:function
align 16
clock_gettime:
__vdso_clock_gettime:
    cmp edi, 11
    ja .call
    mov ecx, CLOCKS
    bt ecx, edi
    jnc .call
    MONOTONIC
    mov ecx, DAY_CLOCKS
    bt ecx, edi
    jnc .split
    add rax, [r8 - VVAR_BYTES + 16]
.split:
    xor edx, edx
    mov ecx, NANOSECONDS
    div rcx
    mov [rsi], rax
    mov [rsi + 8], rdx
    xor eax, eax
    ret
.call:
    mov eax, SYS_CLOCK_GETTIME
    syscall
    ret

global __vdso_gettimeofday:function, gettimeofday:function
align 16
gettimeofday:
__vdso_gettimeofday:
    test rsi, rsi
    jnz .call                           ; the time zone is asked for once in a lifetime
    test rdi, rdi
    jz .done
    MONOTONIC
    add rax, [r8 - VVAR_BYTES + 16]
    xor edx, edx
    mov ecx, NANOSECONDS
    div rcx
    mov [rdi], rax
    mov rax, rdx
    xor edx, edx
    mov ecx, 1000
    div rcx
    mov [rdi + 8], rax
.done:
    xor eax, eax
    ret
.call:
    mov eax, SYS_GETTIMEOFDAY
    syscall
    ret

global __vdso_time:function, time:function
align 16
time:
__vdso_time:
    MONOTONIC
    add rax, [r8 - VVAR_BYTES + 16]
    xor edx, edx
    mov ecx, NANOSECONDS
    div rcx
    test rdi, rdi
    jz .done
    mov [rdi], rax
.done:
    ret

global __vdso_clock_getres:function, clock_getres:function
align 16
clock_getres:
__vdso_clock_getres:
    cmp edi, 11
    ja .call
    mov ecx, CLOCKS | COARSE_CLOCKS
    bt ecx, edi
    jnc .call
    test rsi, rsi
    jz .done
    mov eax, 1
    mov ecx, COARSE_CLOCKS
    bt ecx, edi
    jnc .store
    mov eax, COARSE_NANOSECONDS
.store:
    mov qword [rsi], 0
    mov [rsi + 8], rax
.done:
    xor eax, eax
    ret
.call:
    mov eax, SYS_CLOCK_GETRES
    syscall
    ret

global __vdso_getcpu:function, getcpu:function
align 16
getcpu:
__vdso_getcpu:
    lea r8, [__ehdr_start]
    cmp qword [r8 - VVAR_BYTES + 24], 0
    je .call
    rdtscp                              ; ECX: processor in the low 12 bits, node above
    test rdi, rdi
    jz .node
    mov eax, ecx
    and eax, 0xfff
    mov [rdi], eax
.node:
    test rsi, rsi
    jz .done
    shr ecx, 12
    mov [rsi], ecx
.done:
    xor eax, eax
    ret
.call:
    mov eax, SYS_GETCPU
    syscall
    ret

; What system the object is for, as Linux's own says it: a note "Linux", type 0, version 6.1.0.
section .note.Linux note alloc noexec nowrite align=4
    dd 6, 4, 0
    db "Linux", 0, 0, 0
    dd 0x00060100
