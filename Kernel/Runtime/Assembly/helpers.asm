; Helpers that compiled code calls by name and with conventions of its own, so they cannot be written in C#.
; There is no garbage collector: storing a reference is storing a word.
default rel

section .text progbits alloc exec nowrite align=16

global RhpAssignRef
global RhpCheckedAssignRef
global RhpByRefAssignRef
global RhpAssignRefAVLocation
global RhpGcPoll
global RhpTrapThreads

; RDI: where, RSI: the reference.
align 16
RhpAssignRef:
RhpCheckedAssignRef:
RhpAssignRefAVLocation:
    mov [rdi], rsi
    ret

; Copies one reference from [RSI] to [RDI] and advances both. May change RCX only.
align 16
RhpByRefAssignRef:
    mov rcx, [rsi]
    mov [rdi], rcx
    add rsi, 8
    add rdi, 8
    ret

; Transitions that a collector would wait at: the compiler's own library start-up, which nothing calls, names the last two.
global RhpReversePInvoke
global RhpReversePInvokeReturn
RhpGcPoll:
RhpReversePInvoke:
RhpReversePInvokeReturn:
    ret

section .data
RhpTrapThreads:
    dd 0

; A canary that prologues of methods with stack arrays read. A fixed value does its work: it catches a stray write.
section .rodata
global __security_cookie
__security_cookie:
    dq 0x595e9fbd94fda766
