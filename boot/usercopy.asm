; The only instructions that touch user memory. Each has a pair in the exception table: (its address, where to go on when the fault
; cannot be resolved). NanoVm.Core.UserCopy checks all ranges before it comes here.
;
; 64 bits at a time; a fault there goes on byte by byte, so that all bytes before the bad one are copied and the count is exact.
default rel
%include "frame.inc"

global usercopy_in
global usercopy_out
global usercopy_clear
global usercopy_string
global usercopy_compare_exchange
global usercopy_exchange_add
global cpu_probe_read
global cpu_restore_state_checked

SMAP_SITES usercopy

; %1: the instruction, %2: where its fault continues.
%macro RECOVER 2
    [section .exception_table]
    dq %1, %2
    __?SECT?__
%endmacro

section .exception_table progbits alloc noexec nowrite align=8
section .text progbits alloc exec nowrite align=16

; RDI: to, RSI: from, RDX: bytes. Returns the bytes not copied. Both directions; only one of the two is user memory.
align 16
usercopy_in:
usercopy_out:
    STAC
    mov rcx, rdx
    shr rcx, 3
    and edx, 7
.words:
    rep movsq
    mov ecx, edx
.bytes:
    rep movsb
    mov rax, rcx
    CLAC
    ret
.words_fault:
    lea rcx, [rdx + rcx * 8]
    jmp .bytes
.bytes_fault:
    mov rax, rcx
    CLAC
    ret
RECOVER .words, .words_fault
RECOVER .bytes, .bytes_fault

; RDI: to, RSI: bytes. Returns the bytes not cleared.
align 16
usercopy_clear:
    STAC
    mov rcx, rsi
    shr rcx, 3
    and esi, 7
    xor eax, eax
.words:
    rep stosq
    mov ecx, esi
.bytes:
    rep stosb
    CLAC
    ret
.words_fault:
    lea rcx, [rsi + rcx * 8]
    jmp .bytes
.bytes_fault:
    mov rax, rcx
    CLAC
    ret
RECOVER .words, .words_fault
RECOVER .bytes, .bytes_fault

; RDI: to, RSI: from, RDX: room. Returns the length without the zero, RDX when there was none, or -1 after a fault.
align 16
usercopy_string:
    STAC
    xor eax, eax
    test rdx, rdx
    jz .done
.next:
.read:
    mov cl, [rsi + rax]
    mov [rdi + rax], cl
    test cl, cl
    jz .done
    inc rax
    cmp rax, rdx
    jb .next
.done:
    CLAC
    ret
.fault:
    mov rax, -1
    CLAC
    ret
RECOVER .read, .fault

; RDI: address, ESI: expected, EDX: desired, RCX: where the old value goes. Returns 0, or -1 after a fault.
align 16
usercopy_compare_exchange:
    STAC
    mov eax, esi
.access:
    lock cmpxchg [rdi], edx
    CLAC
    mov [rcx], eax
    xor eax, eax
    ret
.fault:
    CLAC
    mov eax, -1
    ret
RECOVER .access, .fault

; RDI: any address, RSI: where the eight bytes go. Returns 0, or -1 after a fault. For the panic's walk through memory.
align 16
cpu_probe_read:
.access:
    mov rax, [rdi]
    mov [rsi], rax
    xor eax, eax
    ret
.fault:
    mov eax, -1
    ret
RECOVER .access, .fault

; RDI: area, RSI: mask. Returns 0, or -1 when the area's header or a control register's value was refused (#GP).
align 16
cpu_restore_state_checked:
    mov rdx, rsi
    shr rdx, 32
    mov eax, esi
    cmp byte [cpu_has_xsave], 0
    je .old
.new:
    xrstor64 [rdi]
    xor eax, eax
    ret
.old:
    fxrstor64 [rdi]
    xor eax, eax
    ret
.fault:
    mov eax, -1
    ret
RECOVER .new, .fault
RECOVER .old, .fault

extern cpu_has_xsave
SMAP_SITES_END
