; The multiboot2 header, by which GRUB finds and starts the kernel (BIOS and UEFI), and its entry.
; Multiboot2 specification 2.0, chapter 3.1.
%include "layout.inc"

extern boot_start32
global multiboot2_entry

MAGIC        equ 0xe85250d6
ARCHITECTURE equ 0              ; 32-bit protected mode, also under UEFI

section .boot.header progbits alloc noexec nowrite align=8
header:
    dd MAGIC
    dd ARCHITECTURE
    dd header.end - header
    dd 0x100000000 - (MAGIC + ARCHITECTURE + (header.end - header))

    ; The loader must understand these information requests: memory map, framebuffer, both RSDPs.
    align 8, db 0
.requests:
    dw 1, 1                     ; optional: a loader without one of them still starts us
    dd .requests_end - .requests
    dd 1, 3, 6, 8, 14, 15
.requests_end:

    align 8, db 0
    dw 3, 0                     ; entry address, used instead of the ELF one
    dd 12
    dd multiboot2_entry

    align 8, db 0
    dw 5, 1                     ; framebuffer, optional: a loader without this mode takes the nearest it has
    dd 20
    dd 1024, 768, 32

    align 8, db 0
    dw 6, 0                     ; modules on page boundaries, so that the initramfs can be freed by pages
    dd 8

    align 8, db 0
    dw 0, 0
    dd 8
.end:

section .boot.text progbits alloc exec nowrite align=16
bits 32
; EAX: 0x36d76289, EBX: physical address of the information structure.
multiboot2_entry:
    cli
    cld
    mov esi, ebx
    mov edi, PROTOCOL_MULTIBOOT2
    cmp eax, 0x36d76289
    je boot_start32
    mov edi, 0                  ; C# says that it does not know the loader
    jmp boot_start32
