; From four-level to five-level paging. CR4.LA57 may only change while paging is off, and paging may only be switched off in 32-bit
; code: so down to a compatibility segment in the identity-mapped boot text, and up again.
; Intel SDM volume 3, 4.5, 10.8.5.
%include "layout.inc"

global cpu_enter_five_levels
extern boot_pml4

CR0_PG       equ 1 << 31
CR4_LA57     equ 1 << 12
TABLE        equ 3
CODE64       equ 8
CODE32       equ 16
DATA         equ 24

section .text progbits alloc exec nowrite align=16
bits 64
; Called on the boot's page tables, interrupts off. The descriptor tables and the GS base must be loaded again afterwards.
cpu_enter_five_levels:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15

    ; The new top level has the old one at both ends: low addresses, and all that begin with one bits.
    mov edi, la57_pml5
    mov eax, boot_pml4 + TABLE
    mov [rdi], rax
    mov [rdi + 511 * 8], rax
    mov eax, la57_stack                 ; upper halves of registers do not survive 32-bit code
    mov [rax], rsp
    mov eax, la57_gdt.pointer
    lgdt [rax]
    mov eax, la57_32
    push qword CODE32
    push rax
    retfq
la57_back:
    mov eax, la57_stack
    mov rsp, [rax]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

section .boot.text progbits alloc exec nowrite align=16
bits 32
la57_32:
    mov eax, DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov eax, cr4
    or eax, CR4_LA57
    mov cr4, eax
    mov cr3, edi
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    jmp CODE64:la57_64
bits 64
la57_64:
    mov rax, qword la57_back
    jmp rax

section .boot.rodata progbits alloc noexec nowrite align=8
la57_gdt:
    dq 0
    dq 0x00af9b000000ffff
    dq 0x00cf9b000000ffff
    dq 0x00cf93000000ffff
.pointer:
    dw $ - la57_gdt - 1
    dq la57_gdt

section .boot.bss nobits alloc noexec write align=4096
la57_pml5:
    resb 4096
la57_stack:
    resq 1
