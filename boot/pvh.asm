; The note by which QEMU's -kernel (and Xen) start the very same ELF file without firmware, and its entry.
; Xen, docs/misc/pvh.pandoc; XEN_ELFNOTE_PHYS32_ENTRY.
%include "layout.inc"

extern boot_start32
global pvh_entry

section .note.pvh note alloc noexec nowrite align=4
    dd 4                        ; size of the name
    dd 8                        ; size of the value
    dd 18                       ; XEN_ELFNOTE_PHYS32_ENTRY
    db "Xen", 0
    dq pvh_entry

section .boot.text progbits alloc exec nowrite align=16
bits 32
; EBX: physical address of hvm_start_info; protected mode, paging off.
pvh_entry:
    cli
    cld
    mov esi, ebx
    mov edi, PROTOCOL_PVH
    jmp boot_start32
