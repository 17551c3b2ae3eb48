; Port input and output for C#. System V calling convention.
section .text progbits alloc exec nowrite align=16

global cpu_out8
cpu_out8:
    mov edx, edi
    mov eax, esi
    out dx, al
    ret
