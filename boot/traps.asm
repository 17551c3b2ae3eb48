; Exceptions and interrupts: from the processor's gate to C# (NanoVm.Core.Traps) and back.
;
; While in the kernel, GS points to the processor's area (percpu.inc). The pair of SWAPGS therefore stands at each border between
; user and kernel. Two kinds of trap come with kernel CS and yet may find user GS: those on stacks of their own (NMI, #DF, #MC,
; #DB), which may interrupt the few instructions between the border and its SWAPGS and look at the GS base itself; and a fault
; of the very IRET that returns to user mode, which is told by its address.
;
; Page-table isolation, should it come, switches CR3 right beside each SWAPGS.
default rel
%include "frame.inc"
%include "percpu.inc"

extern traps_dispatch
extern traps_exit_work
extern percpu_boot_area
global trap_vectors
global return_to_user

MSR_GS_BASE equ 0xc0000101

SMAP_SITES traps

section .text progbits alloc exec nowrite align=16

; One stub a vector. The processor pushes an error code for some of the exceptions; the others get a zero.
%assign vector 0
%rep 256
align 16
trap_stub_ %+ vector:
  %if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
  %else
    push 0
  %endif
    push strict dword vector
  %if vector == 1
    jmp trap_debug
  %elif vector == 2 || vector == 8 || vector == 18
    jmp trap_own_stack
  %else
    jmp trap_common
  %endif
  %assign vector vector + 1
%endrep

; #DB has a stack of its own in case it comes where the kernel has none yet. From user mode it goes on as any other exception,
; on the thread's stack, because its signal may need to sleep.
align 16
trap_debug:
    test byte [rsp + 24], 3
    jz trap_own_stack
    swapgs
    mov [gs:PERCPU_USER_RSP], rax       ; free: interrupts are off and this is no system call
    mov rax, rsp
    mov rsp, [gs:PERCPU_STACK_TOP]
    push qword [rax + 48]
    push qword [rax + 40]
    push qword [rax + 32]
    push qword [rax + 24]
    push qword [rax + 16]
    push qword [rax + 8]
    push qword [rax]
    mov rax, [gs:PERCPU_USER_RSP]
    swapgs
    ; falls through

align 16
trap_common:
    cld
    CLAC
    push -1                             ; no system call
    SAVE_REGISTERS
    test byte [rsp + FRAME_CS], 3
    jz .from_kernel
    swapgs
    xor ebp, ebp                        ; the end of every backtrace
    mov rdi, rsp
    call traps_dispatch
    jmp return_to_user

.from_kernel:
    lea rax, [return_to_user.iret]
    cmp [rsp + FRAME_RIP], rax
    je .bad_iret
    mov rdi, rsp
    call traps_dispatch
    RESTORE_REGISTERS
    add rsp, FRAME_RIP - FRAME_ORIGINAL
    iretq

; The IRET to user mode refused what it found: the program's registers are all loaded, and the user's part of its frame is still
; at the top of the thread's stack. Make it a fault of the program: its own frame there, with this fault's error code.
.bad_iret:
    swapgs
    mov rdi, [gs:PERCPU_STACK_TOP]
    sub rdi, FRAME_BYTES - FRAME_RIP + 8     ; upwards and overlapping: the last word first
    lea rsi, [rsp + FRAME_RIP - 8]
    mov ecx, FRAME_RIP / 8
    std
    rep movsq
    cld
    lea rsp, [rdi + 8]
    xor ebp, ebp
    mov rdi, rsp
    call traps_dispatch
    ; falls through

; RSP: the frame, GS the kernel's, interrupts any.
align 16
return_to_user:
    cli
    cmp dword [gs:PERCPU_WORK], 0
    jne .work
    RESTORE_REGISTERS
    add rsp, FRAME_RIP - FRAME_ORIGINAL
    swapgs
.iret:
    iretq
.work:
    mov rdi, rsp
    call traps_exit_work                ; turns interrupts on for itself
    jmp return_to_user

; Traps that have a stack of their own. They may have come at any instruction, and they never sleep.
align 16
trap_own_stack:
    cld
    CLAC
    push -1
    SAVE_REGISTERS
    mov ecx, MSR_GS_BASE
    rdmsr
    shl rdx, 32
    or rax, rdx
    ; A program can give its GS base any value (WRGSBASE), a negative one too: only the area's own address means kernel. If a program
    ; guesses that one, both bases are equal and leaving out SWAPGS is right as well.
    lea rcx, [percpu_boot_area]
    xor ebx, ebx
    cmp rax, rcx
    je .kernel_gs
    swapgs
    inc ebx
.kernel_gs:
    xor ebp, ebp
    mov rdi, rsp
    call traps_dispatch
    test ebx, ebx
    jz .leave
    swapgs
.leave:
    RESTORE_REGISTERS
    add rsp, FRAME_RIP - FRAME_ORIGINAL
    iretq

section .rodata progbits alloc noexec nowrite align=8
trap_vectors:
%assign vector 0
%rep 256
    dq trap_stub_ %+ vector
  %assign vector vector + 1
%endrep

SMAP_SITES_END
