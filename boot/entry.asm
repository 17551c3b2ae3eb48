; From 32-bit protected mode to C#: checks the processor, builds the first page tables, enters long mode in the higher half.
;
; The first tables map the lowest 4 GiB three times, with 2 MiB pages that any 64-bit processor has:
;   at 0                    the identity, needed for the few instructions around the switch,
;   at DIRECT_MAP_BASE      where C# reads what the loader left,
;   at KERNEL_BASE          the first GiB only: the kernel image.
; C# builds the final tables with proper rights and drops these.
%include "layout.inc"

extern KernelMain
extern __boot_bss_start, __boot_bss_end, __bss_start, __bss_end
global boot_start32
global boot_handover
global boot_pml4
global boot_stack, boot_stack_top

PRESENT   equ 1 << 0
WRITABLE  equ 1 << 1
LARGE     equ 1 << 7
TABLE     equ PRESENT | WRITABLE

CR0_MP    equ 1 << 1
CR0_EM    equ 1 << 2
CR0_WP    equ 1 << 16
CR0_PG    equ 1 << 31
CR4_PAE   equ 1 << 5
CR4_OSFXSR     equ 1 << 9
CR4_OSXMMEXCPT equ 1 << 10
MSR_EFER  equ 0xc0000080
EFER_LME  equ 1 << 8
EFER_NXE  equ 1 << 11

COM1      equ 0x3f8
COM2      equ 0x2f8

section .boot.text progbits alloc exec nowrite align=16
bits 32

; EDI: protocol, ESI: the loader's structure. Interrupts are off.
boot_start32:
    rdtsc                               ; the machine's age at our first instructions: start-up time is counted from here
    mov ebp, eax
    mov ebx, edx

    mov esp, edi                        ; ESP holds the protocol until there is a stack

    ; Whatever the loader left in our memory, statics start as zero. (ELF loaders clear them; costs little to be sure.)
    mov edi, __boot_bss_start
    mov ecx, __boot_bss_end
    sub ecx, edi
    shr ecx, 2
    xor eax, eax
    rep stosd

    mov [boot_handover.protocol], esp
    mov esp, boot_stack32_top
    mov [boot_handover.structure], esi
    mov [boot_handover.tsc], ebp
    mov [boot_handover.tsc + 4], ebx

    ; Long mode and no-execute, or a message. CPUID itself exists in every processor that can run the loader.
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb .no_long_mode
    mov eax, 0x80000001
    cpuid
    test edx, 1 << 29
    jz .no_long_mode
    test edx, 1 << 20
    jz .no_nx

    ; 2048 entries of 2 MiB.
    mov edi, page_directories
    mov eax, PRESENT | WRITABLE | LARGE
    xor edx, edx
    mov ecx, 2048
.fill:
    mov [edi], eax
    add eax, 0x200000
    add edi, 8
    loop .fill

    mov eax, page_directories + TABLE
    mov edi, low_pdpt
    mov ecx, 4
.link:
    mov [edi], eax
    add eax, 0x1000
    add edi, 8
    loop .link

    mov dword [kernel_pdpt + 510 * 8], page_directories + TABLE
    mov dword [boot_pml4 + 0 * 8], low_pdpt + TABLE
    mov dword [boot_pml4 + ((DIRECT_MAP_BASE >> 39) & 511) * 8], low_pdpt + TABLE
    mov dword [boot_pml4 + 511 * 8], kernel_pdpt + TABLE

    mov eax, cr4
    or eax, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT
    mov cr4, eax
    mov eax, boot_pml4
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME | EFER_NXE
    wrmsr
    mov eax, cr0
    and eax, ~CR0_EM
    or eax, CR0_PG | CR0_WP | CR0_MP
    mov cr0, eax
    lgdt [boot_gdt.pointer]
    jmp 8:long_mode

.no_long_mode:
    mov esi, message_no_long_mode
    jmp fail
.no_nx:
    mov esi, message_no_nx

; ESI: a text that ends in zero. Writes it to both serial ports and stops.
fail:
    mov al, [esi]
    test al, al
    jz .stop
    inc esi
    mov bl, al
    mov dx, COM1
    call .put
    mov dx, COM2
    call .put
    jmp fail
.put:
    add dx, 5                           ; line status: wait for room, but not for a port that is not there
    mov ecx, 100000
.wait:
    in al, dx
    test al, 0x20
    loopz .wait
    sub dx, 5
    mov al, bl
    out dx, al
    ret
.stop:
    mov al, 0x46                        ; ends QEMU like a panic where isa-debug-exit is present
    mov dx, 0xf4
    out dx, al
.halt:
    hlt
    jmp .halt

bits 64
long_mode:
    mov rax, qword higher_half
    jmp rax

section .boot.rodata progbits alloc noexec nowrite align=8
boot_gdt:
    dq 0
    dq 0x00af9a000000ffff               ; 64-bit code
    dq 0x00cf92000000ffff               ; data
.pointer:
    dw $ - boot_gdt - 1
    dd boot_gdt
message_no_long_mode:
    db "NanoVM: this processor has no 64-bit mode. Start QEMU with -cpu max or qemu-system-x86_64's default.", 13, 10, 0
message_no_nx:
    db "NanoVM: this processor has no no-execute pages (NX), which the kernel needs. Start QEMU with -cpu max.", 13, 10, 0

section .text progbits alloc exec nowrite align=16
higher_half:
    mov ax, 16
    mov ss, ax
    mov ds, ax
    mov es, ax
    xor eax, eax
    mov fs, ax
    mov gs, ax
    mov rsp, boot_stack_top
    xor ebp, ebp                        ; the end of every backtrace

    mov rdi, __bss_start
    mov rcx, __bss_end
    sub rcx, rdi
    shr rcx, 3
    rep stosq

    fninit
    push qword 0x1f80                   ; all floating-point exceptions masked
    ldmxcsr [rsp]
    add rsp, 8

    mov rdi, qword boot_handover
    mov rax, DIRECT_MAP_BASE
    add rdi, rax
    call KernelMain
    ud2                                 ; KernelMain never returns

; What C# gets: BootHandover in Kernel/Core/Boot. All addresses are physical.
section .boot.bss nobits alloc noexec write align=4096
boot_pml4:
    resb 4096
low_pdpt:
    resb 4096
kernel_pdpt:
    resb 4096
page_directories:
    resb 4 * 4096
boot_handover:
.protocol:
    resq 1
.structure:
    resq 1
.tsc:
    resq 1
    resq 1
    resb 256                            ; the 32-bit part's stack
boot_stack32_top:

section .stack nobits alloc noexec write align=4096
    resb 4096                           ; the final tables leave this page out: a guard
boot_stack:
    resb 32768
boot_stack_top:
