; Registers before and after an entry into the kernel, and what a new program finds in them: NanoVm.User.Suites.Isolation.Registers.
default rel

section .text progbits alloc exec nowrite align=16

; RDI: a pattern's 16 words (RBX, RBP, R8 to R10, R12 to R15; the rest of them and all for the vectors), RSI: what to do: 0 a system call, 1 a
; read of the address in RDX, 2 a loop of RDX rounds, 3 an undefined instruction, which a handler skips, 4 a breakpoint.
; Returns the number of registers that are not as before. AVX: RCX is not 0.
global isolation_keep
isolation_keep:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    sub rsp, 40
    mov [rsp], rdi
    mov [rsp + 8], rcx
    mov rax, rsi
    mov r11, rdx

%assign n 0
%rep 16
    movdqu xmm %+ n, [rdi + n * 8]
  %assign n n + 1
%endrep
    test rcx, rcx
    jz .loaded
%assign n 0
%rep 16
    vinsertf128 ymm %+ n, ymm %+ n, [rdi + 64 + n * 4], 1
  %assign n n + 1
%endrep
.loaded:
    mov rbx, [rdi]
    mov rbp, [rdi + 8]
    mov r8, [rdi + 16]
    mov r9, [rdi + 24]
    mov r10, [rdi + 32]
    mov r12, [rdi + 40]
    mov r13, [rdi + 48]
    mov r14, [rdi + 56]
    mov r15, [rdi + 64]

    cmp eax, 1
    je .touch
    cmp eax, 2
    je .spin
    cmp eax, 3
    je .undefined
    cmp eax, 4
    je .breakpoint
    mov eax, 39                         ; getpid
    syscall
    jmp .check
.touch:
    mov al, [r11]
    jmp .check
.spin:
    dec r11
    jnz .spin
    jmp .check
.undefined:
    ud2
    jmp .check
.breakpoint:
    int3

.check:
    mov rdi, [rsp]
    xor eax, eax
%macro SAME 2
    cmp %1, [rdi + %2]
    setne dl
    movzx edx, dl
    add eax, edx
%endmacro
    SAME rbx, 0
    SAME rbp, 8
    SAME r8, 16
    SAME r9, 24
    SAME r10, 32
    SAME r12, 40
    SAME r13, 48
    SAME r14, 56
    SAME r15, 64
%assign n 0
%rep 16
    movdqu [rsp + 16], xmm %+ n
    mov rcx, [rsp + 16]
    SAME rcx, n * 8
    mov rcx, [rsp + 24]
    SAME rcx, n * 8 + 8
  %assign n n + 1
%endrep
    cmp qword [rsp + 8], 0
    je .done
%assign n 0
%rep 16
    vextractf128 [rsp + 16], ymm %+ n, 1
    mov rcx, [rsp + 16]
    SAME rcx, 64 + n * 4
    mov rcx, [rsp + 24]
    SAME rcx, 64 + n * 4 + 8
  %assign n n + 1
%endrep
    vzeroupper
.done:
    add rsp, 40
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

; A whole program: its status is 0 when all registers but RSP were zero at its first instruction, else which kind was not: 1 general, 2 vector,
; 4 flags, 8 the bases of FS and GS, 16 selectors.
global isolation_begin, isolation_begin_end
isolation_begin:
    pushfq
    or rax, rbx
    or rax, rcx
    or rax, rdx
    or rax, rsi
    or rax, rdi
    or rax, rbp
    or rax, r8
    or rax, r9
    or rax, r10
    or rax, r11
    or rax, r12
    or rax, r13
    or rax, r14
    or rax, r15
    xor edi, edi
    test rax, rax
    setnz dil
%assign n 1
%rep 15
    por xmm0, xmm %+ n
  %assign n n + 1
%endrep
    sub rsp, 16
    movdqu [rsp], xmm0
    mov rax, [rsp]
    or rax, [rsp + 8]
    jz .no_vector
    or edi, 2
.no_vector:
    mov rax, [rsp + 16]
    cmp rax, 0x202
    je .no_flag
    or edi, 4
.no_flag:
    mov ebx, edi
    mov eax, 158                        ; arch_prctl ARCH_GET_FS, ARCH_GET_GS
    mov edi, 0x1003
    mov rsi, rsp
    syscall
    mov eax, 158
    mov edi, 0x1004
    lea rsi, [rsp + 8]
    syscall
    mov rax, [rsp]
    or rax, [rsp + 8]
    jz .no_base
    or ebx, 8
.no_base:
    mov eax, ds
    mov ecx, es
    or eax, ecx
    mov ecx, fs
    or eax, ecx
    mov ecx, gs
    or eax, ecx
    jz .no_selector
    or ebx, 16
.no_selector:
    mov edi, ebx
    mov eax, 231
    syscall
isolation_begin_end:

global isolation_get_begin
isolation_get_begin:
    lea rax, [isolation_begin]
    ret
global isolation_get_end
isolation_get_end:
    lea rax, [isolation_begin_end]
    ret

; RDI: leaf, RSI: where EAX, EBX, ECX and EDX go.
global isolation_cpuid
isolation_cpuid:
    push rbx
    mov eax, edi
    xor ecx, ecx
    cpuid
    mov [rsi], eax
    mov [rsi + 4], ebx
    mov [rsi + 8], ecx
    mov [rsi + 12], edx
    pop rbx
    ret

; EDI: MXCSR, ESI: the x87 control word.
global isolation_set_control
isolation_set_control:
    push rdi
    push rsi
    fldcw [rsp]
    ldmxcsr [rsp + 8]
    add rsp, 16
    ret

; Returns the control word in the upper half and MXCSR in the lower one.
global isolation_get_control
isolation_get_control:
    push 0
    stmxcsr [rsp]
    fnstcw [rsp + 4]
    pop rax
    ret
