; The vDSO as a shared object, to be copied into frames of its own at boot. Made of boot/vdso/ by the build.
section .rodata progbits alloc noexec nowrite align=16
vdso_image:
    incbin "vdso.so"
vdso_image_end:

section .text progbits alloc exec nowrite align=16
; The address of the image.
global vdso_image_start
vdso_image_start:
    mov rax, qword vdso_image
    ret

; Its length.
global vdso_image_bytes
vdso_image_bytes:
    mov eax, vdso_image_end - vdso_image
    ret
