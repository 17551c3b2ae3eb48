; One system call with every register known before it and kept after it: NanoVm.User.SysFuzz.CallBlock.
default rel

%define BLOCK_NUMBER   0
%define BLOCK_ARGS     8
%define BLOCK_RESULT   56
%define BLOCK_RSP      64
%define BLOCK_FLAGS    72
%define BLOCK_FLAGS_AFTER 80
%define BLOCK_KEPT     88               ; RBX, RBP, R12, R13, R14
%define BLOCK_AFTER    128              ; the same, then RDI, RSI, RDX, R10, R8, R9, RSP
%define BLOCK_XMM      256
%define BLOCK_XMM_AFTER 512

EXIT equ 60

section .text progbits alloc exec nowrite align=16

; RDI: the block. A child that shares this memory, or that has a stack of its own, ends at once when the lowest byte of RBP is not 0: the
; stack it would return on is its parent's.
global fuzz_call
fuzz_call:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8
    mov r15, rdi
    mov [r15 + BLOCK_RSP], rsp
%assign n 0
%rep 16
    movaps xmm %+ n, [r15 + BLOCK_XMM + n * 16]
  %assign n n + 1
%endrep
    mov rax, [r15 + BLOCK_NUMBER]
    mov rdi, [r15 + BLOCK_ARGS]
    mov rsi, [r15 + BLOCK_ARGS + 8]
    mov rdx, [r15 + BLOCK_ARGS + 16]
    mov r10, [r15 + BLOCK_ARGS + 24]
    mov r8, [r15 + BLOCK_ARGS + 32]
    mov r9, [r15 + BLOCK_ARGS + 40]
    mov rbx, [r15 + BLOCK_KEPT]
    mov rbp, [r15 + BLOCK_KEPT + 8]
    mov r12, [r15 + BLOCK_KEPT + 16]
    mov r13, [r15 + BLOCK_KEPT + 24]
    mov r14, [r15 + BLOCK_KEPT + 32]
    push qword [r15 + BLOCK_FLAGS]
    popfq
    syscall
    ; Nothing here changes a flag until they are kept. What a child must do is known from a register: when it first runs, its parent may
    ; have filled the block for another call, and nothing of a child that shares memory may be written there.
    movzx ecx, bpl
    jrcxz .kept
    cld
    test rax, rax
    jz .child
.kept:
    mov [r15 + BLOCK_RESULT], rax
    mov [r15 + BLOCK_AFTER + 88], rsp
    pushfq
    pop qword [r15 + BLOCK_FLAGS_AFTER]
    push 0x202
    popfq
    mov [r15 + BLOCK_AFTER], rbx
    mov [r15 + BLOCK_AFTER + 8], rbp
    mov [r15 + BLOCK_AFTER + 16], r12
    mov [r15 + BLOCK_AFTER + 24], r13
    mov [r15 + BLOCK_AFTER + 32], r14
    mov [r15 + BLOCK_AFTER + 40], rdi
    mov [r15 + BLOCK_AFTER + 48], rsi
    mov [r15 + BLOCK_AFTER + 56], rdx
    mov [r15 + BLOCK_AFTER + 64], r10
    mov [r15 + BLOCK_AFTER + 72], r8
    mov [r15 + BLOCK_AFTER + 80], r9
%assign n 0
%rep 16
    movaps [r15 + BLOCK_XMM_AFTER + n * 16], xmm %+ n
  %assign n n + 1
%endrep
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
.child:
    mov eax, EXIT
    xor edi, edi
    syscall
    ud2

; RDI: address of 16 bytes. All vector registers get them while the processor is given away (sched_yield): they lie in this task's save area.
global fuzz_yield_with
fuzz_yield_with:
%assign n 0
%rep 16
    movups xmm %+ n, [rdi]
  %assign n n + 1
%endrep
    mov eax, 24
    mov rsi, [rdi]
    mov rdx, rsi
    mov r8, rsi
    mov r9, rsi
    mov r10, rsi
    syscall
    ret
