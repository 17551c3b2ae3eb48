; The clock of cost: the time-stamp counter, which is the number of instructions in a machine that counts them.
default rel

section .text progbits alloc exec nowrite align=16

; Returns the counter. What came before has been done: the fence waits for it.
global cost_clock
cost_clock:
    lfence
    rdtsc
    shl rdx, 32
    or rax, rdx
    ret

; RDI: address. Writes a byte there.
global cost_store
cost_store:
    mov byte [rdi], 1
    ret

; RDI: address. Reads a byte there.
global cost_load
cost_load:
    movzx eax, byte [rdi]
    ret

; EDI: how many pages further down the stack to write.
global cost_stack
cost_stack:
    mov rax, rsp
.page:
    sub rax, 4096
    mov byte [rax], 1
    dec edi
    jnz .page
    ret
