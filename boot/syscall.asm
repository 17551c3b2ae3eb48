; SYSCALL: from the instruction to C# (NanoVm.Core.Traps.SystemCall) and back.
;
; The processor has put RIP into RCX and RFLAGS into R11, cleared the flags of SFMASK (interrupts, direction, alignment check, trap,
; nested task), loaded kernel CS and SS, and nothing else: the stack is still the program's.
default rel
%include "frame.inc"
%include "percpu.inc"

extern traps_syscall
extern traps_exit_work
extern return_to_user
global syscall_entry

FLAGS_NOT_FOR_SYSRET equ (1 << 8) | (1 << 16)    ; TF would trap in the kernel, RF is lost

section .text progbits alloc exec nowrite align=16

align 16
syscall_entry:
    swapgs
    mov [gs:PERCPU_USER_RSP], rsp
    mov rsp, [gs:PERCPU_STACK_TOP]
    push USER_DS
    push qword [gs:PERCPU_USER_RSP]
    push r11
    push USER_CS
    push rcx
    push 0
    push SYSCALL_VECTOR
    push rax
    SAVE_REGISTERS
    xor ebp, ebp                        ; the end of every backtrace
    sti
    mov rdi, rsp
    call traps_syscall

.leave:
    cli
    cmp dword [gs:PERCPU_WORK], 0
    jne .work

    ; SYSRET takes RIP and RFLAGS only from RCX and R11 and faults in the kernel, on the program's stack, when RIP is not canonical.
    mov rcx, [rsp + FRAME_RIP]
    cmp rcx, [rsp + FRAME_RCX]
    jne return_to_user
    mov rax, 0x7ffffffff000
    cmp rcx, rax
    jae return_to_user
    mov r11, [rsp + FRAME_FLAGS]
    cmp r11, [rsp + FRAME_R11]
    jne return_to_user
    test r11, FLAGS_NOT_FOR_SYSRET
    jnz return_to_user
    cmp qword [rsp + FRAME_CS], USER_CS
    jne return_to_user
    cmp qword [rsp + FRAME_SS], USER_DS
    jne return_to_user

    LOAD_XMM
    mov r15, [rsp + FRAME_R15]
    mov r14, [rsp + FRAME_R14]
    mov r13, [rsp + FRAME_R13]
    mov r12, [rsp + FRAME_R12]
    mov rbp, [rsp + FRAME_RBP]
    mov rbx, [rsp + FRAME_RBX]
    mov r10, [rsp + FRAME_R10]
    mov r9, [rsp + FRAME_R9]
    mov r8, [rsp + FRAME_R8]
    mov rax, [rsp + FRAME_RAX]
    mov rdx, [rsp + FRAME_RDX]
    mov rsi, [rsp + FRAME_RSI]
    mov rdi, [rsp + FRAME_RDI]
    mov rsp, [rsp + FRAME_RSP]
    swapgs
    o64 sysret

.work:
    mov rdi, rsp
    call traps_exit_work
    jmp .leave
