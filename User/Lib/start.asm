; Where a program begins, and its only way into the kernel. Linux x86-64 ABI.
default rel

extern UserStart
extern __start___modules, __stop___modules

section .text progbits alloc exec nowrite align=16

; RSP: argument count, arguments, zero, environment, zero, auxiliary vector.
global _start
_start:
    xor ebp, ebp
    mov rdi, rsp
    lea rsi, [__start___modules]
    lea rdx, [__stop___modules]
    and rsp, -16
    call UserStart
    ud2

; RDI: number, RSI, RDX, RCX, R8, R9, [RSP+8]: up to six arguments. Returns what the kernel returns: -4095..-1 is an errno.
global user_syscall
user_syscall:
    mov rax, rdi
    mov rdi, rsi
    mov rsi, rdx
    mov rdx, rcx
    mov r10, r8
    mov r8, r9
    mov r9, [rsp + 8]
    syscall
    ret

; A signal handler's return, for rt_sigaction with SA_RESTORER.
global user_signal_return
user_signal_return:
    mov eax, 15
    syscall

; Returns the address of the above.
global user_signal_return_address
user_signal_return_address:
    lea rax, [user_signal_return]
    ret
