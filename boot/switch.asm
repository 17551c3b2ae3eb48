; From one thread's kernel stack to another's.
default rel
%include "frame.inc"

extern traps_first_switch
extern traps_thread_body
extern return_to_user
global switch_stacks
global switch_first_user
global switch_first_kernel
global switch_enter_user
global switch_call_on_stack

section .text progbits alloc exec nowrite align=16

; RDI: where the old stack pointer goes, RSI: the new one. Saves what a call keeps; interrupts are off.
align 16
switch_stacks:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rsp, rsi
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

; Where a new task first comes out of switch_stacks: RSP is its user frame.
switch_first_user:
    xor ebp, ebp
    call traps_first_switch
    jmp return_to_user

; Where a new kernel thread first comes out of switch_stacks; RSP is aligned to 16.
switch_first_kernel:
    xor ebp, ebp
    call traps_first_switch
    call traps_thread_body
    ud2

; RDI: the frame at the top of this thread's stack.
switch_enter_user:
    mov rsp, rdi
    jmp return_to_user
